"""A script (what is said, how the head turns) becomes frames, and frames become a film."""
