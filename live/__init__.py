"""Live use: what answers while people wait."""
