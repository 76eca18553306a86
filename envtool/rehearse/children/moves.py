"""The Python side of tensors: devices as they pretend to be, moves, factories, NumPy."""

import functools

import torch
import torch.utils._device
import torch.utils.dlpack

from . import frames, judge, labels, telling

Base = labels.Base
plainly = labels.plainly
CPU = labels.CPU


class Move(torch.autograd.Function):
    """A copy on the other device; its gradient travels back."""

    @staticmethod
    def forward(ctx, tensor, target):
        ctx.source = labels.label(tensor)
        return _copied(tensor, target)

    @staticmethod
    def backward(ctx, gradient):
        return move(gradient, ctx.source), None


def _copied(tensor, target):
    copy = plainly(Base.clone, tensor)
    labels.put(copy, target, frames.here(), "a move")
    return copy


def move(tensor, target):
    """The tensor on that device, itself where it is there already."""
    known = labels.entry(tensor)
    if _same(CPU if known is None else known.label, target) and not (known is not None and known.forgiven):
        return tensor
    judge.moved(target)
    if tensor.requires_grad and torch.is_grad_enabled():
        return Move.apply(tensor, target)
    return _copied(tensor, target)


def _same(one, other):
    if one == other:
        return True
    if labels.is_accelerator(one) and labels.is_accelerator(other):
        return True
    return one is labels.UNDECIDED and other == CPU


# -- methods --------------------------------------------------------------------------------------

_CPU_DEVICE = torch.device("cpu")


def _to(self, *args, **kwargs):
    target, args, kwargs = _wanted(args, kwargs)
    result = plainly(Base.to, self, *args, **kwargs)
    if target is None or judge.thread.resting:
        return result
    return move(result, target)


def _wanted(args, kwargs):
    """The device that .to() is asked for, None where it is asked for none; and the rest for the CPU."""
    first = args[0] if args else None
    if isinstance(first, torch.Tensor) or isinstance(kwargs.get("other"), torch.Tensor):
        other = first if isinstance(first, torch.Tensor) else kwargs.pop("other")
        rest = args[1:] if isinstance(first, torch.Tensor) else args
        return labels.label(other), (_CPU_DEVICE, other.dtype) + tuple(rest), kwargs
    if args and (isinstance(first, (str, torch.device)) or type(first) is int):
        return labels.named(first), (_CPU_DEVICE,) + tuple(args[1:]), kwargs
    if kwargs.get("device") is not None:
        return labels.named(kwargs["device"]), args, dict(kwargs, device=_CPU_DEVICE)
    return None, args, kwargs


def _cuda(self, device=None, non_blocking=False, memory_format=torch.preserve_format):
    return move(self, labels.named("cuda" if device is None else device))


def _cpu(self, memory_format=torch.preserve_format):
    return move(self, CPU)


def _type(self, dtype=None, non_blocking=False, **kwargs):
    there = labels.is_accelerator(labels.label(self))
    if dtype is None:
        name = plainly(Base.type, self)
        return name.replace("torch.", "torch.cuda.", 1) if there else name
    target = None
    if isinstance(dtype, type) or isinstance(dtype, str):
        name = dtype if isinstance(dtype, str) else getattr(dtype, "__module__", "torch") + "." + dtype.__name__
        target = "cuda:0" if ".cuda." in name else CPU
        dtype = name.replace(".cuda", "")
    result = plainly(Base.type, self, dtype, non_blocking=non_blocking, **kwargs)
    return result if target is None else move(result, target)


def _type_as(self, other):
    return move(plainly(Base.type_as, self, other), labels.label(other))


def _numpy(self, *, force=False):
    if not force:
        _no_numpy(self)
        return plainly(Base.numpy, self)
    return plainly(Base.numpy, self, force=True)


def _no_numpy(self):
    name = labels.label(self)
    if labels.is_accelerator(name) and not judge.thread.resting:
        telling.fault("numpy", frames.place_here(), device=name, name=_name_of(self))


def _array(self, *args, **kwargs):
    _no_numpy(self)
    return plainly(_original_array, self, *args, **kwargs)


_original_array = torch.Tensor.__array__


def _name_of(tensor):
    from . import kinds

    for frame in frames.users(2, 1):
        names = kinds._names(frame, tensor, kinds._family(tensor))
        if names:
            return names[0]
    return None


def _pin_memory(self, device=None):
    name = labels.label(self)
    if labels.is_accelerator(name):
        telling.fault("pin-memory", frames.place_here(), device=name, name=_name_of(self))
    return self


def _is_pinned(self, device=None):
    return False


def _get_device(self):
    return 0 if labels.is_accelerator(labels.appears(self)) else -1


