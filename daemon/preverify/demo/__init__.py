"""The demonstration: a registry in memory with really signed images, and the daemon at work on it."""
