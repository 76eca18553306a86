"""An environment is changed as a whole or not at all, also where the power goes in between.

Beside the environment, in ``<name>.envtool``, lie a lock, a journal and, while files change, a copy of the old
environment that shares its files by hard links. A run that fails puts the copy back. A run that was killed leaves
copy and journal, and the next one begins by putting it back.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from envtool.errors import ToolError
from envtool.install.signals import ended_by_signals, undisturbed
from envtool.write import locked, write_text

# What the journal may say.
COPYING, CHANGING, MAKING, DONE = "copying", "changing", "making", "done"
BUSY = "wait for it to end, or name another folder with --into"


def work_folder(path: str) -> str:
    """Where all that belongs to a change is kept until it is done."""
    return f"{path}.envtool"


@dataclass
class Transaction:
    """One change of the environment at ``path``. ``held``: the lock's descriptor, for the tools that do the work."""

    path: str
    held: int
    tell: Callable[[str], None]

    @property
    def _old(self) -> str:
        return os.path.join(work_folder(self.path), "old")

    def begin_making(self) -> None:
        """The environment is new: what fails from here on takes all of it away."""
        self._note(MAKING)

    def protect(self) -> None:
        """Keep the environment as it is now, to be put back if the change fails."""
        self._note(COPYING)
        copy_tree(self.path, self._old)
        self._note(CHANGING)

    def replace_with(self, new: str) -> None:
        """Put a finished folder in the environment's place; the old one is kept, to be put back if the change fails."""
        there = os.path.lexists(self.path)
        self._note(CHANGING if there else MAKING)
        if there:
            os.rename(self.path, self._old)
        os.rename(new, self.path)

    @property
    def aside(self) -> str:
        """Where a new environment may be prepared; it goes with the end of the change."""
        return os.path.join(work_folder(self.path), "new")

    def done(self) -> None:
        """The change is good."""
        self._note(DONE)

    def state(self) -> str | None:
        """What the journal says, None where there is none."""
        try:
            with open(self._journal, encoding="utf-8") as file:
                return file.read().strip()
        except OSError:
            return None

    @property
    def _journal(self) -> str:
        return os.path.join(work_folder(self.path), "journal")

    def _note(self, state: str) -> None:
        write_text(self._journal, state + "\n")

    def take_back(self) -> str | None:
        """Bring back what was there before, by the journal; the word for what was done, None where nothing was."""
        state = self.state()
        if state == CHANGING and os.path.isdir(self._old):
            self._put_back()
            return "the old environment was put back"
        if state == MAKING:
            remove_tree(self.path)
            return "what there was of the new environment was removed"
        return None

    def _put_back(self) -> None:
        broken = os.path.join(work_folder(self.path), "broken")
        try:
            if os.path.lexists(self.path):
                remove_tree(broken)
                os.rename(self.path, broken)
            os.rename(self._old, self.path)
        except OSError as error:
            raise ToolError(
                f"the old environment could not be put back: {error.strerror or error}",
                hint="end the programs that use it, then run `envtool install` again, which tries once more",
                details=(f"It is safe in {self._old}.",),
            ) from None


@contextlib.contextmanager
def transaction(path: str, tell: Callable[[str], None]) -> Iterator[Transaction]:
    """Hold the lock of an environment, mend what an interrupted run left, and take back a change that fails."""
    folder = work_folder(path)
    with (
        _folders_around(folder),
        locked(os.path.join(folder, "lock"), f"another `envtool install` is at work on {path}", BUSY) as held,
    ):
        change = Transaction(path, held, tell)
        mended = change.take_back()
        if mended:
            tell(f"An earlier run was interrupted: {mended}.")
        _clear(folder)
        try:
            with ended_by_signals():
                yield change
        except BaseException:
            with undisturbed():
                undone = change.take_back()
                if undone:
                    tell(f"The change failed: {undone}.")
                _clear(folder)
            raise
        with undisturbed():
            _clear(folder)


@contextlib.contextmanager
def _folders_around(folder: str) -> Iterator[None]:
    """The folders that were made on the way to a new environment go with it, if it fails."""
    made = []
    around = os.path.dirname(folder)
    while not os.path.isdir(around) and os.path.dirname(around) != around:
        made.append(around)
        around = os.path.dirname(around)
    try:
        yield
    except BaseException:
        for name in made:
            with contextlib.suppress(OSError):
                os.rmdir(name)
        raise


def was_interrupted(path: str) -> bool:
    """Did a run on this environment end before it was done, or is one at work?"""
    return os.path.isdir(work_folder(path))


def _clear(folder: str) -> None:
    """Everything but the lock. The journal goes first: what is left then is rubbish, and never put back."""
    for name in ("journal", "old", "broken", "new"):
        remove_tree(os.path.join(folder, name))


# ── trees ────────────────────────────────────────────────────────────────────────────────────────


def copy_tree(source: str, target: str) -> None:
    """The same tree, its files shared by hard links, or copied where the file system has none and there is room."""
    os.makedirs(target)
    checked = False
    for folder, folders, files in os.walk(source):
        there = os.path.join(target, os.path.relpath(folder, source))
        for name in folders:
            one, other = os.path.join(folder, name), os.path.join(there, name)
            if os.path.islink(one):
                os.symlink(os.readlink(one), other, target_is_directory=True)
            else:
                os.mkdir(other)
        for name in files:
            one, other = os.path.join(folder, name), os.path.join(there, name)
            if os.path.islink(one):
                os.symlink(os.readlink(one), other)
                continue
            try:
                if checked:
                    shutil.copy2(one, other)
                else:
                    os.link(one, other)
            except OSError:
                if checked:
                    raise
                _room_for_copy(source, target)
                checked = True
                shutil.copy2(one, other)
        shutil.copystat(folder, there)


def _room_for_copy(source: str, target: str) -> None:
    need = sum(os.lstat(os.path.join(folder, name)).st_size for folder, _, files in os.walk(source) for name in files)
    free = shutil.disk_usage(os.path.dirname(target)).free
    if free < need * 1.05:
        raise ToolError(
            f"no room for a safety copy of {source}: it needs {need / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free",
            hint="free some space; or delete the environment, and run `envtool install` again, which makes a new one",
        )


def remove_tree(path: str) -> None:
    """Take a file or a folder away, read-only parts too; what can't be removed stays."""
    if not os.path.isdir(path) or os.path.islink(path):
        with contextlib.suppress(OSError):
            os.unlink(path)
        return

    def again(function: Callable[[str], object], name: str, _: object) -> None:
        with contextlib.suppress(OSError):
            os.chmod(os.path.dirname(name), 0o700)
            os.chmod(name, 0o700)
            function(name)

    if sys.version_info >= (3, 12):
        shutil.rmtree(path, onexc=again)
    else:
        shutil.rmtree(path, onerror=again)
