"""What a job does once it runs, in bash, alike for every scheduler. Pure.

The order: modules, environment, `envtool doctor`, a quick smoke test, and only then the program.
"""

from __future__ import annotations

from envtool.fact import Fact, dataclass
from envtool.setup.job import Job
from envtool.setup.job_program import for_torchrun, word, words
from envtool.shell import quoted

VERIFY = "envtool setup {scheduler} --verify {path}"


@dataclass(frozen=True, eq=False, repr=False)
class Dialect(Fact):
    """How one scheduler says it to a running job."""

    scheduler: str
    submit: str  # the command that takes the script
    job: str  # the variable that only a job has
    folder: str  # the variable with the folder it was submitted from
    number: str  # an expression for bash: a number that no other job on a node has now
    cores: str  # an expression for bash: cores for each task
    index: str  # the variable of an array's task
    first_node: str  # a command that prints its name
    each_node: str  # runs what follows once on each node; "" where a job has but one
    run: str  # runs what follows as the job's tasks


HEAD = """
set -euo pipefail

stop() { # the reason is the last line of the log
  echo "stopped: $1" >&2
  exit 1
}
"""

INIT_FILES = """\
    /etc/profile.d/lmod.sh /etc/profile.d/z00_lmod.sh /etc/profile.d/modules.sh /etc/profile.d/z01_StdEnv.sh \\
    /usr/share/lmod/lmod/init/bash /usr/share/modules/init/bash /usr/share/Modules/init/bash"""


def body(job: Job, dialect: Dialect) -> str:
    """The script after its directives."""
    blocks = [
        HEAD,
        _modules(job),
        _places(job),
        _environment(job, dialect),
        _start(job, dialect),
        _settings(job, dialect),
    ]
    blocks += [_checks(job, dialect), _program(job, dialect)]
    return "\n".join(block.strip("\n") + "\n" for block in blocks if block.strip())


# ── modules ──────────────────────────────────────────────────────────────────────────────────────


def _modules(job: Job) -> str:
    site = job.site
    if not job.modules and not site.modules_use and not site.modules_purge:
        return """
load_modules() {
  : # this site needs none; with others: envtool setup ... --module NAME
}
"""
    lines = ["  module purge || true # some modules stay whatever one asks"] if site.modules_purge else []
    lines += [f"  module use {folder}" for folder in site.modules_use]
    if site.modules_forbidden:
        lines.append(f"  # not {' or '.join(site.modules_forbidden)}: what is loaded here brings its own")
    lines.append('  for name in "${MODULES[@]}"; do')
    lines.append('    module load "$name" || stop "the module $name can\'t be loaded; see: module avail ${name%%/*}"')
    lines += ["  done", *(["  conda activate base"] if site.python_activate else []), "  set -u"]
    return LOAD_MODULES.format(names=" ".join(job.modules), files=INIT_FILES, lines="\n".join(lines))


LOAD_MODULES = """
MODULES=({names})

load_modules() {{ # a batch shell may not know the function yet
  local file name
  set +u # the module system's own files use variables that may be missing
  for file in "${{LMOD_PKG:-/nonexistent}}/init/bash" "${{MODULESHOME:-/nonexistent}}/init/bash" \\
{files}; do
    if ! type module >/dev/null 2>&1 && [ -r "$file" ]; then
      # shellcheck source=/dev/null
      source "$file" || true
    fi
  done
  type module >/dev/null 2>&1 || stop "there is no module system on $(hostname): ${{MODULES[*]}} can't be loaded"
{lines}
}}
"""


# ── the environment ──────────────────────────────────────────────────────────────────────────────


