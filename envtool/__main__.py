"""``python -m envtool``."""

from envtool.cli.app import console

console()
