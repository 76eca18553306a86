"""envtool: from a bare machine to a PyTorch environment that works, matches everyone else's and stays that way."""

__version__ = "0.1.0"