def _places(job: Job) -> str:
    site = job.site
    tools = job.wanted.venv.rpartition("/")[0]
    lines = [f"TOOLS={f'{tools}/' if tools else ''}.envtool # envtool itself, apart from what the program uses"]
    if job.environment in ("wheels", "site-wheels"):
        lines.append(f'VENV="${{{job.temporary}:-/tmp}}/env" # on the node, and gone with the job')
    else:
        lines.append(f"VENV={job.wanted.venv} # in a folder that all nodes see")
    if site.internet_proxy:
        lines.append(f"export http_proxy={site.internet_proxy} https_proxy={site.internet_proxy}")
    return "\n".join(lines)


def _get_envtool(job: Job) -> str:
    spec = quoted(job.wanted.envtool.format(extras="[install,lock]" if job.lock else "[install]"), "posix")
    return f"""  if [ ! -x "$TOOLS/bin/envtool" ]; then
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
      stop "envtool needs Python 3.10 or newer, and python3 is $(python3 --version 2>&1); load a module that has one"
    python3 -m venv "$TOOLS"
    "$TOOLS/bin/python" -m pip install --quiet {spec}
  fi"""


def _environment(job: Job, dialect: Dialect) -> str:
    making = {
        "environment": _from_envtool,
        "wheels": _from_wheels,
        "site-wheels": _from_the_sites_wheels,
        "module": _on_a_module,
    }[job.environment]
    prepare, on_the_node = making(job)
    where = f"get a node for it: {job.site.places_prepare}" if job.site.places_prepare else "on the login node"
    text = f"""
prepare() {{ # once, {where}
{_submit_check(job)}{_get_envtool(job)}
{prepare}
}}
"""
    if on_the_node:
        text += f"""
make_environment() {{ # on each node of the job
{on_the_node}
}}
"""
    return text


def _submit_check(job: Job) -> str:
    variable = job.site.places_submit
    if not variable:
        return ""
    return f"""  case "$PWD/" in
    "${{{variable}:-/nonexistent}}"/*) ;;
    *) stop "{job.site.name} wants jobs to be submitted below \\${variable} (${{{variable}:-not set}}); this is $PWD" ;;
  esac
"""


def _install(job: Job, *options: str) -> str:
    spec = ["--lock", quoted(job.lock, "posix")] if job.lock else [] if job.wanted.spec else ["--no-spec"]
    variant = ["--variant", job.variant] if job.variant else []
    return " ".join(['"$TOOLS/bin/envtool" install', *spec, *options, *variant])


def _from_envtool(job: Job) -> tuple[str, str]:
    note = "  # The login node has no GPU to go by, so the build is named.\n" if job.variant else ""
    return f"{note}  {_install(job, '--no-smoke', '--into', chr(34) + '$VENV' + chr(34))}", ""


def _from_wheels(job: Job) -> tuple[str, str]:
    fetch = f"  {_install(job, '--download', 'wheels')}"
    return fetch, '  "$TOOLS/bin/envtool" install --find-links wheels --no-smoke --into "$VENV"'


def _from_the_sites_wheels(job: Job) -> tuple[str, str]:
    packages = " ".join(quoted(package, "posix") for package in job.requirements)
    return (
        '  echo "the packages come from wheels of the site; avail_wheels NAME says which versions there are"',
        f"""  if command -v virtualenv >/dev/null; then
    virtualenv --quiet --no-download "$VENV"
  else
    python3 -m venv "$VENV"
  fi
  "$VENV/bin/python" -m pip install --quiet --no-index {packages}""",
    )


def _on_a_module(job: Job) -> tuple[str, str]:
    lines = [
        "  # torch is the module's. What is added must not bring another one.",
        '  python3 -m venv --system-site-packages "$VENV"',
    ]
    if job.requirements or job.editable:
        words = [quoted(package, "posix") for package in job.requirements]
        words += [f"--editable {quoted(folder, 'posix')}" for folder in job.editable]
        lines += [
            '  python3 -m pip list --format=freeze | grep -E "^(torch|torchvision|torchaudio|numpy)==" \\',
            '    >"$VENV/constraints.txt" ||',
            '    stop "the module has no torch; see: module list"',
            f'  "$VENV/bin/python" -m pip install --quiet --constraint "$VENV/constraints.txt" {" ".join(words)}',
        ]
    return "\n".join(lines), ""


