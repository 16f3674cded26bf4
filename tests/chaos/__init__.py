"""Faults, hostile bodies and long load on a real server: ``make chaos``, ``fuzz`` and ``soak``."""
