"""The project's version, which results record; pyproject.toml has the same (a test holds them equal)."""

VERSION = "0.1.0"
