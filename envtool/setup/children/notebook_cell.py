"""What the other cells use. It looks at what is installed here, and keeps it. Made by `envtool setup`."""

import importlib
import importlib.metadata
import os
import platform
import re
import site
import subprocess
import sys

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

# These stay as they are: they fit each other and the GPU's driver, and other packages are built on them.
KEPT = ("torch", "torchvision", "torchaudio", "numpy")
KINDS = ("cuda", "xpu", "mps", "cpu")  # the order in which "auto" tries them
CONSTRAINTS = "envtool-constraints.txt"
EXTRAS = "envtool-extras.txt"

# What must outlive a second run of this cell: a restart of the session forgets it.
PLACE = globals().get("PLACE", {})  # words of this place; set below
BEFORE = globals().get("BEFORE", {})  # the version of each package when it was first seen
GIVEN = globals().get("GIVEN", os.environ.get("DEVICE", "").strip())


class Stop(Exception):
    """Ends the run, and shows its words without a traceback."""

    def _render_traceback_(self):
        return ["", *str(self).splitlines()]


# ── packages ─────────────────────────────────────────────────────────────────────────────────────


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def installed():
    """The version of each package on the disk."""
    importlib.invalidate_caches()
    found = {}
    for distribution in importlib.metadata.distributions():
        about = distribution.metadata  # read anew at each look
        if about["Name"] and about["Version"]:
            found.setdefault(plain(about["Name"]), about["Version"])
    return found


def compare(course, have, python):
    """What can't be had here, what is missing, and what is here in another version."""
    clashes, missing, others = [], [], []
    if course["python"] and not SpecifierSet(course["python"]).contains(python, prereleases=True):
        clashes.append("Python {}: here is {}".format(course["python"], python))
    for text in [*course["torch"], *course["packages"]]:
        need = Requirement(text)
        name = plain(need.name)
        if need.marker and not need.marker.evaluate():
            continue
        there = have.get(name)
        fits = there is not None and (bool(need.url) or need.specifier.contains(there, prereleases=True))
        if name in KEPT:
            if not fits:
                clashes.append("{}: here is {}".format(text, there or "none"))
        elif there is None or (fits and need.extras):
            missing.append(text)
        elif not fits:
            others.append(text)
    return clashes, missing, others


def check(course):
    """Name what the course needs and can't have here, and stop if there is any."""
    have = installed()
    clashes, missing, others = compare(course, have, platform.python_version())
    if clashes:
        names = "{}, {}, {} and {}".format(*KEPT)
        raise Stop(
            "The course needs what is not here:\n  {}\n{} are never replaced here. "
            "Tell whoever runs the course.".format("\n  ".join(clashes), names)
        )
    for text in others:
        print("{}: here is {}. It is replaced.".format(text, have[plain(Requirement(text).name)]))
    asked = len(missing) + len(others)
    print("Nothing clashes. To install: {}.".format(asked or "nothing"))


def prepare(course):
    """Write down what must stay and what is to come; False where nothing is to come."""
    have = installed()
    clashes, missing, others = compare(course, have, platform.python_version())
    if clashes:
        check(course)
    for name, version in have.items():
        BEFORE.setdefault(name, version)
    free = {plain(Requirement(text).name) for text in others}
    with open(CONSTRAINTS, "w", encoding="utf-8") as file:
        file.writelines("{}=={}\n".format(*one) for one in sorted(have.items()) if one[0] not in free and valid(one[1]))
    with open(EXTRAS, "w", encoding="utf-8") as file:
        file.writelines(text + "\n" for text in [*missing, *others])
    return bool(missing or others)


def valid(version):
    try:
        Version(version)
    except InvalidVersion:
        return False
    return True


def finish(course):
    """Make sure that everything came, that nothing else changed, and that memory and disk agree."""
    have = installed()
    _, missing, others = compare(course, have, platform.python_version())
    came = [text for text in missing if plain(Requirement(text).name) not in have]
    if came or others:
        raise Stop(
            "Not installed: {}.\n{}\nWhat is here is never replaced for it. Tell whoever runs the course.".format(
                ", ".join([*came, *others]), why_pip_refused()
            )
        )
    moved = [name for name in KEPT if BEFORE.get(name, have.get(name)) != have.get(name)]
    if moved:
        raise Stop("{} was replaced. {}, and run all cells again.".format(", ".join(moved), PLACE["reset"]))
    stale = [words for name in sorted(have) for words in in_memory(name, have[name])]
    if stale:
        raise Stop("{}.\n{}, then run all cells again.".format(";\n".join(stale), PLACE["restart"]))
    print("All packages are there. No restart is needed.")


def why_pip_refused():
    """The part of pip's answer that names who needs what: its quiet one leaves it out."""
    order = ["install", "--dry-run", "--constraint", CONSTRAINTS, "--requirement", EXTRAS]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *order],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    cause = re.search(r"(?s)The conflict is caused by:.*?(?=\n\n(?!  )|\nTo fix|$)", done.stdout)
    return cause.group().strip() if cause else "The lines above say why."


