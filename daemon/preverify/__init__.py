"""preverify: container images are verified once, at the registry; everybody else looks the verdict up."""

__version__ = "0.1.0"
