"""What a pretended GPU needs beside torch.cuda, gradients of the user's functions and threads; and what is left out."""

import functools
import multiprocessing
import subprocess
import threading

import torch

from . import frames, judge, labels, telling


def install():
    """Put it in place."""
    _functions()
    _partly()
    _threads()


# -- functions of the user's own ------------------------------------------------------------------


def _functions():
    """A backward() that gives a gradient on the wrong device: the engine refuses it, and no operation shows it."""
    from torch.autograd.function import BackwardCFunction, Function

    original = Function.apply.__func__ if hasattr(Function.apply, "__func__") else None
    inner = Function.apply

    def apply(cls, *args, **kwargs):
        result = original(cls, *args, **kwargs) if original is not None else inner.__get__(None, cls)(*args, **kwargs)
        outputs = result if isinstance(result, tuple) else (result,)
        for output in outputs:
            node = getattr(output, "grad_fn", None) if isinstance(output, torch.Tensor) else None
            if isinstance(node, BackwardCFunction):
                node.rehearsed_devices = [labels.label(a) if isinstance(a, torch.Tensor) else None for a in args]
                break
        return result

    backward = BackwardCFunction.apply

    def apply_backward(self, *gradients):
        result = backward(self, *gradients)
        devices = getattr(self, "rehearsed_devices", None)
        if devices is not None:
            for gradient, wanted in zip(result if isinstance(result, tuple) else (result,), devices):
                _check_gradient(self, gradient, wanted)
        return result

    if original is not None:
        Function.apply = classmethod(apply)
        BackwardCFunction.apply = apply_backward


def _check_gradient(node, gradient, wanted):
    if not isinstance(gradient, torch.Tensor) or wanted is None or not gradient.dim():
        return
    found = labels.label(gradient)
    if labels.UNDECIDED in (found, wanted) or labels.is_accelerator(found) == labels.is_accelerator(wanted):
        return
    function = getattr(type(node), "_forward_cls", None)
    code = getattr(getattr(function, "backward", None), "__code__", None)
    if code is None or not frames.is_users(code.co_filename):
        return
    entry = labels.entry(gradient)
    origin = entry.origin if entry is not None else None
    telling.fault(
        "gradient",
        frames.place(position=origin if frames.within(code, origin) else (code.co_filename, code.co_firstlineno)),
        device="cpu" if found is labels.CPU else found,
        other_device=wanted,
        name=getattr(function, "__name__", None),
        origin=frames.place(position=origin) if origin else None,
    )
    labels.put(gradient, labels.UNDECIDED)


# -- in part --------------------------------------------------------------------------------------


def _partly():
    torch.compile = _compile
    if hasattr(torch.nn.Module, "compile"):
        torch.nn.Module.compile = _no_compile
    torch.jit.script = _script
    torch.jit.trace = _rested(torch.jit.trace, "torchscript")
    for module, name in ((getattr(torch, "export", None), "export"), (getattr(torch, "onnx", None), "export")):
        if module is not None and hasattr(module, name):
            setattr(module, name, _rested(getattr(module, name), "export"))
    distributed = torch.distributed
    if distributed.is_available():
        distributed.init_process_group = _limited(distributed.init_process_group, "distributed")
    original = subprocess.Popen.__init__

    @functools.wraps(original)
    def started(self, *args, **kwargs):
        if frames.here() is not None:
            telling.limit("subprocess", frames.place_here())
        original(self, *args, **kwargs)

    subprocess.Popen.__init__ = started


def _no_file(*args, **kwargs):
    return None


def _compile(model=None, **kwargs):
    telling.limit("compile", frames.place_here())
    return (lambda function: function) if model is None else model


def _no_compile(self, *args, **kwargs):
    telling.limit("compile", frames.place_here())


def _script(obj=None, *args, **kwargs):
    telling.limit("torchscript", frames.place_here())
    if isinstance(obj, torch.nn.Module):
        obj.save = _no_file
    return obj


def _limited(original, name):
    @functools.wraps(original)
    def called(*args, **kwargs):
        telling.limit(name, frames.place_here())
        return original(*args, **kwargs)

    return called


def _rested(original, name):
    """A call that looks at the tensors in its own way sees them as they are, on the CPU."""

    @functools.wraps(original)
    def called(*args, **kwargs):
        telling.limit(name, frames.place_here())
        with judge.Resting(), torch.utils._python_dispatch._disable_current_modes(), torch._C.DisableTorchFunction():
            return original(*args, **kwargs)

    return called


def _threads():
    """A new thread is watched like the first; a process that is spawned is not."""
    start = multiprocessing.process.BaseProcess.start

    def spawned(self):
        if getattr(type(self), "_start_method", None) in ("spawn", "forkserver") or (
            multiprocessing.get_start_method() != "fork" and type(self) is multiprocessing.Process
        ):
            telling.limit("spawn", frames.place_here())
        start(self)

    multiprocessing.process.BaseProcess.start = spawned
    original = threading.Thread._bootstrap_inner

    def started(self):
        with judge.Modes():
            original(self)

    threading.Thread._bootstrap_inner = started
