"""How the fix of each check is known to be right: a sentence for each section, and one that counts them."""

from __future__ import annotations

import os
import sys
import textwrap

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if ROOT not in sys.path:
    sys.path.append(ROOT)

from envtool.checks import every  # noqa: E402
from envtool.data import read_table  # noqa: E402


def proof(code: str) -> str:
    """How the fix of a check is known to be right, by data/fixes.toml."""
    table = read_table("fixes.toml")
    test = next((file for file, codes in table["run"].items() if code in codes), None)
    if test is not None:
        return f"`{test}` breaks an environment so, runs the printed line as it stands, and looks again."
    if code in table["read"]:
        return f"No test runs it, which would need {table['read'][code]}; it rests on the sources below."
    return "It is said in words; there is no line to run."


def proofs() -> str:
    """The sentence that counts them."""
    table = read_table("fixes.toml")
    run, read = sum(len(codes) for codes in table["run"].values()), len(table["read"])
    words = (
        f"The fixes are proven, too. Of the {len(every())} checks, {run} print a line that the tests run as it stands in "
        "an environment that is broken so; then the check must be content, and nothing may be worse. Stand-ins take the "
        f"place of GPUs, of NVIDIA's libraries, and of a torch that fails. {read} print a line that needs what the tests "
        "have not, such as a GPU or the rights of root: it rests on its sources. The others say in words what to do. "
        "Each section tells which."
    )
    return textwrap.fill(words, 120) + "\n\n"