def _new_tensor(self, data, *, dtype=None, device=None, requires_grad=False, **kwargs):
    target = labels.named(device) or labels.label(self)
    with judge.Outside():
        result = plainly(Base.new_tensor, self, data, dtype=dtype, device="cpu", requires_grad=requires_grad, **kwargs)
    _settle(result, target, "torch.new_tensor")
    return result


def _new(name):
    original = getattr(Base, name)

    @functools.wraps(original)
    def made(self, *args, **kwargs):
        target = labels.named(kwargs.get("device"))
        if target is not None:
            kwargs["device"] = "cpu"
        kwargs.pop("pin_memory", None)
        result = plainly(original, self, *args, **kwargs)
        if target is not None:
            _settle(result, target, "torch." + name)
        elif name == "new":
            _settle(result, labels.label(self), "torch.new")
        return result

    return made


def _is_cuda(self):
    return labels.is_accelerator(labels.appears(self)) or plainly(Base.is_cuda.__get__, self)


def _is_cpu(self):
    return not labels.is_accelerator(labels.appears(self)) and plainly(Base.is_cpu.__get__, self)


def _of_kind(kind):
    original = getattr(Base, "is_" + kind, None)

    def answer(self):
        name = labels.label(self)
        if labels.is_accelerator(name):
            return name.startswith(kind + ":")
        return plainly(original.__get__, self) if original is not None else False

    return property(answer)


def _device(self):
    return labels.real_device(self) if judge.thread.resting else labels.device(self)


_original_grad = torch.Tensor.grad


def _set_grad(self, gradient):
    if isinstance(gradient, torch.Tensor):
        one, other = labels.label(self), labels.label(gradient)
        if labels.is_accelerator(one) != labels.is_accelerator(other) and labels.UNDECIDED not in (one, other):
            telling.fault("gradient", frames.place_here(), device=other, other_device=one, name="grad")
            labels.put(gradient, labels.UNDECIDED)
    plainly(_original_grad.__set__, self, gradient)


def _del_grad(self):
    plainly(_original_grad.__delete__, self)


def _dlpack(self, *args, **kwargs):
    with judge.Resting():
        return plainly(_original_dlpack, self)


def _dlpack_device(self):
    _no_numpy(self)  # torch itself is served by _patched_from_dlpack()
    with judge.Resting():
        return plainly(_original_dlpack_device, self)


_original_dlpack = torch.Tensor.__dlpack__
_original_dlpack_device = torch.Tensor.__dlpack_device__
_from_dlpack = torch.from_dlpack


def _patched_from_dlpack(other, *args, **kwargs):
    return other.detach() if isinstance(other, torch.Tensor) else _from_dlpack(other, *args, **kwargs)


METHODS = {
    "__dlpack__": _dlpack,
    "__dlpack_device__": _dlpack_device,
    "to": _to,
    "cuda": _cuda,
    "cpu": _cpu,
    "type": _type,
    "type_as": _type_as,
    "numpy": _numpy,
    "__array__": _array,
    "pin_memory": _pin_memory,
    "is_pinned": _is_pinned,
    "get_device": _get_device,
    "new_tensor": _new_tensor,
    "device": property(_device),
    "is_cuda": property(_is_cuda),
    "is_cpu": property(_is_cpu),
    "is_mps": _of_kind("mps"),
    "is_xpu": _of_kind("xpu"),
    "grad": property(lambda self: plainly(_original_grad.__get__, self), _set_grad, _del_grad),
}


def _xpu(self, device=None, **kwargs):
    return move(self, labels.named("xpu"))


# -- factories ------------------------------------------------------------------------------------

FACTORIES = """
    zeros ones empty full rand randn randint randperm arange range linspace logspace eye tensor asarray scalar_tensor
    normal empty_strided empty_permuted tril_indices triu_indices bartlett_window blackman_window hamming_window
    hann_window kaiser_window sparse_coo_tensor sparse_csr_tensor sparse_csc_tensor sparse_compressed_tensor
    """.split()
LIKE = "empty_like zeros_like ones_like full_like rand_like randn_like randint_like".split()


def _settle(result, target, maker):
    if isinstance(result, torch.Tensor):
        if labels.is_accelerator(target):
            judge.moved(target)
        labels.put(result, target, frames.here(), maker)


def _default():
    """The default device, where the script has set one."""
    for mode in reversed(torch.overrides._get_current_function_mode_stack()):
        if isinstance(mode, torch.utils._device.DeviceContext):
            return labels.named(mode.device)
    return CPU


