"""Where the computing happens. One line decides it, for every script and for the notebook."""

import os
import shutil
import sys

import torch

# fmt: off
{%- if cookiecutter.device == "gpu" %}
DEVICE = "auto"      # change this one line: "cpu", "cuda", "mps" or "xpu"
{%- else %}
DEVICE = "cpu"      # change this one line: "cuda", "mps", "xpu" or "auto"
{%- endif %}
# fmt: on

KINDS = ("cuda", "xpu", "mps", "cpu")  # the order in which "auto" tries them


def get_device():
    """The device to compute on. Stops with the reason if it can't be used, and never takes another.

    The environment variable DEVICE, where it is set, goes before the line above. A job script
    needs no change of the code then.
    """
    name = os.environ.get("DEVICE", "").strip() or DEVICE
    kind, _, number = name.partition(":")
    if name == "auto":
        return best_device()
    if kind == "meta":  # what `envtool rehearse` sets
        return torch.device(name)
    if kind not in KINDS or not (number.isdigit() or name == kind):
        choices = ", ".join(KINDS)
        raise RuntimeError(f"DEVICE is {name!r}. It may be {choices} or auto.")
    problem = why_not(name)
    if problem:
        raise RuntimeError(f"DEVICE is {name!r}, but {problem}")
    return torch.device(name)


def best_device():
    """The first device that computes, and a line that says which one it is."""
    kind = next(kind for kind in KINDS if why_not(kind) is None)
    if kind == KINDS[-1]:
        print("DEVICE is auto: no GPU can be used here, so this runs on the CPU.")
        print("Set the environment variable DEVICE to the GPU you expected, to read why.")
    elif kind == KINDS[0]:
        print(f"DEVICE is auto: this runs on {torch.cuda.get_device_name()}.")
    else:
        print(f"DEVICE is auto: this runs on {kind}.")
    return torch.device(kind)


def why_not(name):
    """None if the device computes. Else the reason why it doesn't, and what to do."""
    try:
        numbers = torch.ones(8, device=name)
        if float((numbers + numbers).sum()) == 16:
            return None
        return "1 + 1 is not 2 there. Run `envtool doctor`."
    except Exception as error:
        words = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        kind = name.partition(":")[0]
        explain = {"cuda": why_no_cuda, "mps": why_no_mps, "xpu": why_no_xpu}.get(kind)
        return (explain and explain()) or f"PyTorch says: {words}. Run `envtool doctor`."


def why_no_cuda():
    """The usual reasons, the most certain one first; None if it is none of them."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "all").strip()
    nvidia = os.path.exists("/proc/driver/nvidia/version") or shutil.which("nvidia-smi")
    driver = nvidia or torch.version.hip  # AMD's is part of Linux
    granted = any(name in os.environ for name in ("SLURM_JOB_GPUS", "SLURM_STEP_GPUS"))
    reasons = [
        (sys.platform == "darwin", 'a Mac has no CUDA. Use "mps".'),
        (
            "COLAB_RELEASE_TAG" in os.environ and not driver,
            "this Colab runtime has no GPU. Choose Runtime, Change runtime type, and a GPU.",
        ),
        (
            "KAGGLE_KERNEL_RUN_TYPE" in os.environ and not driver,
            "this Kaggle session has no GPU. Choose Settings, Accelerator, and a GPU T4.",
        ),
        (
            torch.version.cuda is None and torch.version.hip is None,
            f"this PyTorch ({torch.__version__}) is built for the CPU only. "
            "With an NVIDIA GPU, `envtool pick --accelerator cuda` prints the command of a CUDA "
            'build. Without one, write "cpu" or "auto".',
        ),
        (
            "SLURM_JOB_ID" in os.environ and not (driver and granted),
            "this job has no GPU. Ask for one: `#SBATCH --gpus=1`.",
        ),
        (hidden in ("", "-1"), "the variable CUDA_VISIBLE_DEVICES hides every GPU. Unset it."),
        (
            shutil.which("sbatch") and not driver,
            "this looks like a login node, which has no GPU. Start a job with `sbatch`.",
        ),
        (
            os.path.exists("/.dockerenv") and not driver,
            "this container has no GPU. Start it with `docker run --gpus all`.",
        ),
        (not driver, "there is no NVIDIA driver. Is there an NVIDIA GPU? Then install its driver."),
    ]
    return next((words for is_so, words in reasons if is_so), None)


def why_no_mps():
    """MPS is for Macs with Apple silicon."""
    if sys.platform != "darwin":
        return "MPS exists on a Mac only."
    if not torch.backends.mps.is_built():
        return f"this PyTorch ({torch.__version__}) is built without MPS. Is it for Apple silicon?"
    if not torch.backends.mps.is_available():
        return "MPS needs a Mac with Apple silicon and a newer macOS. Update macOS."
    return None


def why_no_xpu():
    """XPU is for Intel GPUs, in a build of its own."""
    if getattr(torch.version, "xpu", None) is None:
        return (
            f"this PyTorch ({torch.__version__}) is built without XPU. "
            "Install the XPU build: `envtool pick --accelerator xpu` prints the command."
        )
    return None
