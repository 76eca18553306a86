"""What hides what: the causes, by their codes, behind which other checks would only find consequences."""

# What stands in the environment now is neither the old one nor the new one.
HALF_DONE = ("install-interrupted",)
# Another Python answers than the one that was meant, or none: what is installed there is not what is asked about.
OTHER_PYTHON = (*HALF_DONE, "venv-broken", "python-does-not-start", "venv-not-active")
# Something is imported in place of what is installed: imports fail, and versions are those of two places.
OTHER_FILES = ("file-named-torch", "folder-named-torch", "stdlib-shadow", "pythonpath-leak")
# No wheel of torch fits here, whatever is done about packages.
NO_WHEEL = ("python-32bit", "python-too-new", "python-too-old", "musl", "rosetta-python", "win-arm64")
# Nothing can be installed: that torch is missing, or not found, follows.
NO_WAY_IN = ("offline", "proxy", "tls-inspection", "disk-full")
# There is a GPU somewhere, and none here: what the driver says, or does not say, follows.
NO_GPU = ("slurm-no-gres", "container-without-gpus")
OTHER_MODULE = ("nouveau-loaded", "nova-core-loaded")
# NVML does not answer as it should; what PyTorch says of the driver then is not true.
NO_NVML = ("wsl-linux-driver", "container-lost-gpus", "driver-library-mismatch", "dev-nvidia-permission")
# … or the driver answers, or does not, for a reason of its own.
NO_DRIVER = (*NO_GPU, *OTHER_MODULE, "driver-missing", *NO_NVML, "driver-not-loaded", "driver-ancient", "nvml-error")
# The build of torch does not suit the machine: one reinstall mends it, and its companions with it.
OTHER_BUILD = (
    "driver-too-old-for-wheel", "xpu-or-rocm-wheel-elsewhere", "jetson-wheel", "conda-cpu-build",
    "cpu-wheel-on-gpu-box", "sm-not-in-wheel", "gpu-dropped",
)  # fmt: skip

PACKAGES = (*OTHER_PYTHON, *NO_WHEEL)  # behind these no check of packages has anything to say
