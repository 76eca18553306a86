"""The Python files and notebooks in a folder, in a fixed order, without what others put there."""

from __future__ import annotations

import os
from collections.abc import Iterator

from envtool.fact import Fact, dataclass

ENDINGS = (".py", ".ipynb")
NOT_YOURS = frozenset(
    ("node_modules", "site-packages", "dist-packages", "build", "dist", "venv", "env", "virtualenv", "__pycache__")
)
_UNSAID = ("__pycache__",)  # and hidden folders: nobody looks for their code there


@dataclass(frozen=True, eq=False, repr=False)
class Listing(Fact):
    """Paths with / between their parts, which begin with the folder's own, and the folders that were not entered."""

    files: tuple[str, ...]
    left_out: tuple[str, ...]
    unreadable: tuple[tuple[str, str], ...]  # a folder, and why


def list_folder(folder: str) -> Listing:
    """Every file once, though links lead to it twice; links to folders are not followed, so that no loop catches us."""
    files: list[str] = []
    left_out: list[str] = []
    unreadable: list[tuple[str, str]] = []

    def cannot(error: OSError) -> None:
        unreadable.append((_shown(error.filename or folder), error.strerror or str(error)))

    for here, folders, names in os.walk(folder, onerror=cannot):
        entered = []
        for name in sorted(folders):
            path = os.path.join(here, name)
            if not _is_foreign(path, name):
                entered.append(name)
            elif not name.startswith(".") and name not in _UNSAID:
                left_out.append(_shown(path))
        folders[:] = entered
        files += [os.path.join(here, name) for name in sorted(names) if name.endswith(ENDINGS) and name[0] != "."]
    files.sort(key=lambda path: path.split(os.sep))
    return Listing(tuple(_once(files)), tuple(left_out), tuple(unreadable))


def _is_foreign(path: str, name: str) -> bool:
    if name.startswith(".") or name in NOT_YOURS or name.endswith(".egg-info") or os.path.islink(path):
        return True
    return any(os.path.exists(os.path.join(path, sign)) for sign in ("pyvenv.cfg", "conda-meta"))


def _once(files: list[str]) -> Iterator[str]:
    plain = {os.path.realpath(path) for path in files if not os.path.islink(path)}
    for path in files:
        if os.path.islink(path):
            real = os.path.realpath(path)
            if real in plain:
                continue
            plain.add(real)
        yield _shown(path)


def _shown(path: str) -> str:
    return os.path.normpath(path).replace(os.sep, "/")
