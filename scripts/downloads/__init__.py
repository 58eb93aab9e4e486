"""Optional model files: what they are and how they are fetched, with Python's standard library alone."""
