"""The speed figures that the README quotes, each one command."""
