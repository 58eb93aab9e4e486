"""A film as one page for browsers: Gaussians and sound, seen from where one likes."""
