"""Run by the target interpreter: print what it is and what lies on its path, as JSON. Imports nothing that is not
loaded before any script runs, so that a file in the working directory can't step in. Any Python parses it.

Arguments: this file's path where it is given to -c, then "isolated" (read every directory of the path) or "plain"
(read only those that an isolated start has not: the rest is read by the other child).
"""

import sys

PATH = list(sys.path)
LOADED = dict(sys.modules)
MARKER = "envtool-environment:"

FAMILY = ("torch", "torchvision", "torchaudio", "torchtext", "triton")
BUILT = ("torch", "torchvision", "torchaudio")
SHIPPED = ("torch_cpu", "cuda", "hip", "xpu")  # what tells in the names of the libraries that come with a build
CONDA = (
    "conda cuda-version cudatoolkit cudnn intel-openmp libopenblas libtorch llvm-openmp mamba mkl nccl numpy pip python"
    " pytorch pytorch-cpu pytorch-cuda pytorch-gpu pytorch-mutex torchaudio torchtext torchvision triton"
).split()
# Not the standard library's, and imported by torch or beside it.
FOREIGN = FAMILY + ("numpy", "PIL", "pytorch", "functorch", "torchgen")
# Modules that `import torch` needs and that a script of the same name puts out of action: each was tried, with 2.13.
STANDARD = (
    "ast asyncio base64 binascii bisect cmath collections concurrent contextlib contextvars copy copyreg ctypes"
    " dataclasses datetime dis email enum fnmatch functools gettext glob heapq http importlib inspect json keyword"
    " linecache logging math mmap multiprocessing numbers opcode operator pathlib pickle platform pprint queue quopri"
    " random re reprlib select selectors signal socket ssl string struct subprocess tempfile textwrap threading timeit"
    " token tokenize traceback types typing unittest urllib warnings weakref zlib"
).split()


def quoted(text):
    out = []
    for char in text:
        code = ord(char)
        if char in '"\\':
            out.append("\\" + char)
        elif 32 <= code < 127:
            out.append(char)
        elif code < 0x10000:
            out.append("\\u%04x" % code)
        else:
            code -= 0x10000
            out.append("\\u%04x\\u%04x" % (0xD800 + (code >> 10), 0xDC00 + (code & 0x3FF)))
    return '"' + "".join(out) + '"'


def json(value):
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(quoted(key) + ":" + json(value[key]) for key in value) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(json(item) for item in value) + "]"
    return quoted(value)


def answer(document):
    sys.stdout.write("\n" + MARKER + json(document) + "\n")
    sys.stdout.flush()


def standard_library():
    """The entries of the path that hold the standard library: they are beside the package `encodings`."""
    beside = list(getattr(LOADED.get("encodings"), "__path__", ())) or [LOADED["os"].__file__]
    home = beside[0].replace("\\", "/").rsplit("/", 1)[0]
    keep = []
    for entry in PATH:
        plain = entry.replace("\\", "/").rstrip("/")
        if plain == home or plain == home + "/lib-dynload" or plain.endswith(("/DLLs", ".zip")):
            keep.append(entry)
    return home, keep


HOME, sys.path[:] = standard_library()

import os  # noqa: E402  (loaded by site before this began)


def shown(path):
    """A path as UTF-8 text whatever the locale; bytes that are no UTF-8 stay escaped."""
    if os.name == "nt":
        return path
    return os.fsencode(path).decode("utf-8", "surrogateescape")


def text(path, limit=1 << 17):
    """The beginning of a file, None where it can't be read."""
    try:
        with open(path, "rb") as file:
            return file.read(limit).decode("utf-8", "replace")
    except (OSError, IOError):
        return None


def names(path):
    try:
        return os.listdir(path)
    except OSError:
        return []


def first_line(path):
    return (text(path, 200) or "").strip().split("\n")[0][:40] or None


def headers(metadata):
    """Name, version and requirements: the headers end at the first empty line."""
    found = {"requires": []}
    for line in metadata.replace("\r\n", "\n").split("\n\n")[0].split("\n"):
        key, _, value = line.partition(":")
        key = key.lower()
        if key == "requires-dist":
            found["requires"].append(value.strip())
        elif key in ("name", "version"):
            found.setdefault(key, value.strip())
    return found


