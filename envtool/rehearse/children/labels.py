"""On which device a tensor pretends to be: a label on its storage, which all of its views share.

Every tensor really lies on the CPU, with its values. A storage without an entry is the CPU's. The entry holds a weak
reference, which keeps the address of the storage from being used again as long as the entry exists.
"""

import torch
from torch.multiprocessing.reductions import StorageWeakRef

CPU = "cpu"
UNDECIDED = "undecided"  # made inside torch from another tensor's options, or moved silently after a report
Base = getattr(torch._C, "TensorBase", None) or torch._C._TensorBase

_storage_of = Base.untyped_storage
_device_of = Base.device.__get__
_no_functions = torch._C.DisableTorchFunction
_table = {}
_tidy_at = 4096
called_meta = False  # has the script named the device "meta"?


class Entry:
    """A label and where the tensor comes from."""

    __slots__ = ("forgiven", "label", "made", "maker", "origin", "source", "weak")

    def __init__(self, weak, label, origin=None, maker=None, made=None):
        self.weak = weak
        self.label = label
        self.origin = origin  # (file, line) in the user's code
        self.maker = maker  # "torch.zeros" where the user's code called it, "torch.load", ...
        self.made = made or origin  # where that maker was called: of what is computed, another line
        self.source = None  # the entry of what this is a copy of
        self.forgiven = None  # the accelerator's name, where a fault was told: what it meets is no second fault

    @property
    def root(self):
        """What this is a copy of, in the end."""
        return self.source or self


def storage(tensor):
    """The storage that carries the label, None where there is none to be had."""
    try:
        with _no_functions():
            return _storage_of(tensor)
    except Exception:
        pass
    try:
        with _no_functions():
            if tensor.layout in (torch.sparse_coo,):
                return _storage_of(tensor._values())
            if tensor.layout is not torch.strided:
                return _storage_of(tensor.values())
            return _storage_of(torch._C._functorch.get_unwrapped(tensor))
    except Exception:
        return None


def entry(tensor):
    """What is known of a tensor, None where nothing is."""
    held = storage(tensor)
    return None if held is None else _table.get(held._cdata)


def label(tensor):
    """CPU, UNDECIDED, or the accelerator's name as the script wrote it ("cuda:0", "meta")."""
    found = entry(tensor)
    return CPU if found is None else found.label


def put(tensor, name, origin=None, maker=None):
    """Label a tensor's storage."""
    held = storage(tensor)
    if held is not None:
        put_storage(held, name, origin, maker)


def put_storage(held, name, origin=None, maker=None, made=None):
    """Label a storage."""
    found = _table.get(held._cdata)
    if found is not None:
        found.label = name
        if origin is not None:
            found.origin, found.maker, found.made = origin, maker, made or origin
        return
    if len(_table) >= _tidy_at:
        _tidy()
    _table[held._cdata] = Entry(StorageWeakRef(held), name, origin, maker, made)


def storage_label(held):
    """The label of a storage."""
    found = _table.get(held._cdata)
    return CPU if found is None else found.label


def key(tensor):
    """What tells one storage from another while the tensor lives."""
    held = storage(tensor)
    return None if held is None else held._cdata


def appears(tensor):
    """The label as the script sees it: what was told as a fault appears as mended."""
    found = entry(tensor)
    if found is None:
        return CPU
    return found.forgiven if found.label is UNDECIDED and found.forgiven else found.label


def copied(held, tensor):
    """This storage holds a copy of that tensor: they are one thing to the user."""
    known = storage(tensor)
    if known is None:
        return
    if known._cdata not in _table:
        put_storage(known, CPU)
    _table[held._cdata].source = _table[known._cdata].root


def get(address):
    """The entry of a storage by its address."""
    return _table.get(address)


def _tidy():
    global _tidy_at
    for address, one in list(_table.items()):
        if one.weak.expired():
            _table.pop(address, None)
    _tidy_at = max(4096, 2 * len(_table))


def is_accelerator(name):
    """Is this label an accelerator's?"""
    return name is not CPU and name is not UNDECIDED


def named(device):
    """The label for a device as a script may name it; None where none is named."""
    if device is None:
        return None
    if isinstance(device, int) and not isinstance(device, bool):
        return _indexed("cuda", device)
    if isinstance(device, str):
        device = torch.device(device)
    if device.type == "cpu":
        return CPU
    return _indexed(device.type, device.index)


def _indexed(kind, index):
    global called_meta
    if kind == "meta":
        called_meta = True
        return "meta"
    if index:
        from . import frames, telling

        telling.fault("second-gpu", frames.place_here(), device="%s:%d" % (kind, index))
    return kind + ":0"


def device(tensor):
    """The device that a tensor pretends to be on."""
    name = appears(tensor)
    return torch.device(name) if is_accelerator(name) else real_device(tensor)


def real_device(tensor):
    """Where a tensor really lies."""
    with _no_functions():
        return _device_of(tensor)


def plainly(function, *args, **kwargs):
    """A call of torch's own that no mode sees: a patched function's original must not come back to the patch."""
    with _no_functions():
        return function(*args, **kwargs)
