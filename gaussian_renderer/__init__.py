"""Gaussians to pixels: one :func:`gaussian_renderer.render.render` over several rasterizers."""
