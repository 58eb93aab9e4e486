"""Settings, layouts, errors: what every program imports first, so that here its threads and its memory are bounded."""

from arguments.memory import keep_memory
from arguments.threads import share_cores

share_cores()
keep_memory()
