"""The built-in sample: a made-up talking head with its sound and its truth."""

from sample.recording import make_sample

__all__ = ["make_sample"]
