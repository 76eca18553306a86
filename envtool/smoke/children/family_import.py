"""The packages import, and their compiled halves fit each other."""

import importlib.util
import math

from harness import Failure, Skip, Test, Warn, expect

REINSTALL = "`envtool doctor` names the cause and the line that mends it."
NAMES = {"cuda": "CUDA", "xpu": "XPU", "mps": "MPS"}


def imported(name, context):
    """The package, or a skip where it is not installed: a folder of that name is no package."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin in (None, "namespace"):
        raise Skip("%s is not installed" % name)
    module = importlib.import_module(name)
    context.evidence["version"] = str(getattr(module, "__version__", "unknown"))
    context.evidence["file"] = str(module.__file__)
    return module


def torch_imports(context):
    """Never called: the process that runs the tests imports torch before any, and reports that as this test."""
    return "torch %s" % context.torch.__version__


def device_computes(context):
    """A matrix product whose numbers are whole and small: exact in any precision that a GPU multiplies in."""
    torch = context.torch
    x = (torch.arange(1024) % 7).reshape(32, 32).float()
    there = x.to(context.device)
    expect(there.device.type == context.device, "a tensor sent to %s is on %s" % (context.device, there.device))
    found = (there @ there.t()).cpu()
    expect(torch.equal(found, x @ x.t()), "a matrix product on %s is wrong" % context.device)
    if context.device == "cpu" and context.broken:
        kind, reason = sorted(context.broken.items())[0]
        raise Warn("this torch is built for %s and can't use it, so that the CPU is tested: %s" % (NAMES[kind], reason))
    return "a matrix product on %s is exact" % context.device


def nms(context):
    """The third box lies apart, and the second overlaps the first: a compiled operator of torchvision says so."""
    torch, torchvision = context.torch, imported("torchvision", context)
    boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0], [1.0, 1.0, 11.0, 11.0], [20.0, 20.0, 30.0, 30.0]])
    scores = torch.tensor([0.9, 0.8, 0.7])
    for device in ["cpu"] + (["cuda"] if context.device == "cuda" else []):  # a build may have it on the CPU alone
        kept = torchvision.ops.nms(boxes.to(device), scores.to(device), 0.5).tolist()
        expect(kept == [0, 2], "torchvision.ops.nms on %s keeps the boxes %s in place of [0, 2]" % (device, kept))
    return "torchvision %s: ops.nms keeps the right boxes" % context.evidence["version"]


def spectrogram(context):
    """A tone of eight periods in 64 samples has its energy in the eighth band."""
    torch, torchaudio = context.torch, imported("torchaudio", context)
    wave = torch.tensor([math.sin(2 * math.pi * 8 * n / 64) for n in range(256)])
    power = torchaudio.transforms.Spectrogram(n_fft=64, hop_length=64, center=False)(wave)
    expect(tuple(power.shape) == (33, 4), "the spectrogram's shape is %s in place of (33, 4)" % (tuple(power.shape),))
    loudest = power.argmax(dim=0).tolist()
    expect(loudest == [8] * 4, "the loudest bands are %s in place of [8, 8, 8, 8]" % loudest)
    return "torchaudio %s: a spectrogram finds the tone" % context.evidence["version"]


def pytorch_is_another(context):
    from importlib import metadata

    try:
        version = metadata.version("pytorch")
    except metadata.PackageNotFoundError:
        version = None
    expect(version is None, "a distribution called pytorch (%s) is installed, and it is not PyTorch" % version)
    spec = importlib.util.find_spec("pytorch")
    if spec is not None and spec.origin not in (None, "namespace"):
        raise Failure("`import pytorch` finds %s, which is not PyTorch" % spec.origin)
    return "there is no module called pytorch"


SCRIPT = "import torch; x = torch.ones(2, requires_grad=True); (x * x).sum().backward(); print(x.grad.tolist())"


def ends_well(context):
    """The tests' own processes don't end in the ordinary way, so that a crash at the end is looked for here alone."""
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-c", SCRIPT], check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said = done.stdout.decode("utf-8", "replace").strip()
    words = (done.stderr.decode("utf-8", "replace").strip().split("\n") or [""])[-1][:300]
    expect("[2.0, 2.0]" in said, "a script that uses torch does not get to its end: %s" % (words or said))
    expect(done.returncode == 0, "the script did its work and then ended with %d: %s" % (done.returncode, words))
    return "exit code 0"


TESTS = (
    Test(
        code="torch",
        family="import",
        sentence="`import torch` works.",
        mend=REINSTALL,
        run=torch_imports,
        quick=True,
    ),
    Test(
        code="device",
        family="import",
        sentence="The device under test computes: a matrix product there is the same as by hand.",
        mend="`envtool doctor` says what keeps torch from the device; `--device cpu` tests the CPU.",
        run=device_computes,
        quick=True,
    ),
    Test(
        code="torchvision",
        family="import",
        sentence="torchvision is compiled for this very torch: its operator nms runs.",
        mend="Install torch and torchvision together, from one index: `envtool pick torch torchvision` has the line.",
        run=nms,
        quick=True,
        limit=60.0,
    ),
    Test(
        code="torchaudio",
        family="import",
        sentence="torchaudio is made for this very torch: a spectrogram finds the tone that was put in.",
        mend="Install torch and torchaudio together, from one index: `envtool pick torch torchaudio` has the line.",
        run=spectrogram,
        quick=True,
        limit=60.0,
    ),
    Test(
        code="pytorch-is-not-torch",
        family="import",
        sentence="The package is called torch: one that is called pytorch is something else.",
        mend="`pip uninstall pytorch` in this environment, or rename your own file pytorch.py; then `import torch`.",
        run=pytorch_is_another,
        quick=True,
    ),
    Test(
        code="ends-well",
        family="import",
        sentence="A script that used torch ends with exit code 0.",
        mend="Exit codes of your scripts lie. Install torch in a new environment: `envtool pick` has the line.",
        run=ends_well,
        limit=120.0,
    ),
)
