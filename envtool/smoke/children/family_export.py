"""What leaves the program: an exported graph, TorchScript, a checkpoint that is only data."""

import os
import pickle
import sys
import warnings

from harness import Failure, Skip, Test, expect


def network(torch):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        return torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3)).eval()


def unsupported(torch, error):
    """A Skip where the error says that this torch does not know this Python; else None."""
    text = str(error)
    if "not supported" in text or "not yet supported" in text:
        if "ython" in text or "indows" in text:
            return Skip("torch %s: %s" % (torch.__version__, " ".join(text.split())[:200]))
    return None


def program(context):
    torch = context.torch
    try:
        from torch.export import export
    except ImportError:
        raise Skip("torch %s has no torch.export; it came with torch 2.1" % torch.__version__)
    model, example = network(torch), torch.linspace(-1, 1, 24).reshape(4, 6)
    dynamic = {}
    if hasattr(torch.export, "Dim"):
        dynamic = {"dynamic_shapes": ({0: torch.export.Dim("batch", min=2, max=64)},)}
    try:
        exported = export(model, (example,), **dynamic)
    except RuntimeError as error:
        raise unsupported(torch, error) or error
    path = os.path.join(context.folder, "model.pt2")
    torch.export.save(exported, path)
    loaded = torch.export.load(path)
    batches = [example] + ([torch.linspace(0, 2, 54).reshape(9, 6)] if dynamic else [])
    for batch in batches:
        wanted = model(batch)
        for name, found in (("exported", runnable(exported)(batch)), ("loaded", runnable(loaded)(batch))):
            expect(
                found.shape == wanted.shape and torch.allclose(found, wanted, atol=1e-5),
                "the %s program gives another result than the model on %d rows" % (name, len(batch)),
            )
    return "exported, saved, loaded: the same results" + (", also for another batch size" if dynamic else "")


def runnable(exported):
    return exported.module() if hasattr(exported, "module") else exported


def torchscript(context):
    torch = context.torch
    if not hasattr(torch, "jit") or not hasattr(torch.jit, "script"):
        raise Skip("torch %s has no TorchScript any more; torch.export took its place" % torch.__version__)
    if sys.version_info >= (3, 14):
        raise Skip("TorchScript doesn't support Python 3.14; torch.export took its place")

    def halve(x):
        steps = 0
        while bool(x.norm() > 1.0):
            x = x / 2.0
            steps += 1
        return x, steps

    path = os.path.join(context.folder, "script.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer releases call it deprecated
        scripted = torch.jit.script(halve)
        torch.jit.save(scripted, path)
        loaded = torch.jit.load(path)
        for length, wanted in ((0.5, 0), (5.0, 3), (100.0, 7)):
            found, steps = loaded(torch.tensor([length]))
            expect(
                steps == wanted,
                "the script took %d turns of its loop for %g, and should take %d" % (steps, length, wanted),
            )
            expect(found.item() == length / 2**wanted, "the script gave %r for %g" % (found.item(), length))
    return "a data-dependent loop went through a file"


class Code:
    """What a foreign checkpoint may carry: unpickling it would call a function."""

    def __reduce__(self):
        return (os.getpid, ())


def loaded(torch, path, device):
    """Load a checkpoint as data alone."""
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except TypeError as error:
        if "weights_only" in str(error):
            raise Skip("torch %s doesn't know weights_only" % torch.__version__)
        raise


def next_step(torch, state, steps):
    """The weights after so many steps, from a state or from the start; and the state."""
    model = network(torch)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    if state is not None:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    x = torch.linspace(-1, 1, 24).reshape(4, 6)
    for _ in range(steps):
        optimizer.zero_grad()
        (model(x) ** 2).sum().backward()
        optimizer.step()
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "steps": steps}


def checkpoint(context):
    torch = context.torch
    path = os.path.join(context.folder, "checkpoint.pt")
    torch.save(next_step(torch, None, 2), path)
    try:
        state = loaded(torch, path, "cpu")
    except pickle.UnpicklingError as error:
        raise Failure("weights_only refuses a checkpoint of tensors: %s" % str(error).split("\n")[0][:200])
    resumed = next_step(torch, state, 1)["model"]
    straight = next_step(torch, None, 3)["model"]
    for name in straight:
        expect(torch.equal(resumed[name], straight[name]), "%s is another after saving, loading and going on" % name)
    foreign = os.path.join(context.folder, "foreign.pt")
    torch.save({"weights": Code()}, foreign)
    try:
        loaded(torch, foreign, "cpu")
    except pickle.UnpicklingError:
        return "training goes on from the file as if it had not stopped; a file with code in it was refused"
    raise Failure("weights_only=True ran a function that was hidden in a checkpoint")


def map_location(context):
    torch = context.torch
    wanted = network(torch).state_dict()
    devices = tuple(context.accelerators) or ("meta",)
    for device in devices:
        path = os.path.join(context.folder, "there.pt")
        torch.save(wanted, path)
        moved = loaded(torch, path, device)
        for name, value in moved.items():
            expect(
                value.device.type == device.split(":")[0],
                "%s was loaded to %s, not to %s" % (name, value.device, device),
            )
            expect(value.shape == wanted[name].shape, "%s was loaded to %s in another shape" % (name, device))
        if device == "meta":
            continue
        torch.save(moved, path)
        for name, value in loaded(torch, path, "cpu").items():
            expect(value.device.type == "cpu", "%s was loaded to %s, not to the CPU" % (name, value.device))
            expect(torch.equal(value, wanted[name]), "%s came back from %s with other numbers" % (name, device))
    if devices == ("meta",):
        return "a checkpoint of the CPU was loaded onto meta: no other device is under test"
    return "a checkpoint went from the CPU to %s and back" % ", ".join(devices)


MEND = "Reinstall torch: `envtool install` repairs the environment."
TESTS = (
    Test(
        code="export-program",
        family="export",
        sentence="A trained model can be exported as a graph that runs without its Python source.",
        mend="Save the state_dict instead, or install a newer torch: `envtool pick` names it.",
        run=program,
        limit=120.0,
    ),
    Test(
        code="export-torchscript",
        family="export",
        sentence="TorchScript keeps loops and branches that depend on the data.",
        mend="Use torch.export: TorchScript is no longer developed.",
        run=torchscript,
        limit=60.0,
    ),
    Test(
        code="export-checkpoint",
        family="export",
        sentence="A checkpoint is data: training goes on from it, and loading it runs nothing.",
        mend="Install torch 2.6 or newer, and load with weights_only=True what comes from others.",
        run=checkpoint,
        quick=True,
    ),
    Test(
        code="export-map-location",
        family="export",
        sentence="What was saved on one device can be loaded on another.",
        mend=MEND,
        run=map_location,
        quick=True,
    ),
)
