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
# What they ask of torch and NumPy is read, too: packages that courses use and that are particular about the two.
CLAIMANTS = (
    "accelerate bitsandbytes captum contourpy d2l diffusers fastai kornia lightning matplotlib pandas peft"
    " pyannote.audio pytorch_lightning scikit_learn scipy sentence_transformers skorch speechbrain timm torchdata"
    " torchmetrics transformers ultralytics vllm xformers"
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
    """The beginning of a file, None where it can't be read, or is a pipe that nobody writes into."""
    if not os.path.isfile(path):
        return None
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


def headers_of(metadata):
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
        known.update(headers_of(text(metadata) or ""))
    elif readable and name.lower().replace("-", "_") in CLAIMANTS:
        asked = headers_of(text(metadata) or "")["requires"]
        known["requires"] = [one for one in asked if one.startswith(("torch", "numpy")) and "extra" not in one]
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


def closed_to_us(entry, there):
    """What of an environment this user may not read: the whole folder, or torch's part of it."""
    mine = [entry] + [os.path.join(entry, name) for name in sorted(there) if name.partition("-")[0] in FAMILY]
    return [shown(path) for path in mine if not os.access(path, os.R_OK) and os.path.exists(path)]


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
        egg = headers_of(text(os.path.join(entry, "EGG-INFO", "PKG-INFO")) or "")
        egg.update({"metadata": "EGG-INFO", "readable": "name" in egg})
        found["distributions"].append(egg)
    closed = closed_to_us(entry, there)
    if closed:
        found["closed"] = closed
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


# ── the folder, the shell and the settings that a plain start meets ──────────────────────────────

ROOT = getattr(sys, "envtool_root", "")  # a tree that imitates a machine, in tests
VARIABLES = (
    "CUDA_HOME CUDA_PATH GLOO_SOCKET_IFNAME NCCL_SOCKET_IFNAME GTK_PATH GIO_MODULE_DIR LD_LIBRARY_PATH LOADEDMODULES"
    " HSA_OVERRIDE_GFX_VERSION JPY_PARENT_PID MPLBACKEND MKL_THREADING_LAYER PIP_NO_INDEX UV_OFFLINE UV_NO_INDEX CC CXX"
    " PIP_FIND_LINKS UV_FIND_LINKS TERM_PROGRAM PYTHONIOENCODING"
).split()
INDEXES = "PIP_INDEX_URL PIP_EXTRA_INDEX_URL UV_INDEX_URL UV_DEFAULT_INDEX UV_EXTRA_INDEX_URL UV_INDEX".split()
PROXIES = "HTTPS_PROXY https_proxy HTTP_PROXY http_proxy ALL_PROXY all_proxy".split()
CERTIFICATES = "PIP_CERT SSL_CERT_FILE REQUESTS_CA_BUNDLE CURL_CA_BUNDLE".split()
CACHES = "HF_HOME TORCH_HOME TRITON_CACHE_DIR TORCHINDUCTOR_CACHE_DIR XDG_CACHE_HOME".split()
PROGRAMS = "g++ clang++ c++ cl.exe gcc clang cc nvcc docker nvidia-ctk jupyter".split()
PROGRAMS += "nvidia-container-runtime nvidia-container-cli nvidia-container-toolkit".split()
FOREIGN_LIBRARIES = (
    "libcudnn.so.8 libcudnn.so.9 libcublas.so.11 libcublas.so.12 libcublas.so.13 libnccl.so.2 libnvrtc.so.12"
    " libnvJitLink.so.12"
).split()
NAMED = ("torch", "torchvision", "torchaudio", "pytorch", "d2l")  # the requirements that are worth a look
LINUX = sys.platform.startswith("linux")


def rooted(path):
    return ROOT + path if path.startswith("/") and not path.startswith(ROOT or "\0") else path


def lines_in(path, limit=1 << 17):
    return (text(path, limit) or "").replace("\r\n", "\n").split("\n")


def bare(url):
    """An address without a name and a password."""
    scheme, separator, rest = url.strip().strip("\"'").partition("://")
    if not separator:
        return scheme
    # The last @ of all, and not of the server's part: who does not escape a slash in a password has it in the path.
    return scheme + separator + rest.rpartition("@")[2].partition("?")[0]


def on_path(program):
    for folder in (os.environ.get("PATH") or "").split(os.pathsep):
        place = rooted(os.path.join(folder, program))
        if folder and (os.access(place, os.X_OK) or (os.name == "nt" and os.path.isfile(place + ".exe"))):
            return True
    return False


def home():
    return os.environ.get("USERPROFILE" if os.name == "nt" else "HOME")


def pip_settings():
    """Of pip's configuration what says where packages come from."""
    beside = [os.environ.get("PIP_CONFIG_FILE"), os.path.join(sys.prefix, "pip.ini" if os.name == "nt" else "pip.conf")]
    if home():
        for part in (
            ".config/pip/pip.conf",
            ".pip/pip.conf",
            "Library/Application Support/pip/pip.conf",
            "pip/pip.ini",
        ):
            beside.append(os.path.join(home(), part))
    if os.environ.get("APPDATA"):
        beside.append(os.path.join(os.environ["APPDATA"], "pip", "pip.ini"))
    found = []
    for path in beside + [rooted("/etc/pip.conf")]:
        for line in lines_in(path) if path and os.path.isfile(path) else []:
            key, equals, value = line.partition("=")
            key = key.strip().lower().replace("_", "-")
            if equals and key in ("index-url", "extra-index-url", "cert", "no-index"):
                found.append([shown(path), key, bare(value)])
    return found


def named_requirements(cwd):
    """requirements.txt: the lines about torch, and where they are to come from."""
    found = []
    for written in lines_in(os.path.join(cwd, "requirements.txt")):
        line = written.partition(" #")[0].strip()
        for option in ("--index-url", "--extra-index-url", "-i "):
            if line.startswith(option):
                url = bare(line[len(option) :].lstrip("= "))
                found.append(["requirements.txt", "extra-index-url" if "extra" in option else "index-url", url])
        name = ""
        for char in line:
            if not (char.isalnum() or char in "-_."):
                break
            name += char
        if name.lower() in NAMED and "://" not in line:
            found.append(["requirements.txt", "requirement", line.partition(";")[0].strip()])
    return found


def port_listens(port):
    """Does anybody on this machine listen there? None where that can't be read."""
    told = False
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in lines_in(rooted(table), 1 << 20)[1:]:
            told = True
            parts = line.split()
            if len(parts) > 3 and parts[3] == "0A" and parts[1].rpartition(":")[2] == "%04X" % port:
                return True
    return False if told else None


def proxies():
    """[variable, server, port, what is wrong with it]"""
    found = []
    for name in PROXIES:
        value = os.environ.get(name)
        if not value or (os.name == "nt" and name.islower()):  # Windows makes no difference between the two
            continue
        server = bare(value if "://" in value else "http://" + value).partition("://")[2].partition("/")[0]
        host, colon, port = server.rpartition(":")
        if server.endswith("]") or not colon:
            host, port = server, ""
        wrong = ""
        if not host or (port and not port.isdigit()) or (colon and not port and not server.endswith("]")):
            host, port, wrong = "", "", "malformed"  # it may hold a part of a password
        elif LINUX and port and host in ("127.0.0.1", "localhost", "[::1]") and port_listens(int(port)) is False:
            wrong = "silent"
        found.append([name, host, port, wrong])
    return found


def closed_folders():
    """Where a download or a compiled kernel would go, and can't."""
    asked = [(name, os.environ[name]) for name in CACHES if os.environ.get(name)]
    if home() and os.name == "posix" and not os.environ.get("XDG_CACHE_HOME"):
        asked.append(("HOME", os.path.join(home(), ".cache")))
    found = []
    for name, path in asked:
        place = rooted(os.path.abspath(os.path.expanduser(path)))
        while not os.path.exists(place) and os.path.dirname(place) != place:
            place = os.path.dirname(place)
        if not os.access(place, os.W_OK | os.X_OK):
            found.append([name, shown(path)])
    return found


def limits():
    found = []
    for line in lines_in(rooted("/proc/self/limits")) if LINUX else []:
        for name in ("Max open files", "Max locked memory"):
            if line.startswith(name):
                soft = line[len(name) :].split()[0]
                found.append([name[4:], -1 if soft == "unlimited" else int(soft)])
    return found


def default_route():
    """Is there a way out of this machine? None where that can't be read."""
    table = text(rooted("/proc/net/route")) if LINUX else None
    if table is None:
        return None
    for line in table.split("\n")[1:]:
        parts = line.split()
        if len(parts) > 7 and parts[1] == "00000000" and parts[7] == "00000000":
            return True
    for line in lines_in(rooted("/proc/net/ipv6_route"), 1 << 20):
        parts = line.split()
        if len(parts) > 9 and parts[0] == "0" * 32 and parts[1] == "00" and parts[9] != "lo":
            return True
    return False


def render_nodes():
    found = []
    for name in sorted(names(rooted("/dev/dri"))) if LINUX else []:
        if name.startswith("renderD"):
            path = rooted("/dev/dri/" + name)
            found.append(["/dev/dri/" + name, os.access(path, os.R_OK), os.access(path, os.W_OK)])
    return found


def foreign_libraries():
    found = []
    for folder in (os.environ.get("LD_LIBRARY_PATH") or "").split(":")[:40] if LINUX else []:
        if folder.startswith("/") and not folder.startswith(sys.prefix + "/"):
            there = [name for name in FOREIGN_LIBRARIES if os.path.exists(rooted(os.path.join(folder, name)))]
            found.extend(shown(os.path.join(folder, name)) for name in there)
    return found


def toolkit():
    """[folder, version] of the CUDA toolkit that an extension would be compiled with."""
    folder = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH")
    if not folder and LINUX and os.path.isfile(rooted("/usr/local/cuda/version.json")):
        folder = "/usr/local/cuda"
    if not folder:
        return None
    said = (text(rooted(os.path.join(folder, "version.json"))) or "").replace(" ", "").replace("\n", "")
    version = said.partition('"cuda":{')[2].partition('"version":"')[2].partition('"')[0]
    return [shown(folder), version]


def kernels():
    """[name, program, is it the user's own, is the program there, is it of this environment] of Jupyter's kernels."""
    places = [(os.path.join(sys.prefix, "share", "jupyter", "kernels"), False)]
    if os.environ.get("JUPYTER_DATA_DIR"):
        places.append((os.path.join(os.environ["JUPYTER_DATA_DIR"], "kernels"), True))
    elif home():
        own = {"darwin": "Library/Jupyter", "win32": "AppData/Roaming/jupyter"}.get(
            sys.platform, ".local/share/jupyter"
        )
        places.append((os.path.join(home(), own, "kernels"), True))
    found = []
    for place, own in places:
        for name in sorted(names(place))[:40]:
            said = text(os.path.join(place, name, "kernel.json")) or ""
            program = said.partition('"argv"')[2].partition("[")[2].partition('"')[2].partition('"')[0]
            program = program.replace("\\\\", "\\")
            if not os.path.isabs(program):
                continue
            here = identity(os.path.dirname(program)) == identity(os.path.dirname(sys.executable or ""))
            found.append([name, shown(program), own, os.path.exists(program), here])
    return found


def replaced_under_a_kernel():
    """Packages that the notebook's kernel, which this runs under, has loaded and that were replaced since."""
    found, pid = set(), os.getppid() if LINUX else 0
    for _ in range(12):
        if pid <= 1:
            break
        if any(word in (text(rooted("/proc/%d/cmdline" % pid)) or "") for word in ("ipykernel", "colab_kernel")):
            for line in lines_in(rooted("/proc/%d/maps" % pid), 1 << 23):
                if line.endswith("(deleted)") and "-packages/" in line:
                    found.add(line.rpartition("-packages/")[2].partition("/")[0].replace("~", ""))
        status = (text(rooted("/proc/%d/stat" % pid)) or "").rpartition(")")[2].split()
        pid = int(status[1]) if len(status) > 1 else 0
    return sorted(name.partition(".")[0].partition(" ")[0] for name in found)


def editor(cwd):
    """[the Python that VS Code's settings of this folder name, is it there]"""
    said = text(os.path.join(cwd, ".vscode", "settings.json")) or ""
    for key in ('"python.defaultInterpreterPath"', '"python.pythonPath"'):
        value = said.partition(key)[2].lstrip(" \t\r\n:").partition('"')[2].partition('"')[0].replace("\\\\", "\\")
        for word in ("${workspaceFolder}", "${workspaceRoot}"):
            value = value.replace(word, cwd)
        if value and "${" not in value and ("/" in value or "\\" in value):
            path = os.path.join(cwd, os.path.expanduser(value))
            return [shown(path), os.path.exists(path) or os.path.exists(path + ".exe")]
    return None


def containers(cwd):
    """[file, what it asks for]: images of a CUDA version, and containers with a GPU."""
    found = []
    for name in ("Dockerfile", "Containerfile", ".devcontainer/Dockerfile"):
        for line in lines_in(os.path.join(cwd, name)):
            words = line.split()
            if len(words) > 1 and words[0].upper() == "FROM":
                image = next(word for word in words[1:] + [""] if not word.startswith("--"))
                tag = image.rpartition("/")[2] if "nvidia/cuda:" in image else ""
                if tag:
                    found.append([name, "cuda", tag.partition(":")[2].partition("-")[0]])
    for name in (
        ".devcontainer/devcontainer.json",
        ".devcontainer.json",
        "compose.yaml",
        "compose.yml",
        "docker-compose.yml",
    ):
        said = (text(os.path.join(cwd, name)) or "").replace(" ", "").replace('"', "")
        if any(word in said for word in ("--gpus", "gpu:true", "driver:nvidia", "runtime:nvidia")):
            found.append([name, "gpu", ""])
    return found


def days_behind():
    """How many days Python's own files are newer than the clock: then the clock is wrong."""
    import time

    newest = 0
    for path in (os.path.join(HOME, "os.py"), sys.prefix, os.path.join(sys.prefix, "pyvenv.cfg")):
        try:
            newest = max(newest, os.stat(path).st_mtime)
        except OSError:
            pass
    return max(0, int((newest - time.time()) // 86400))


def long_paths():
    if sys.platform != "win32":
        return None
    try:
        import winreg

        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem") as key:
            return winreg.QueryValueEx(key, "LongPathsEnabled")[0] == 1
    except (ImportError, OSError):
        return None


# What a program in this folder does that some machines can't: words that are looked for, line by line.
WORDS = (("compile", "torch.compile("), ("extension", "CUDAExtension("), ("extension", "cuda_sources="))


def programs(cwd):
    """[what, file, line] of the programs in the folder: a word that says much, or two lines in the wrong order."""
    there = sorted(names(cwd))
    own_pytorch = "pytorch" in there or "pytorch.py" in there
    found, room = [], 1 << 22
    telling = ["import pytorch", "from pytorch"] + [word for _, word in WORDS]
    for name in [name for name in there if name.endswith((".py", ".ipynb"))][:60]:
        source = text(os.path.join(cwd, name), max(0, min(room, 1 << 18)))
        if source is None or "torch" not in source:
            continue
        room -= len(source)
        told = any(word in source for word in telling)
        for number, line in enumerate(source.split("\n"), 1) if told else ():
            plain = line.strip().lstrip('"')
            if plain.startswith("#"):
                continue
            first = plain.replace(",", " ").replace(".", " ").replace("\\n", " ").replace('"', " ").split()[:2]
            if first in (["import", "pytorch"], ["from", "pytorch"]) and not own_pytorch:
                found.append(["import-pytorch", name, number])
            found.extend([what, name, number] for what, word in WORDS if word in plain)
        if name.endswith(".py"):
            found.extend([what, name, number] for what, number in in_order(source))
    return found[:40]


def in_order(source):
    """What a program does at its top level, as far as the order of lines matters."""
    late = "CUDA_VISIBLE_DEVICES" in source
    workers = "num_workers" in source and "DataLoader" in source and "__main__" not in source
    if not late and not workers:
        return []
    try:
        import ast

        tree = ast.parse(source)
    except Exception:  # a program for another Python, or none
        return []
    nodes = []
    stack = list(reversed(tree.body))
    while stack:
        node = stack.pop()
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            nodes.append(node)
            stack.extend(reversed(list(ast.iter_child_nodes(node))))
    return (late_setting(ast, nodes) if late else []) + (unguarded_workers(ast, nodes) if workers else [])


def dotted(ast, node):
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    parts.append(node.id if isinstance(node, ast.Name) else "")
    return ".".join(reversed(parts))


def late_setting(ast, nodes):
    """CUDA_VISIBLE_DEVICES is set below a line that has started CUDA."""
    started = [n.lineno for n in nodes if isinstance(n, ast.Call) and starts_cuda(ast, n)]
    found = []
    for node in nodes:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(target, ast.Subscript) and dotted(ast, target.value) == "os.environ":
            if "CUDA_VISIBLE_DEVICES" in ast.dump(target) and started and min(started) < node.lineno:
                found.append(("cvd-set-late", node.lineno))
    return found[:1]


def starts_cuda(ast, call):
    name = dotted(ast, call.func)
    if name.startswith("torch.cuda.") or name.endswith(".cuda"):
        return True
    return name.endswith(".to") and any("'cuda" in ast.dump(argument) for argument in call.args)


def unguarded_workers(ast, nodes):
    """A DataLoader with workers is made and used while the file is imported."""
    for node in nodes:
        call = node.value if isinstance(node, ast.Assign) else None
        if not isinstance(call, ast.Call) or not dotted(ast, call.func).endswith("DataLoader"):
            continue
        target = node.targets[0]
        many = [
            k for k in call.keywords if k.arg == "num_workers" and getattr(k.value, "value", getattr(k.value, "n", 0))
        ]
        if many and isinstance(target, ast.Name):
            later = [n for n in nodes if isinstance(n, ast.Name) and n.id == target.id and n.lineno > node.lineno]
            if later:
                return [("dataloader-spawn-main", node.lineno)]
    return []


def headers():
    """Python.h of this Python; None where nobody looks for it there."""
    version = "python%d.%d" % sys.version_info[:2] + getattr(sys, "abiflags", "")
    base = getattr(sys, "base_prefix", sys.prefix)
    return os.path.isfile(os.path.join(base, "include", version, "Python.h")) if LINUX else None


def workplace():
    cwd = working_directory()
    found = {
        "variables": [[name, os.environ[name]] for name in VARIABLES if os.environ.get(name)],
        "settings": [
            [name, "extra-index-url" if "EXTRA" in name or name == "UV_INDEX" else "index-url", bare(os.environ[name])]
            for name in INDEXES
            if os.environ.get(name)
        ],
        "programs": [name for name in PROGRAMS if on_path(name)],
        "proxies": proxies(),
        "certificates": [[n, shown(os.environ[n])] for n in CERTIFICATES if os.environ.get(n)],
        "authorities": len(names(rooted("/usr/local/share/ca-certificates")) if LINUX else []),
        "closed": closed_folders(),
        "limits": limits(),
        "route": default_route(),
        "render_nodes": render_nodes(),
        "libraries": foreign_libraries(),
        "toolkit": toolkit(),
        "kernels": kernels(),
        "replaced": replaced_under_a_kernel(),
        "days_behind": days_behind(),
        "long_paths": long_paths(),
        "headers": headers(),
        "encoding": getattr(sys.stdout, "encoding", None),
        "infiniband": sorted(names(rooted("/sys/class/infiniband"))) if LINUX else [],
        "interfaces": sorted(names(rooted("/sys/class/net"))) if LINUX else [],
    }
    found["settings"] += pip_settings()
    found["missing"] = [one for one in found["certificates"] if not os.path.exists(rooted(one[1]))]
    found["missing"] += [[w, v] for w, key, v in found["settings"] if key == "cert" and not os.path.exists(rooted(v))]
    if cwd:
        found["settings"] += named_requirements(cwd)
        found["sources"] = programs(cwd)
        found["editor"] = editor(cwd)
        found["containers"] = containers(cwd)
    return found


def guarded(ask):
    """What was found, None where an odd file system or setting stands in the way: the rest is worth more."""
    try:
        return ask()
    except Exception:
        return None


def main():
    plain = sys.argv[-1] == "plain"
    if sys.version_info < (3, 6):
        answer({"version": "%d.%d.%d" % sys.version_info[:3], "too_old": True})
        return
    document = interpreter()
    document["entries"] = entries(plain)
    if plain:
        document["workplace"] = guarded(workplace)
    else:
        document["pyvenv"] = text(os.path.join(sys.prefix, "pyvenv.cfg"))
        document["externally_managed"] = os.path.isfile(os.path.join(HOME, "EXTERNALLY-MANAGED"))
        document["ensurepip"] = os.path.isfile(os.path.join(HOME, "ensurepip", "__init__.py"))
        document["conda"] = conda()
    answer(document)


try:
    main()
except Exception as error:  # whatever an odd file system says, the answer has a form
    answer({"error": "%s: %s" % (type(error).__name__, error)})