def distribution(entry, folder):
    """One .dist-info or .egg-info: what its name says, and its metadata only where the name doesn't tell."""
    path = os.path.join(entry, folder)
    stem, kind = folder.rsplit(".", 1)
    name, _, version = stem.partition("-")
    if kind == "egg-info":
        version = version.partition("-py")[0]
    inside = names(path)
    if kind == "dist-info":
        metadata, readable = os.path.join(path, "METADATA"), "METADATA" in inside
    else:
        metadata = os.path.join(path, "PKG-INFO") if inside else path
        readable = "PKG-INFO" in inside or os.path.isfile(path)
    known = {"name": name, "version": version, "metadata": folder, "readable": readable, "requires": []}
    if readable and (not version or name.lower() in FAMILY):
        known.update(headers(text(metadata) or ""))
    if "INSTALLER" in inside:
        known["installer"] = first_line(os.path.join(path, "INSTALLER"))
    if "direct_url.json" in inside:
        url = (text(os.path.join(path, "direct_url.json")) or "").replace(" ", "")
        known["editable"] = '"editable":true' in url
    return known


def build(entry, package):
    """What is in the package's folder that tells of its build; None where there is no such package."""
    folder = os.path.join(entry, package)
    if not os.path.isfile(os.path.join(folder, "__init__.py")):
        return None
    shipped = names(os.path.join(folder, "lib")) + names(os.path.join(entry, package + ".libs"))
    return {
        "package": package,
        "version_py": text(os.path.join(folder, "version.py"), 1 << 14),
        "shipped": sorted(name for name in shipped if any(word in name for word in SHIPPED)),
    }


def shadow(entry, name, there):
    """What `import name` would take from this directory: the finder prefers a package, then an extension module."""
    if name in there and os.path.isfile(os.path.join(entry, name, "__init__.py")):
        return {"module": name, "file": name, "namespace": False}
    for suffix in extension_suffixes() + [".py", ".pyc"]:
        if name + suffix in there:
            return {"module": name, "file": name + suffix, "namespace": False}
    if name in there and os.path.isdir(os.path.join(entry, name)):
        return {"module": name, "file": name, "namespace": True}
    return None


def extension_suffixes():
    imp = LOADED.get("_imp")
    return list(imp.extension_suffixes()) if imp is not None else []


def settled(name, entry):
    """Is the module loaded before any script runs, or built in? Then a file on the path comes too late."""
    imp = LOADED.get("_imp")
    if name in sys.builtin_module_names or (imp is not None and imp.is_frozen(name)):
        return True
    module = LOADED.get(name)
    if module is None:
        return False
    origin = getattr(module, "__file__", None) or ""
    return not origin.startswith(os.path.join(entry, ""))


def shadows(entry, there):
    found = []
    for name in FOREIGN + tuple(STANDARD):
        if name in there or any(name + suffix in there for suffix in extension_suffixes() + [".py", ".pyc"]):
            if not settled(name, entry):
                found.append(shadow(entry, name, there))
    return [one for one in found if one]


def scan(entry, foreign):
    """One directory of the path, listed once."""
    there = set(names(entry))
    metadata = sorted(name for name in there if name.endswith((".dist-info", ".egg-info")))
    whole = [name for name in metadata if not name.startswith("~")]
    links = [name[: -len(".egg-link")] for name in there if name.endswith(".egg-link")]
    found = {
        "path": shown(entry),
        "distributions": [distribution(entry, folder) for folder in whole],
        "leftovers": sorted(name for name in there if name.startswith("~")),
        "links": sorted(links),
        "builds": [one for one in (build(entry, package) for package in BUILT if package in there) if one],
    }
    if entry.endswith(".egg") and "EGG-INFO" in there:
        egg = headers(text(os.path.join(entry, "EGG-INFO", "PKG-INFO")) or "")
        egg.update({"metadata": "EGG-INFO", "readable": "name" in egg})
        found["distributions"].append(egg)
    if foreign:
        found["shadows"] = shadows(entry, there)
    return found