def in_memory(name, disk):
    """Words for each module of a package that is in memory in another version than on the disk."""
    changed = BEFORE.get(name, disk) != disk
    if not changed and name not in KEPT:
        return
    for module in modules_of(name):
        loaded = sys.modules.get(module)
        version = getattr(loaded, "__version__", None)
        if loaded is None or (version is None and not changed):
            continue
        version = version if isinstance(version, str) else BEFORE.get(name, "another version")
        if version != disk and not re.match(re.escape(version) + r"[.+]", disk):
            yield "{} {} is in memory, and {} is on the disk".format(name, version, disk)


def modules_of(name):
    """The modules that a package brings: opencv-python brings cv2."""
    distribution = importlib.metadata.distribution(name)
    top = distribution.read_text("top_level.txt")
    if top:
        return sorted(set(top.split()))
    files = [file for file in distribution.files or () if str(file).endswith(".py")]
    return sorted({file.parts[0][:-3] if len(file.parts) == 1 else file.parts[0] for file in files})


def get_project(address, branch, folders):
    """Clone the course's repository beside this notebook, and install its own packages as they stand."""
    name = address.rsplit("/", 1)[-1]
    name = name[:-4] if name.endswith(".git") else name
    if not os.path.isdir(name):
        run(["git", "clone", "--quiet", "--depth", "1", "--branch", branch, "--", address, name])
    if not folders and os.path.exists(os.path.join(name, "start.py")):  # a course of `envtool init`: as start.py does
        found = sorted(os.listdir(name))
        folders = [folder for folder in found if os.path.exists(os.path.join(name, folder, "pyproject.toml"))]
    for folder in folders:
        place = os.path.normpath(os.path.join(name, folder))
        run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--editable", place])
    for path in site.getsitepackages() if folders else ():
        site.addsitedir(path)  # finds what was just installed; otherwise only a restart would
    importlib.invalidate_caches()
    print("The course's files are in the folder {}.".format(name))


def run(command):
    done = subprocess.run(
        command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True
    )
    if done.returncode != 0:
        raise Stop("This failed: {}\n{}".format(" ".join(command), done.stdout.strip()))


# ── device ───────────────────────────────────────────────────────────────────────────────────────


def get_device(line):
    """The device to compute on. Stops with the reason if it can't be used, and never takes another.

    The environment variable DEVICE, where it was set outside, goes before the line. It is set here for
    the course's own code and for scripts that are started from this notebook.
    """
    import torch

    name = GIVEN or line
    kind, _, number = name.partition(":")
    if kind == "auto":
        name = next(kind for kind in KINDS if why_not(torch, kind) is None)
        print("DEVICE is auto: this runs on {}.".format(name))
    elif kind not in KINDS or not (number.isdecimal() or name == kind):
        raise Stop("DEVICE is {!r}. It may be {} or auto.".format(name, ", ".join(KINDS)))
    problem = why_not(torch, name)
    if problem:
        raise Stop("DEVICE is {!r}, but {}".format(name, problem))
    os.environ["DEVICE"] = name
    print("PyTorch {} computes on {}.".format(torch.__version__, described(torch, name)))
    return torch.device(name)


def why_not(torch, name):
    """None if the device computes. Else the reason why it doesn't, and what to do."""
    try:
        numbers = torch.ones(8, device=name)
        if float((numbers + numbers).sum()) == 16:
            return None
        return "1 + 1 is not 2 there."
    except Exception as error:
        words = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    if name.partition(":")[0] == KINDS[0]:
        if not (os.path.exists("/proc/driver/nvidia/version") or os.path.exists("/dev/nvidiactl")):
            return "{}\n(PyTorch says: {}.)".format(PLACE["gpu"], words)
        if torch.version.cuda is None:
            return "this PyTorch ({}) is built for the CPU only. {}.".format(torch.__version__, PLACE["reset"])
    return "PyTorch says: {}.".format(words)


def described(torch, name):
    if name.partition(":")[0] != KINDS[0]:
        return name
    about = torch.cuda.get_device_properties(name)
    gibibytes = about.total_memory / (1 << 30)
    for problem in below_floor(gibibytes, (about.major, about.minor)):
        print("Note: {}".format(problem))
    return "{}, {:.0f} GiB".format(about.name, gibibytes)


def below_floor(gibibytes, capability):
    """What the course asks of a GPU and this one hasn't: a card sold as 16 GB reports 15 GiB."""
    memory, least = PLACE["gpu memory"], PLACE["gpu capability"]
    if memory and gibibytes < memory * 0.9:
        yield "the course needs a GPU with {} GiB, and this one has {:.0f}.".format(memory, gibibytes)
    if least and capability < tuple(least):
        yield "the course needs compute capability {}.{}, and this GPU has {}.{}.".format(*least, *capability)
