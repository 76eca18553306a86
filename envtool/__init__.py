"""envtool: from a bare machine to a PyTorch environment that works, matches everyone else's and stays that way.

In a notebook: ``import envtool; envtool.doctor()``.
"""

__version__ = "0.9.0"

# What pip is asked for. An old program of the same name stands on the public index; the bound leaves it out.
REQUIREMENT = "envtool>=0.9"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envtool.notebook import doctor

__all__ = ["REQUIREMENT", "__version__", "doctor"]


def __getattr__(name: str) -> object:
    if name == "doctor":  # loaded when it is asked for: every start of the program reads this file
        from envtool.notebook import doctor

        return doctor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
