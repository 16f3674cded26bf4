"""The ``loupette`` command: one module a command."""
