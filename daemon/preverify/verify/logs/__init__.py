"""Transparency logs: what an entry says, and whether a trusted log stands for it."""
