"""envtool: from a bare machine to a PyTorch environment that works, matches everyone else's and stays that way."""

__version__ = "0.9.0"

# What pip is asked for. An old program of the same name stands on the public index; the bound leaves it out.
REQUIREMENT = "envtool>=0.9"
