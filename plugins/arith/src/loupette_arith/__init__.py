"""Loupette plugin: pictures of sums, answered with their value (type 50100)."""
