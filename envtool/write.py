"""The only place that writes files: aside first, then renamed, so that nothing half-written is ever seen."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sys
from collections.abc import Iterator, Mapping

from envtool.errors import ToolError


def write_text(path: str, text: str) -> None:
    """Write a whole UTF-8 file with "\\n" line ends, or leave what was there; ToolError says why it can't be done."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str, data: bytes) -> None:
    """Write a whole file, or leave what was there; ToolError says why it can't be done."""
    aside = _beside(path)
    try:
        _put(aside, data, path)
        _rename(aside, path)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(aside)


def write_texts(texts: Mapping[str, str]) -> None:
    """Write several files that belong together, by path; where one can't be written none is changed."""
    from concurrent.futures import ThreadPoolExecutor

    asides = {path: _beside(path) for path in texts}
    try:
        with ThreadPoolExecutor() as writers:  # each waits for the disk
            list(writers.map(lambda path: _put(asides[path], texts[path].encode("utf-8"), path), texts))
        for path, aside in asides.items():
            _rename(aside, path)
    finally:
        for aside in asides.values():
            with contextlib.suppress(OSError):
                os.unlink(aside)


def _beside(path: str) -> str:
    folder = os.path.dirname(os.path.abspath(path))
    return os.path.join(folder, f".{os.path.basename(path)}.{secrets.token_hex(4)}.tmp")


def _put(aside: str, data: bytes, path: str) -> None:
    try:
        with open(aside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _cannot(path, error) from None


def _rename(aside: str, path: str) -> None:
    try:
        os.replace(aside, path)
    except OSError as error:
        raise _cannot(path, error) from None


def _cannot(path: str, error: OSError) -> ToolError:
    return ToolError(
        f"cannot write {path}: {error.strerror or error}",
        hint="name a file in a folder that exists, that you may write to and that has room",
    )


def append_text(path: str, text: str) -> None:
    """Add to a file that another program collects, such as a CI's summary; ToolError says why it can't be done."""
    try:
        with open(path, "a", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise ToolError(f"cannot write {path}: {error.strerror or error}", hint="allow writing to it") from None


def rewrite_bytes(path: str, data: bytes) -> None:
    """Write somebody's own file anew: where a link leads there, the file behind it; who may do what with it stays."""
    real = os.path.realpath(path)
    try:
        mode = os.stat(real).st_mode & 0o7777
        if not os.access(real, os.W_OK):
            raise PermissionError(13, "it may only be read")
        write_bytes(real, data)
        os.chmod(real, mode)
    except OSError as error:
        raise ToolError(f"cannot write {path}: {error.strerror or error}", hint="allow writing to it") from None


_NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}


@contextlib.contextmanager
def locked(path: str, message: str, hint: str) -> Iterator[int]:
    """Hold a lock, in a folder that is made for it, and give its descriptor; ToolError where another process holds it.

    The lock ends with the last process that has the descriptor, however that process ends. Its folder goes with it,
    if nothing else is in there.
    """
    try:
        descriptor = _lock_file(path)
    except BlockingIOError:
        raise ToolError(message, hint=hint) from None
    except OSError as error:
        hint = "name a folder that you may write to, on a disk that has room"
        raise ToolError(f"cannot write {path}: {error.strerror or error}", hint=hint) from None
    try:
        yield descriptor
    finally:
        with contextlib.suppress(OSError):  # under the lock, where the system removes files that are open
            if os.name == "posix":
                os.unlink(path)
        os.close(descriptor)
        with contextlib.suppress(OSError):
            if os.name != "posix":
                os.unlink(path)
            os.rmdir(os.path.dirname(path))


def _lock_file(path: str) -> int:
    """An exclusively locked file. A file that was removed before it was locked locks nothing, and is made again."""
    while True:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:  # the folder went with another process's lock
            continue
        try:
            _lock(descriptor)
            with contextlib.suppress(OSError):
                if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                    return descriptor
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            raise BlockingIOError from None
    else:
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # Some clusters' file systems (Lustre, often) have no locks: better without than not at all.
            if error.errno not in _NO_LOCKS:
                raise


def make_folder(path: str) -> None:
    """A folder, with those above it, where there is none yet; ToolError says why it can't be made."""
    try:
        os.makedirs(path or ".", exist_ok=True)
    except OSError as error:
        raise ToolError(
            f"cannot make the folder {path}: {error.strerror or error}",
            hint="name a place where you may make folders",
        ) from None
