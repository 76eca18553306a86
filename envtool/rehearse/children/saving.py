"""torch.save and torch.load: a checkpoint comes back to the device that it was saved from, as on a GPU.

The files themselves say "cpu", so that what a rehearsal leaves behind can be loaded on this machine; where each of
their tensors pretended to be is remembered for as long as the run lasts.
"""

import functools
import os

import torch

from . import frames, judge, labels

_saving = []  # the stack of lists that running saves fill
_loading = []
_kept = {}  # file: the labels of its storages, in the order in which they are written
_original_load = torch.load


def _tag(storage):
    """The location that is written for a storage; None leaves the answer to torch."""
    untyped = _untyped(storage)
    name = labels.storage_label(untyped) if untyped is not None else labels.CPU
    if _saving:
        held, order = _saving[-1]
        if untyped is not None and untyped._cdata not in held:
            held.add(untyped._cdata)
            order.append(name)
        return "cpu" if labels.is_accelerator(name) else None
    return name if labels.is_accelerator(name) else None


def _untyped(storage):
    return getattr(storage, "_untyped_storage", storage)


def _restore(storage, location):
    """The storage on the device that a location names; None leaves it to torch."""
    if isinstance(location, bytes):
        location = location.decode("ascii", "replace")
    name = None
    if location.split(":")[0] in ("cuda", "meta", "mps", "xpu"):
        name = labels.named(location)
    elif location == "cpu":
        name = labels.CPU
    if name is None:
        return None
    if labels.is_accelerator(name):
        judge.moved(name)
    untyped = _untyped(storage)
    labels.put_storage(untyped, name, frames.here(), "torch.load")
    return storage


def _file(file):
    """What tells one file from another, also after it was renamed; None where it is none on a disk."""
    name = file if isinstance(file, (str, os.PathLike)) else getattr(file, "name", None)
    try:
        found = os.stat(name)
    except (OSError, TypeError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def install():
    """Teach torch's own serialization the labels."""
    torch.serialization.register_package(1, _tag, _restore)
    original_save = torch.save

    @functools.wraps(original_save)
    def save(obj, f, *args, **kwargs):
        on_disk = isinstance(f, (str, os.PathLike)) or isinstance(getattr(f, "name", None), str)
        if not on_disk:
            with judge.Resting():
                return original_save(obj, f, *args, **kwargs)
        order = []
        _saving.append((set(), order))
        try:
            with judge.Resting():  # a tensor says where it really lies: one on "meta" would be saved without values
                return original_save(obj, f, *args, **kwargs)
        finally:
            _saving.pop()
            _kept[_file(f)] = order

    @functools.wraps(_original_load)
    def load(f, map_location=None, *args, **kwargs):
        map_location = _as_saved(_kept.get(_file(f), ()), map_location)
        kwargs.pop("mmap", None)  # a mapped file would be loaded without asking where to
        return _original_load(f, map_location, *args, **kwargs)

    reduce = torch.Tensor.__reduce_ex__

    def reduce_ex(self, protocol):
        with judge.Resting():
            return reduce(self, protocol)

    torch.Tensor.__reduce_ex__ = reduce_ex
    torch.save = save
    torch.load = load


def _as_saved(order, wanted):
    """A map_location that gives each storage the location that a GPU would have written, then what was asked for."""
    turn = iter(order)

    def place(storage, location):
        kept = next(turn, None)
        saved = location if kept is None else kept if labels.is_accelerator(kept) else "cpu"
        if callable(wanted):
            result = wanted(storage, saved)
            if result is not None:
                return result
        elif isinstance(wanted, dict):
            saved = wanted.get(saved, saved)
        elif wanted is not None:
            saved = str(wanted)
        return torch.serialization.default_restore_location(storage, saved)

    return place