def _factory(name, original):
    like = name in LIKE

    @functools.wraps(original)
    def made(*args, **kwargs):
        if judge.thread.resting:
            return original(*args, **kwargs)
        return _made(name, original, like, args, kwargs)

    return made


def _made(name, original, like, args, kwargs):
    target = labels.named(kwargs.get("device"))
    source = args[0] if args and isinstance(args[0], torch.Tensor) else None
    if target is None and source is None and "out" not in kwargs:
        target = _default()
    if target is not None:
        kwargs["device"] = "cpu"
        _same_generator(kwargs.get("generator"), target)
    if kwargs.get("pin_memory"):
        kwargs.pop("pin_memory")
    with judge.Outside():
        result = plainly(original, *args, **kwargs)
    if "out" in kwargs:
        return result
    if target is None and name in ("tensor", "asarray") and source is not None:
        target = labels.label(source)
        if name == "asarray":
            return result
    if target is not None:
        if name == "asarray" and labels.is_accelerator(target):
            return move(result, target)
        _settle(result, target, "torch." + name)
    return result


def _same_generator(generator, target):
    if generator is None:
        return
    own = getattr(generator, "rehearsed", CPU)
    if labels.is_accelerator(own) != labels.is_accelerator(target):
        telling.fault("generator", frames.place_here(), device=own, other_device=target)


_as_tensor = torch.as_tensor
_from_numpy = torch.from_numpy
_frombuffer = torch.frombuffer


def _patched_as_tensor(data, dtype=None, device=None):
    target = labels.named(device)
    if isinstance(data, torch.Tensor):
        result = data if dtype is None else data.to(dtype)
        return result if target is None else move(result, target)
    if target is None:
        target = _default()
    with judge.Outside():
        result = plainly(_as_tensor, data, dtype=dtype, device="cpu")
    if labels.is_accelerator(target):
        return _copied_there(result, target)
    labels.put(result, CPU, frames.here(), "torch.as_tensor")
    return result


def _copied_there(result, target):
    judge.moved(target)
    return _copied(result, target)


def _patched_from_numpy(array):
    result = plainly(_from_numpy, array)
    labels.put(result, CPU, frames.here(), "torch.from_numpy")
    return result


def _patched_frombuffer(*args, **kwargs):
    result = plainly(_frombuffer, *args, **kwargs)
    labels.put(result, CPU, frames.here(), "torch.frombuffer")
    return result


# -- storages, which deepcopy copies without an operation -----------------------------------------


def _patch_storages():
    original = torch.UntypedStorage.clone

    def clone(self):
        copy = original(self)
        name = labels.storage_label(self)
        if name is not CPU:
            labels.put_storage(copy, name, frames.here(), "a copy")
        known = labels.get(self._cdata)
        if known is not None:
            if name is CPU:
                labels.put_storage(copy, CPU, frames.here(), known.maker, known.made)
            labels.get(copy._cdata).source = known.root
        return copy

    torch.UntypedStorage.clone = clone


def _patch_modules():
    """A layer counts as moved by .to() also where it holds no tensor."""
    original = torch.nn.Module.to

    @functools.wraps(original)
    def to(self, *args, **kwargs):
        target = _wanted(args, dict(kwargs))[0]
        if target is not None:
            judge.moved(target)
        return original(self, *args, **kwargs)

    torch.nn.Module.to = to


def install():
    """Put all of it in place."""
    torch.utils._device._device_constructors()  # torch remembers the originals, which its own default looks for
    for name, method in METHODS.items():
        setattr(torch.Tensor, name, method)
    if hasattr(Base, "xpu"):
        torch.Tensor.xpu = _xpu
    for name in ("new_zeros", "new_ones", "new_empty", "new_full", "new_empty_strided", "new"):
        if hasattr(Base, name):
            setattr(torch.Tensor, name, _new(name))
    for name in FACTORIES + LIKE:
        if hasattr(torch, name):
            _replace(name, _factory(name, getattr(torch, name)))
    _replace("as_tensor", _patched_as_tensor)
    _replace("from_numpy", _patched_from_numpy)
    _replace("frombuffer", _patched_frombuffer)
    torch.from_dlpack = torch.utils.dlpack.from_dlpack = _patched_from_dlpack
    _patch_storages()
    _patch_modules()
    lazy = torch.nn.parameter.UninitializedTensorMixin
    lazy._allowed_methods = list(lazy._allowed_methods) + [m for m in METHODS.values() if callable(m)]


def _replace(name, function):
    original = getattr(torch, name)
    setattr(torch, name, function)
    builtins = getattr(torch.jit, "_builtins", None)
    find = getattr(builtins, "_find_builtin", None)
    known = find(original) if find is not None else None
    if known is not None:
        builtins._register_builtin(function, known)
