"""What kind of fault it is: which variable, whose attribute, made where; then nothing more is said of that tensor."""

import os
import sys

import torch

from . import frames, labels, telling

CPU, UNDECIDED = labels.CPU, labels.UNDECIDED
Module = torch.nn.Module


def mixed(func, name, operands, wrong):
    """Report the operands that CUDA would refuse, and let them pass from now on."""
    there = next(o.label for o in operands if labels.is_accelerator(o.label))
    if _follows(operands, wrong):
        for operand in operands:
            _release(operand.tensor, there)
        return
    stack = frames.users(2)
    culprit = _culprit(wrong, stack)
    kind, owner = _kind(name, culprit, operands, stack)
    described = _described(culprit, stack)
    other = next((o for o in operands if o is not culprit and o.label is not culprit.label), culprit)
    origin = labels.entry(culprit.tensor)
    place = frames.place(stack[0]) if stack else frames.place()
    facts = {
        "operation": _words(func),
        "device": _shown(culprit.label),
        "other_device": _shown(other.label),
        "name": described,
        "other_name": _described(other, stack),
        "owner": owner,
        "origin": _origin(origin.root if origin is not None else None, kind),
        "maker": origin.maker if origin is not None else None,
        "device_word": _device_word(stack, there),
        "stack": [frames.place(frame) for frame in stack[1:5]],
    }
    _forgive(kind, wrong if not labels.is_accelerator(culprit.label) else operands, there)
    telling.fault(kind, place, **facts)


def _follows(operands, wrong):
    """Is this only what an earlier fault leads to? Its mend mends this one, too."""
    for operand in operands:
        entry = labels.entry(operand.tensor)
        if entry is not None and (entry.forgiven or entry.root.forgiven):
            return True
    frame = sys._getframe(2)
    while frame is not None and not frames.is_users(frame.f_code.co_filename):
        one = frame.f_locals.get("self")
        if isinstance(one, torch.optim.Optimizer):
            entries = [labels.entry(p) for group in one.param_groups for p in group["params"]]
            return any(entry is not None and entry.forgiven for entry in entries)
        frame = frame.f_back
    return False


def _family(tensor):
    """The addresses of all that the user means by this tensor: its storage, and what that is a copy of."""
    found = {labels.key(tensor)}
    entry = labels.entry(tensor)
    if entry is not None and not entry.root.weak.expired():
        found.add(entry.root.weak.cdata)
    return found


def _words(func):
    return func._schema.name.split("::")[-1]


def _shown(label):
    return "cpu" if not labels.is_accelerator(label) else label


def _origin(entry, kind):
    if entry is None or entry.origin is None:
        return None
    return frames.place(position=entry.made if kind == "made-on-cpu" else entry.origin)


def _device_word(stack, there):
    """What the user's line could write for the accelerator: "device", "DEVICE"; None where nothing there names it."""
    meant = (there, there.split(":")[0])
    for held in (stack[0].f_locals, stack[0].f_globals) if stack else ():
        for name, value in list(held.items()):
            if isinstance(value, (str, torch.device)) and str(value) in meant and not name.startswith("_"):
                return name
    return None


def _culprit(wrong, stack):
    """Of several, the one that the user's code names: a weight of a layer is less telling than a batch."""
    for operand in wrong:
        if _described(operand, stack) is not None:
            return operand
    return wrong[0]


def _described(operand, stack):
    """What the innermost frames call this tensor: "labels", "self.mask"."""
    addresses = _family(operand.tensor)
    for frame in stack[:2]:
        names = _names(frame, operand.tensor, addresses)
        if names:
            return names[0]
    return None


def _names(frame, tensor, addresses):
    exact, shared = [], []
    for name, value in list(frame.f_locals.items()):
        if value is tensor:
            exact.append(name)
        elif isinstance(value, torch.Tensor) and labels.key(value) in addresses:
            shared.append(name)
        elif isinstance(value, Module):
            for prefix, module in list(value.named_modules())[:500]:
                start = "%s.%s" % (name, prefix) if prefix else name
                shared += ["%s.%s" % (start, path) for path, one in _attributes(module) if labels.key(one) in addresses]
        elif isinstance(value, (list, tuple)) and value and isinstance(value[0], torch.Tensor):
            shared += ["%s[%d]" % (name, n) for n, one in enumerate(value[:64]) if labels.key(one) in addresses]
        elif name == "self":
            shared += ["%s.%s" % (name, path) for path, one in _attributes(value) if labels.key(one) in addresses]
    return exact + shared


def _attributes(owner):
    """Tensors that an object holds: plain attributes, those in lists and dicts, parameters and buffers."""
    try:
        held = vars(owner)
    except TypeError:
        return
    for name, value in list(held.items()):
        if name in ("_parameters", "_buffers"):
            for key, one in list(value.items()):
                if isinstance(one, torch.Tensor):
                    yield key, one
        elif name.startswith("_") and isinstance(owner, Module) and name in _MODULE_OWN:
            continue
        elif isinstance(value, torch.Tensor):
            yield name, value
        elif isinstance(value, (list, tuple)):
            for number, one in enumerate(value[:64]):
                if isinstance(one, torch.Tensor):
                    yield "%s[%d]" % (name, number), one
        elif isinstance(value, dict):
            for key, one in list(value.items())[:64]:
                if isinstance(one, torch.Tensor):
                    yield "%s[%r]" % (name, key), one


