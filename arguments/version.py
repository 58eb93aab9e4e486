"""The project's version, as results carry it; pyproject.toml says the same."""

VERSION = "0.1.0"
