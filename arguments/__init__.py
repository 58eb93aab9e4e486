"""Settings, layouts, errors: what every program imports first, and so where it is said how its threads wait."""

from arguments.threads import share_cores

share_cores()