def identity(path):
    try:
        status = os.stat(path)
    except OSError:
        return None
    return "%d:%d" % (status.st_dev, status.st_ino) if status.st_ino else shown(path)


def own_directories():
    """This interpreter's site-packages: every start has them, so that one child's reading is enough."""
    ask = getattr(LOADED.get("site"), "getsitepackages", None)
    return set(ask()) if ask is not None else set()


def entries(plain):
    seen, found = set(), []
    skipped = own_directories() if plain else set()
    for entry in PATH:
        directory = entry or working_directory()
        which = identity(directory) if directory else None
        if which is None or which in seen or not os.path.isdir(directory):
            continue
        seen.add(which)
        if directory in skipped or directory.replace("\\", "/") in (HOME, HOME + "/lib-dynload"):
            continue
        one = scan(directory, plain)
        one["identity"] = which
        found.append(one)
    return found


def working_directory():
    try:
        return os.getcwd()
    except OSError:
        return None


def channel(path):
    """A conda record's channel. The file lists every file of the package, and the channel stands before that."""
    record = text(path, 1 << 16) or ""
    _, key, rest = record.partition('"channel":')
    return rest.split('"')[1] if key and rest.count('"') > 1 else ""


def conda():
    folder = os.path.join(sys.prefix, "conda-meta")
    if not os.path.isdir(folder):
        return None
    records = []
    for file in sorted(names(folder)):
        parts = file[: -len(".json")].rsplit("-", 2) if file.endswith(".json") else []
        if len(parts) == 3:
            wanted = parts[0] in CONDA
            records.append(parts + [channel(os.path.join(folder, file)) if wanted else None])
    return {"records": records, "condabin": os.path.isdir(os.path.join(sys.prefix, "condabin"))}


def interpreter():
    cwd, site = working_directory(), LOADED.get("site")
    user = getattr(site, "USER_SITE", None)
    pythonpath = os.environ.get("PYTHONPATH") or ""
    return {
        "version": "%d.%d.%d" % sys.version_info[:3] + prerelease(),
        "implementation": sys.implementation.name,
        "tag": sys.implementation.cache_tag or "",
        "suffixes": extension_suffixes(),
        "abiflags": getattr(sys, "abiflags", ""),
        "platform": sys.platform,
        "machine": os.uname().machine if hasattr(os, "uname") else "",
        "bits": 64 if sys.maxsize > 2**32 else 32,
        "executable": shown(sys.executable or ""),
        "prefix": shown(sys.prefix),
        "base_prefix": shown(getattr(sys, "base_prefix", sys.prefix)),
        "base_executable": shown(getattr(sys, "_base_executable", None) or ""),
        "real_executable": shown(os.path.realpath(sys.executable)) if sys.executable else "",
        "home": shown(HOME),
        "path": [shown(entry) for entry in PATH],
        "cwd": shown(cwd) if cwd else None,
        "user_site": shown(user) if user else None,
        "pythonpath": [shown(entry or ".") for entry in pythonpath.split(os.pathsep)] if pythonpath else [],
    }


def prerelease():
    level, serial = sys.version_info[3:5]
    return {"alpha": "a%d", "beta": "b%d", "candidate": "rc%d"}[level] % serial if level != "final" else ""


def main():
    plain = sys.argv[-1] == "plain"
    if sys.version_info < (3, 6):
        answer({"version": "%d.%d.%d" % sys.version_info[:3], "too_old": True})
        return
    document = interpreter()
    document["entries"] = entries(plain)
    if not plain:
        document["pyvenv"] = text(os.path.join(sys.prefix, "pyvenv.cfg"))
        document["externally_managed"] = os.path.isfile(os.path.join(HOME, "EXTERNALLY-MANAGED"))
        document["ensurepip"] = os.path.isfile(os.path.join(HOME, "ensurepip", "__init__.py"))
        document["conda"] = conda()
    answer(document)


try:
    main()
except Exception as error:  # whatever an odd file system says, the answer has a form
    answer({"error": "%s: %s" % (type(error).__name__, error)})
