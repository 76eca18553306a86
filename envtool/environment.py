"""Facts about a Python environment: what is installed, what leaks in, what happens on import."""

from __future__ import annotations

from envtool.fact import Fact, dataclass
from envtool.machine import NOT_ASKED, Absent, DeviceNode, Reading


@dataclass(frozen=True, eq=False, repr=False)
class Distribution(Fact):
    """One installed distribution, read from its metadata and never imported."""

    name: str  # normalised: "nvidia-cublas-cu12"
    version: str
    location: str  # the sys.path entry that holds it
    installer: str | None = None  # pip, uv, conda, …
    requires: tuple[str, ...] = ()  # Requires-Dist, kept for the torch family only
    metadata_path: str | None = None
    editable: bool = False  # installed from a folder of sources (pip install -e)


@dataclass(frozen=True, eq=False, repr=False)
class Build(Fact):
    """What a package's own files say of its build.

    ``cuda``, ``hip`` and ``xpu`` are the runtime versions it was built for ("13.0", or "13" where only the major
    version is told), None where it was built without; ``variant`` is "cu130", "cpu", "rocm7.2" or "xpu", None where
    the files don't tell. A build without a distribution at its ``location`` is a source checkout or a bare copy.
    """

    package: str
    version: str  # with the local part where the files have one: "2.13.0+cpu"
    variant: str | None
    cuda: str | None = None
    hip: str | None = None
    xpu: str | None = None
    location: str | None = None  # the sys.path entry that holds it, as Distribution.location
    size_mib: int | None = None


@dataclass(frozen=True, eq=False, repr=False)
class CondaPackage(Fact):
    """One record of an environment's conda-meta folder."""

    name: str
    version: str
    build: str
    channel: str


@dataclass(frozen=True, eq=False, repr=False)
class Leak(Fact):
    """A directory that a plain start has on ``sys.path`` and an isolated one (``python -I``) has not.

    ``kind``: "working-directory", "PYTHONPATH", "user-site" or "other".
    """

    kind: str
    path: str


@dataclass(frozen=True, eq=False, repr=False)
class Shadow(Fact):
    """A file or folder that is imported in place of the module it is named after."""

    module: str
    path: str
    kind: str  # as Leak.kind
    standard_library: bool


@dataclass(frozen=True, eq=False, repr=False)
class Setting(Fact):
    """One setting of pip or uv: ``where`` a variable or a file, ``key`` as in pip ("index-url", "requirement")."""

    where: str
    key: str
    value: str


@dataclass(frozen=True, eq=False, repr=False)
class Proxy(Fact):
    """A proxy that a variable names. ``wrong``: "malformed", "silent" where nobody listens on this machine, or ""."""

    variable: str
    host: str
    port: str
    wrong: str


@dataclass(frozen=True, eq=False, repr=False)
class Kernel(Fact):
    """A kernel of Jupyter's. ``own``: the user's, which comes before the environment's; ``mine``: of this Python."""

    name: str
    program: str
    own: bool
    there: bool
    mine: bool


@dataclass(frozen=True, eq=False, repr=False)
class Finding(Fact):
    """Something in a program of the folder: "compile", "extension" or the name of a check."""

    what: str
    file: str
    line: int


@dataclass(frozen=True, eq=False, repr=False)
class Workplace(Fact):
    """The folder, the shell and the settings that a plain start of this Python meets. Passwords were never read."""

    variables: tuple[tuple[str, str], ...] = ()
    settings: tuple[Setting, ...] = ()
    programs: tuple[str, ...] | None = None  # compilers and container tools on PATH
    proxies: tuple[Proxy, ...] = ()
    certificates: tuple[tuple[str, str], ...] = ()  # that variables name: (variable, path)
    missing: tuple[tuple[str, str], ...] = ()  # … and that are not there: (variable or pip's file, path)
    authorities: int = 0  # certificates that an administrator has added to the system's
    closed: tuple[tuple[str, str], ...] = ()  # folders for downloads that can't be written: (by what, path)
    limits: tuple[tuple[str, int], ...] = ()  # "open files", "locked memory"; -1 is no limit
    route: bool | None = None  # a way out of this machine
    render_nodes: tuple[DeviceNode, ...] = ()
    libraries: tuple[str, ...] = ()  # CUDA libraries in folders of LD_LIBRARY_PATH
    toolkit: tuple[str, str] | None = None  # the CUDA toolkit's folder and version, "" where it does not say
    kernels: tuple[Kernel, ...] = ()
    replaced: tuple[str, ...] = ()  # packages that the notebook's kernel has loaded and that were replaced since
    days_behind: int = 0  # Python's own files are newer than the clock by so many days
    long_paths: bool | None = None  # Windows' LongPathsEnabled
    headers: bool | None = None  # Python.h
    encoding: str | None = None
    infiniband: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()  # of the network
    sources: tuple[Finding, ...] = ()
    editor: tuple[str, bool] | None = None  # the Python that VS Code's settings name, and is it there
    containers: tuple[tuple[str, str, str], ...] = ()  # (file, "cuda", "12.8.1") or (file, "gpu", "")

    def variable(self, name: str) -> str | None:
        """The variable's value, None where it is not set."""
        return dict(self.variables).get(name)

    def limit(self, name: str) -> int | None:
        """The limit of that name, None where it could not be read."""
        return dict(self.limits).get(name)

    def found(self, what: str) -> Finding | None:
        """The first finding of that kind in the folder's programs."""
        return next((finding for finding in self.sources if finding.what == what), None)


