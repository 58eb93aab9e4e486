"""The speed figures that the README quotes, each one command."""

import arguments  # noqa: F401  # before torch: it says how OpenMP's threads wait
