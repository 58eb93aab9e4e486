"""What every rasterizer agrees on: the picture's definition.

The constants are those of 3D Gaussian Splatting (Kerbl et al. 2023) in gsplat's "classic" mode. The compiled kernels
are cached with these values in them: whoever changes one clears ``__pycache__``.
"""

import math

NEAR = 0.01  # Gaussians nearer than this to the camera's plane are left out, world units
LOW_PASS = 0.3  # added to the variance of a projected Gaussian along both axes, pixels^2
FRUSTUM_MARGIN = 0.15  # the projection is linearised at most this share of the image outside of it
MIN_ALPHA = 1 / 255  # fainter contributions to a pixel are skipped
MAX_ALPHA = 0.999  # one Gaussian never hides all that is behind it
MIN_TRANSMITTANCE = 1e-4  # a pixel is finished before a Gaussian would take it below this

SH_C0 = 0.5 / math.sqrt(math.pi)  # the constant spherical harmonic: between a constant term and half the colour range
SH_C1 = math.sqrt(3 / (4 * math.pi))  # the factor of the harmonics of degree 1