@dataclass(frozen=True, eq=False, repr=False)
class Environment(Fact):
    """A Python environment that answered."""

    executable: str
    chosen_by: str  # "--python", "the active environment (VIRTUAL_ENV)", "python3 on PATH", …
    version: str  # "3.12.4"
    implementation: str  # cpython, pypy
    abi: str  # "cp312", "cp313t"
    bits: int
    arch: str  # what the interpreter was built for: x86_64, arm64, …
    prefix: str
    base_prefix: str
    manager: str  # venv | virtualenv | uv | conda | system | pyenv | homebrew | …
    externally_managed: bool = False
    conda_base: bool = False
    pip: Reading[str] = NOT_ASKED  # pip's version in this environment
    ensurepip: bool = False
    distributions: tuple[Distribution, ...] = ()
    builds: tuple[Build, ...] = ()  # torch, torchvision, torchaudio: what their files say
    conda_packages: tuple[CondaPackage, ...] = ()
    leaks: tuple[Leak, ...] = ()
    shadows: tuple[Shadow, ...] = ()
    leftovers: tuple[str, ...] = ()  # "~orch-2.1.0.dist-info": half-removed distributions
    invalid: tuple[str, ...] = ()  # metadata folders without a readable METADATA
    closed: tuple[str, ...] = ()  # folders of packages that this user may not read
    # Found: a plain start works as well as an isolated one (-I). Absent: it doesn't, and this is what it said.
    plain_start: Reading[str] = NOT_ASKED
    working_directory: str | None = None  # where the plain start ran
    site_packages: str | None = None  # where this environment's own packages lie
    venv_home: str | None = None  # pyvenv.cfg's home: where the base Python lay when the venv was made
    venv_version: str | None = None  # … and which version it was then
    pip_on_path: Reading[str] = NOT_ASKED  # the interpreter that a bare `pip` would install into
    local_venv: Reading[str] = NOT_ASKED  # ./.venv, when that is another environment than this one
    local_venv_starts: Reading[bool] = NOT_ASKED  # Found(False): its Python is a link that leads nowhere
    workplace: Workplace | None = None  # None where a plain start did not tell
    half_done: str | None = None  # the folder that `envtool install` keeps beside it until a change is done
    ghost: str | None = None  # the active environment, by VIRTUAL_ENV or CONDA_PREFIX, where no Python is there

    def distribution(self, name: str) -> Distribution | None:
        """The first distribution of that normalised name on the path, None if there is none."""
        return next((d for d in self.distributions if d.name == name), None)

    def copies(self, name: str) -> tuple[Distribution, ...]:
        """Every distribution of that normalised name, in the order of the path: more than one is a duplicate."""
        return tuple(d for d in self.distributions if d.name == name)

    def build(self, package: str) -> Build | None:
        """What the files of ``package`` say of its build, None where it isn't installed."""
        return next((b for b in self.builds if b.package == package), None)


@dataclass(frozen=True, eq=False, repr=False)
class BrokenEnvironment(Fact):
    """An environment that was meant, and whose Python does not start.

    ``kind``: "dangling" (the venv's base Python is gone), "does-not-start", "no-answer" (it hangs or says something
    else), "too-old" (before Python 3.6).
    """

    executable: str
    chosen_by: str
    kind: str
    message: str
    home: str | None = None
    half_done: str | None = None  # as Environment.half_done


@dataclass(frozen=True, eq=False, repr=False)
class Stage(Fact):
    """One step of the import rehearsal in the target interpreter.

    ``name``: "torch", "torchvision", "torchaudio", "numpy-bridge", "cpu" always; "cuda:0", … (ROCm too), "mps", "xpu"
    where the build and the machine have them; "start", "cuda" and "exit" only where Python, CUDA or the end failed.
    ``outcome``: "ok", "error" (a Python exception, or a wrong result), "crash" (signal or exit), "timeout",
    "not-installed", "not-reached".
    Details: torch "version", "file", "cuda", "hip", "xpu", "arch_list", and where the build has CUDA or ROCm
    "is_available", "device_count", "cuda_error" (so "mps_available", "xpu_available"); torchvision, torchaudio and
    numpy-bridge "version", "file"; cuda:0 "name", "capability", "memory_mib"; any stage "warnings", one a line; a
    failed one "missing_library", "undefined_symbol" or "missing_symbol_version" where the loader named it.
    """

    name: str
    outcome: str
    seconds: float | None = None
    error_type: str | None = None
    message: str | None = None
    last_lines: tuple[str, ...] = ()
    signal: str | None = None
    exit_code: int | None = None
    details: tuple[tuple[str, str], ...] = ()  # such as ("version", "2.13.0+cpu"), ("device_count", "1")

    def detail(self, key: str) -> str | None:
        """The detail of that name, None where the stage did not report it."""
        return dict(self.details).get(key)


@dataclass(frozen=True, eq=False, repr=False)
class ImportReport(Fact):
    """What happened when the packages were really imported."""

    stages: tuple[Stage, ...]
    seconds: float

    def stage(self, name: str) -> Stage | None:
        """The stage of that name, None where it was never planned."""
        return next((s for s in self.stages if s.name == name), None)


NOT_IMPORTED = Absent("not imported (--no-import)")
