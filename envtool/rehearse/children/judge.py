"""Looks at every tensor operation: compares the pretended devices, reports what CUDA would refuse, labels results."""

import threading

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from . import frames, kinds, labels, rules, telling

CPU, UNDECIDED = labels.CPU, labels.UNDECIDED
Tensor = torch.Tensor


class Thread(threading.local):
    """What a thread is doing."""

    inside = False  # in a torch function that was given tensors of the accelerator
    strict = False  # and whose tensors are all known: any other was made by torch itself
    resting = False  # export and the like: nothing is judged, and devices are the real ones


thread = Thread()


class Counts:
    """How many operations ran where."""

    accelerator = 0
    cpu = 0
    moves = 0
    steps = 0
    cpu_steps = 0


counts = Counts()
_is_meta = labels.Base.is_meta.__get__
_plans = {}


class _Plan:
    __slots__ = ("arguments", "half", "name")

    def __init__(self, func):
        self.name = rules.base_name(func)
        self.arguments = []
        for position, argument in enumerate(func._schema.arguments):
            if "Tensor" in str(argument.type):
                writes = argument.alias_info is not None and argument.alias_info.is_write
                self.arguments.append((position, argument.name, writes))


def _operands(plan, args, kwargs):
    found = []
    for position, name, writes in plan.arguments:
        value = args[position] if position < len(args) else kwargs.get(name)
        if isinstance(value, Tensor):
            found.append(rules.Operand(name, value, _label_of(value), writes, None))
        elif isinstance(value, (list, tuple)):
            for number, one in enumerate(value):
                if isinstance(one, Tensor):
                    found.append(rules.Operand(name, one, _label_of(one), writes, number))
    return found


def _label_of(tensor):
    found = labels.entry(tensor)
    if found is None:
        if _is_meta(tensor):
            telling.limit("spawn", frames.place_here())
            raise RuntimeError(
                "a tensor without values: it was moved to the accelerator in another process, or made on the device "
                "'meta' there, which can't be rehearsed; move it in the main process"
            )
        return UNDECIDED if thread.strict else CPU
    return found.label


def dispatch(func, args, kwargs):
    """Run one operation on the CPU, as the accelerator would."""
    plan = _plans.get(func)
    if plan is None:
        plan = _plans[func] = _Plan(func)
    operands = _operands(plan, args, kwargs)
    target = kwargs.get("device")
    if target is not None and target.type != "cpu":
        kwargs = dict(kwargs, device=torch.device("cpu"))
        kwargs.pop("pin_memory", None)
        target = labels.named(target)
        moved(target)
    else:
        target = None
    there = [o for o in operands if labels.is_accelerator(o.label)]
    if there:
        counts.accelerator += 1
        if telling.cuda_before_fork:
            moved(there[0].label)
        wrong = rules.refused(plan.name, operands, labels.is_accelerator, CPU)
        if wrong:
            kinds.mixed(func, plan.name, operands, wrong)
        for operand in operands:  # what torch made for itself becomes what it is combined with
            if operand.writes and operand.label is UNDECIDED and plan.name != "copy":
                labels.put(operand.tensor, there[0].label)
    elif operands:
        counts.cpu += 1
    result = _run(func, args, kwargs)
    if plan.name == "copy" and operands and operands[0].label is UNDECIDED and len(operands) > 1:
        labels.put(operands[0].tensor, operands[1].label)
    _label(result, operands, target or _result_label(plan.name, operands, there), plan.name in ("_to_copy", "clone"))
    return result


def _result_label(name, operands, there):
    if name in rules.INDEXING:
        return operands[0].label  # CPU indices leave the tensor where it is, and so does a scalar
    if name in rules.ON_CPU or name in rules.CPU_LISTS:
        return operands[0].label
    if there:
        return there[0].label
    if not operands:
        return UNDECIDED if thread.inside else CPU
    undecided = [o.tensor for o in operands if o.label is UNDECIDED]
    if undecided and (
        not any(o.label is CPU and o.dims for o in operands) or _forgiven([labels.entry(one) for one in undecided])
    ):
        return UNDECIDED
    return CPU


def _label(result, operands, name, copies):
    known = None
    for one in result if isinstance(result, (list, tuple)) else (result,):
        if not isinstance(one, Tensor):
            continue
        held = labels.storage(one)
        if held is None or labels.get(held._cdata) is not None:
            continue
        if labels.is_accelerator(name):
            labels.put_storage(held, name, frames.here())
            continue
        if known is None:
            known = {labels.key(o.tensor): labels.entry(o.tensor) for o in operands}
        if name is UNDECIDED:
            labels.put_storage(held, name, frames.here())
            labels.get(held._cdata).forgiven = _forgiven(known.values())
        elif held._cdata not in known:
            labels.put_storage(held, CPU, frames.here(), *_maker(known.values()))
            if copies:
                labels.copied(held, operands[0].tensor)


def _forgiven(entries):
    return next((one.forgiven for one in entries if one is not None and one.forgiven), None)


def _maker(entries):
    """What is computed from a checkpoint comes from the checkpoint, what is computed from torch.ones from there."""
    return next(((one.maker, one.made) for one in entries if one is not None and one.maker is not None), (None, None))


