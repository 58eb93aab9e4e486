"""The fourteen numbers of a Gaussian before activation, in the order in which decoders and kernels pack them."""

MEANS = slice(0, 3)  # decimetres
ROTATIONS = slice(3, 7)  # quaternion of any length, scalar first
SCALES = slice(7, 10)  # logarithms of the standard deviations
OPACITIES = 10  # logit
COLORS = slice(11, 14)  # constant terms of the spherical harmonics
ATTRIBUTES = 14
LOG_SCALES = (-9.0, 0.0)  # between these: 12 micrometres and a decimetre