_MODULE_OWN = frozenset(vars(Module()))


def _kind(name, culprit, operands, stack):
    """(kind, what owns the tensor)"""
    if name == "_pack_padded_sequence":
        return "lengths", None
    if any(os.sep + "optim" + os.sep in f for f in _torch_files()):
        return "optimizer-state", None
    held = culprit if not labels.is_accelerator(culprit.label) else operands[0]  # what the indices are for
    addresses = _family(held.tensor)
    for module in _modules():
        found = _in_module(module, addresses)
        if found is not None:
            return found
    if held is not culprit:
        return "index", None
    if culprit.writes:
        return "in-place", None
    entry = labels.entry(culprit.tensor)
    maker = entry.maker if entry is not None else None
    if maker == "torch.load":
        return "checkpoint", None
    if isinstance(culprit.tensor, torch.nn.Parameter):
        return "module-not-moved", None
    if maker is not None and maker.startswith("torch.") and maker not in ("torch.from_numpy",):
        if entry.made is not None and stack and _same_call(entry.made, stack):
            return "made-on-cpu", None
    return "left-behind", None


def _same_call(origin, stack):
    """Was it made by a function that is still running?"""
    return any(frame.f_code.co_name != "<module>" and frames.within(frame.f_code, origin) for frame in stack)


def _torch_files():
    """The files of torch between here and the user's frame."""
    frame, found = sys._getframe(2), []
    while frame is not None and not frames.is_users(frame.f_code.co_filename):
        found.append(frame.f_code.co_filename)
        frame = frame.f_back
    return found


def _modules():
    """The modules whose methods are running, innermost first, torch's own layers too."""
    frame, found = sys._getframe(2), []
    for _ in range(200):
        if frame is None:
            break
        if frame.f_code.co_argcount:
            one = frame.f_locals.get(frame.f_code.co_varnames[0])
            if isinstance(one, Module) and not any(one is other for other in found):
                found.append(one)
        frame = frame.f_back
    return found


def _in_module(module, addresses):
    for name, one in list(module.__dict__.get("_parameters", {}).items()):
        if one is not None and labels.key(one) in addresses:
            return _parameter_kind(module, name)
    for name, one in list(module.__dict__.get("_buffers", {}).items()):
        if one is not None and labels.key(one) in addresses:
            return _parameter_kind(module, name)
    for path, one in _attributes(module):
        if labels.key(one) in addresses:
            known = isinstance(one, torch.nn.Parameter)
            return ("parameter-in-a-list" if known else "attribute"), {
                "class": type(module).__name__,
                "name": path,
                "trained": bool(one.requires_grad),
            }
    return None


def _parameter_kind(module, name):
    """A registered one stays behind where the whole module does, or where its module is in a plain list."""
    for holder, path in _plain_holders(module):
        return "module-in-a-list", {"class": type(holder).__name__, "name": path, "holds": type(module).__name__}
    return "module-not-moved", {"class": type(module).__name__, "name": name}


def _plain_holders(module):
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_argcount:
            one = frame.f_locals.get(frame.f_code.co_varnames[0])
            if isinstance(one, Module) and one is not module:
                for name, value in list(vars(one).items()):
                    if name in _MODULE_OWN:
                        continue
                    values = value.values() if isinstance(value, dict) else value
                    if isinstance(value, (list, tuple, dict)) and any(_holds(v, module) for v in values):
                        yield one, name
        frame = frame.f_back


def _holds(value, module):
    return isinstance(value, Module) and any(one is module for one in value.modules())


def _forgive(kind, operands, there):
    """From now on these pass, and with a weight its whole model: one cause, one report."""
    for operand in operands:
        _release(operand.tensor, there)
    if kind not in ("module-not-moved", "module-in-a-list", "parameter-in-a-list"):
        return
    for module in _modules():
        for one in _weights(module):
            _release(one, there)


def _weights(module):
    for part in module.modules():
        for one in list(part.__dict__["_parameters"].values()) + list(part.__dict__["_buffers"].values()):
            if one is not None:
                yield one
        for value in list(vars(part).values()):
            values = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
            for one in list(values)[:64]:
                if isinstance(one, torch.nn.Parameter):
                    yield one
                elif isinstance(one, Module) and not any(one is known for known in part._modules.values()):
                    for weight in _weights(one):
                        yield weight


def _release(tensor, there):
    if labels.label(tensor) is CPU:
        labels.put(tensor, UNDECIDED)
        entry = labels.entry(tensor)
        if entry is not None:
            entry.forgiven = there
            root = entry.root
            if root is not entry and root.label is CPU:
                root.label, root.forgiven = UNDECIDED, there
