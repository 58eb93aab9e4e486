"""Many videos become many heads, on one machine or on a cluster of them: see ``fleet.py`` and docs/fleet.md."""
