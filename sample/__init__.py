"""The built-in sample: a made-up talking head with its sound and its truth."""

from sample.video import make_sample

__all__ = ["make_sample"]