def packed(result):
    """The second result of _pack_padded_sequence stays on the CPU."""
    labels.put(result[1], CPU)


def _run(func, args, kwargs):
    try:
        result = func(*args, **kwargs)
    except RuntimeError as error:  # NotImplementedError is one
        stand_in = _STAND_INS.get(func._schema.name)
        if stand_in is not None:
            return stand_in(*args, **kwargs)
        if "not implemented for 'Half'" not in str(error) and "not implemented for 'BFloat16'" not in str(error):
            raise
        return _in_float32(func, args, kwargs)
    if func._schema.name == "aten::_pack_padded_sequence":
        packed(result)
    return result


_HALVES = (torch.float16, torch.bfloat16)


def _in_float32(func, args, kwargs):
    """What this CPU has no half-precision kernel for is computed in single precision."""
    telling.limit("half-precision")
    found = []

    def up(value):
        if isinstance(value, Tensor) and value.dtype in _HALVES:
            found.append((value, value.float()))
            return found[-1][1]
        if isinstance(value, (list, tuple)):
            return type(value)(up(one) for one in value)
        return torch.float32 if isinstance(value, torch.dtype) and value in _HALVES else value

    result = func(*[up(one) for one in args], **{name: up(one) for name, one in kwargs.items()})
    half = found[0][0].dtype if found else None
    writes = any(a.alias_info is not None and a.alias_info.is_write for a in func._schema.arguments)

    def down(value):
        if writes:
            for original, raised in found:
                if value is raised:
                    return original.copy_(raised)
        if isinstance(value, Tensor) and value.dtype is torch.float32 and half is not None:
            return value.to(half)
        return type(value)(down(one) for one in value) if isinstance(value, (list, tuple)) else value

    return down(result)


def _unscale(grads, found_inf, inv_scale):
    for grad in grads:
        if not torch.isfinite(grad).all():
            found_inf.fill_(1.0)
        grad.mul_(inv_scale.to(grad.dtype))


def _update_scale(scale, growth, found_inf, factor, backoff, interval):
    if found_inf.item():
        scale.mul_(backoff)
        growth.zero_()
    elif growth.item() + 1 == interval:
        scale.mul_(factor)
        growth.zero_()
    else:
        growth.add_(1)
    return scale


_STAND_INS = {  # kernels that older releases have for CUDA only
    "aten::_amp_foreach_non_finite_check_and_unscale_": _unscale,
    "aten::_amp_update_scale_": _update_scale,
}


def moved(target, position=None):
    """Something was asked to be on the accelerator."""
    if not labels.is_accelerator(target):
        return
    counts.moves += 1
    if counts.moves == 1:
        telling.tell("moved", device=target, place=frames.place_here())
    if telling.cuda_before_fork:
        telling.fault("worker", frames.place_here(), device=target)
        raise RuntimeError(
            "Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, "
            "you must use the 'spawn' start method"
        )


class Judge(TorchDispatchMode):
    """Every operation that reaches a kernel, also those of the backward pass."""

    @classmethod
    def _should_skip_dynamo(cls):
        return False  # nothing is compiled here, and torch would load its compiler to say so

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if thread.resting:
            return func(*args, **(kwargs or {}))
        return dispatch(func, args, kwargs or {})


class Watch(TorchFunctionMode):
    """Knows which call of torch is running: what a call makes for itself belongs to its arguments' device."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if thread.inside or thread.resting or not _any_there(args) and not _any_there(kwargs.values()):
            return func(*args, **kwargs)
        thread.inside, thread.strict = True, getattr(func, "__name__", "") not in _RUN_OTHERS
        if thread.strict:
            _know(args)
            _know(kwargs.values())
        try:
            return func(*args, **kwargs)
        finally:
            thread.inside = thread.strict = False


_RUN_OTHERS = ("backward", "grad", "apply_", "map_", "map2_")  # these come back to the user's code


def _know(values):
    for value in values:
        if isinstance(value, Tensor):
            held = labels.storage(value)
            if held is not None and labels.get(held._cdata) is None:
                labels.put_storage(held, CPU)
        elif isinstance(value, (list, tuple)):
            _know(value)


def _any_there(values):
    for value in values:
        if isinstance(value, Tensor):
            if labels.is_accelerator(labels.label(value)):
                return True
        elif isinstance(value, (list, tuple)):
            if _any_there(value):
                return True
    return False


class Outside:
    """A call that the user's code makes itself: what it makes is the CPU's where no device is named."""

    def __enter__(self):
        self.before = thread.inside, thread.strict
        thread.inside = thread.strict = False

    def __exit__(self, *error):
        thread.inside, thread.strict = self.before


class Resting:
    """Nothing is judged meanwhile."""

    def __enter__(self):
        self.before = thread.resting
        thread.resting = True

    def __exit__(self, *error):
        thread.resting = self.before


class Modes:
    """Both modes, in this thread."""

    def __enter__(self):
        self.modes = (Watch(), Judge())
        for mode in self.modes:
            mode.__enter__()

    def __exit__(self, *error):
        for mode in reversed(self.modes):
            mode.__exit__(*error)