# ── the start of the job ─────────────────────────────────────────────────────────────────────────


def _start(job: Job, dialect: Dialect) -> str:
    script = f"{dialect.submit} {quoted(job.path, 'posix')}"
    return f"""
if [ "${{1:-}}" = prepare ]; then
  load_modules
  prepare
  echo "Prepared. Now: {_in_quotes(script)}"
  exit 0
fi
if [ -z "${{{dialect.job}:-}}" ]; then
  stop "this is a job for {dialect.submit.split()[0]}. First: bash $0 prepare. Then: {_in_quotes(script)}"
fi
cd "${{{dialect.folder}:-$PWD}}"
load_modules
"""


def _in_quotes(text: str) -> str:
    """A text inside double quotes of bash."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("`", "\\`")


def _settings(job: Job, dialect: Dialect) -> str:
    per_process = job.wanted.gpus // job.tasks
    cores = dialect.cores if per_process == 1 else f"$((({dialect.cores} + {per_process - 1}) / {per_process}))"
    lines = ['export DEVICE="${DEVICE:-cuda}" # a program that reads it stops with the reason where the job got no GPU']
    lines.append(f'export OMP_NUM_THREADS="{cores}" # what was asked for, not what the node has')
    if dialect.scheduler == "slurm":
        lines.append(
            'export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}" # since Slurm 22.05 srun doesn\'t take it from above'
        )
    lines.append("export PYTHONUNBUFFERED=1")
    if job.temporary and job.temporary != "TMPDIR":
        lines.append(f'export TMPDIR="${{{job.temporary}:-${{TMPDIR:-/tmp}}}}"')
    if job.site.places_scratch:
        scratch = f"${{{job.site.places_scratch}:-$PWD}}"
        lines.append(f'export TORCH_HOME="${{TORCH_HOME:-{scratch}/torch}}" # large downloads')
        lines.append(f'export HF_HOME="${{HF_HOME:-{scratch}/huggingface}}"')
    if job.site.internet_compute is False and not job.site.internet_proxy:
        lines.append("# No internet on these nodes: what asks for it would wait for long. Fetch data beforehand.")
        lines.append('export HF_HUB_OFFLINE="${HF_HUB_OFFLINE:-1}" WANDB_MODE="${WANDB_MODE:-offline}"')
    if job.environment in ("wheels", "site-wheels") or job.lock:
        for folder in job.editable:
            inside = quoted(folder, "posix")
            lines.append(f"for folder in {inside}/src {inside}; do")
            lines += ['  export PYTHONPATH="$PWD/$folder${PYTHONPATH:+:$PYTHONPATH}"', "done"]
    if job.distributed:
        lines += _meeting(job, dialect)
    return "\n".join(lines)


def _meeting(job: Job, dialect: Dialect) -> list[str]:
    """Where the processes find each other."""
    lines = ["", "# Where the processes find each other. Each job has a port of its own: two may share a node."]
    first = f"$({dialect.first_node})" if job.wanted.nodes > 1 else "localhost"
    lines.append(f'MASTER_ADDR="${{MASTER_ADDR:-{first}}}"')
    lines.append(f'MASTER_PORT="$((10000 + {dialect.number} % 20000))"')
    lines.append("export MASTER_ADDR MASTER_PORT")
    if job.site.launch_interface:
        name = job.site.launch_interface
        lines.append(f'export NCCL_SOCKET_IFNAME="${{NCCL_SOCKET_IFNAME:-{name}}}"')
    return lines


# ── checks and program ───────────────────────────────────────────────────────────────────────────


def _checks(job: Job, dialect: Dialect) -> str:
    several = job.wanted.nodes > 1
    each = f"{dialect.each_node.replace('{nodes}', str(job.wanted.nodes))} bash -ec" if several else ""
    lines = ["# Nothing is trained in an environment that doesn't work.", "check() {"]
    lines += [
        '  "$TOOLS/bin/envtool" doctor --python "$VENV/bin/python" ||',
        '    stop "envtool doctor: see above what is wrong on $(hostname)"',
        '  "$TOOLS/bin/envtool" smoke --quick --device "$DEVICE" --python "$VENV/bin/python" ||',
        '    stop "envtool smoke: PyTorch does not work with $DEVICE on $(hostname); see above"',
        "}",
    ]
    script = _in_quotes(quoted(job.path, "posix"))
    missing = f'stop "there is no $VENV in $PWD; submit from the project\'s folder, after: bash {script} prepare"'
    made = "" if job.environment in ("environment", "module") else "make_environment"
    lines.append(f'[ -x "$TOOLS/bin/envtool" ] || {missing.replace("$VENV", "$TOOLS")}')
    if not made:
        lines.append(f'[ -r "$VENV/bin/activate" ] || {missing}')
    if several or made:
        lines += ["export TOOLS VENV", f"export -f {f'stop check {made}'.strip()}"]
    gpus = job.wanted.nodes * job.wanted.gpus
    lines.append(f'echo "job ${{{dialect.job}}} on $(hostname), GPUs asked for: {gpus}, DEVICE=$DEVICE"')
    if made:
        lines.append(f'{each or "bash -ec"} {made} || stop "the environment could not be made; see above"')
    activate = ["# shellcheck source=/dev/null", 'source "$VENV/bin/activate"']
    if job.lock:
        activate = ["set +u # scripts of conda's packages may use variables that are missing", *activate, "set -u"]
    lines += activate
    lines.append(f'{each} check || stop "a check failed on one of the nodes; see above"' if several else "check")
    return "\n".join(lines)


def _program(job: Job, dialect: Dialect) -> str:
    index = dialect.index if job.wanted.array else ""
    lines = []
    if job.wanted.array:
        lines.append(f"# An array: ${index} says which task this is. Give each its own results.")
    if job.wanted.resume:
        file = word(job.wanted.resume, index)
        lines += [
            "# A job that ran out of time goes on from its checkpoint when it is submitted again.",
            "resume=()", f"if [ -e {file} ]; then", "  resume=(--resume)", "fi",
        ]  # fmt: skip
    rest = ' ${resume[@]+"${resume[@]}"}' if job.wanted.resume else ""
    command = f"{_launched(job, dialect, index)}{rest}"
    lines.append(f'{command} &\ntraining=$!\nwait "$training"' if job.wanted.requeue else command)
    return "\n".join(lines)


def _launched(job: Job, dialect: Dialect, index: str) -> str:
    program = job.wanted.program
    if not job.distributed:
        return f"{dialect.run}{words(program, index)}"
    if job.launcher == "srun":
        ranks = "RANK=$SLURM_PROCID LOCAL_RANK=$SLURM_LOCALID WORLD_SIZE=$SLURM_NTASKS"
        task = f"bash -c '{ranks} exec \"$@\"' task {words(program, index)}"
        return f"# shellcheck disable=SC2016 # each task reads its own\n{dialect.run}--kill-on-bad-exit=1 {task}"
    nodes, gpus = job.wanted.nodes, job.wanted.gpus
    each = f"{dialect.each_node.replace('{nodes}', str(nodes))} " if dialect.each_node else ""
    each += "--kill-on-bad-exit=1 " if each.startswith("srun ") else ""
    return (
        f"{each}python -m torch.distributed.run --nnodes={nodes} --nproc-per-node={gpus} \\\n"
        f'  --rdzv-backend=c10d --rdzv-endpoint="$MASTER_ADDR:$MASTER_PORT" --rdzv-id="${{{dialect.job}}}" \\\n'
        f"  {for_torchrun(program, index)}"
    )
