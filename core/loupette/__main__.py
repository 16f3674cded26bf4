"""``python -m loupette``."""

from loupette.cli.main import main

main()
