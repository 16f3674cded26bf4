"""Loupette: a plugin-based recognition engine with a registry."""

__version__ = "0.1.0"
