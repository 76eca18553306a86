"""`envtool setup slurm`: the text of the job, and that nothing gets out of its quotes."""

from __future__ import annotations

import re
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from job_scripts import COURSE, NO_BASH, PROGRAM, SHELLCHECK, bash, bodies, room, text, variants

from envtool.cli.app import main
from envtool.course import Course
from envtool.errors import UsageError
from envtool.setup.job import Wanted, job_name, job_of, version_of
from envtool.setup.job_faults import directives, faults_of
from envtool.setup.job_program import for_torchrun, words
from envtool.setup.site_files import load_site

needs_bash = pytest.mark.skipif(NO_BASH, reason="the job script is for bash")
ALL = dict(variants("slurm"))


def flags(script, prefix="#SBATCH"):
    return [text for _, text in directives(script.split("\n"), prefix)]


# ── the directives ───────────────────────────────────────────────────────────────────────────────


def test_a_plain_job():
    script = text()
    assert flags(script) == [
        "--job-name=deep-learning", "--nodes=1", "--ntasks-per-node=1", "--gpus-per-node=1", "--cpus-per-task=4",
        "--mem=16G", "--time=01:00:00", "--output=%x-%j.out",
    ]  # fmt: skip
    assert script.startswith("#!/bin/bash\n") and script.endswith("srun python -m cats.train\n")
    order = [
        "set -euo pipefail",
        "load_modules\n\nexport DEVICE",
        "doctor --python",
        "smoke --quick",
        "\ncheck\n",
        "srun python",
    ]
    places = [script.index(part) for part in order]
    assert places == sorted(places)
    assert 'export DEVICE="${DEVICE:-cuda}"' in script and 'OMP_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}"' in script


@pytest.mark.parametrize(
    ("wanted", "there"),
    [
        ({"gpus": 4}, {"--gpus-per-node=4", "--ntasks-per-node=1", "--cpus-per-task=16", "--mem=64G"}),
        ({"gpus": 4, "launcher": "srun"}, {"--gpus-per-node=4", "--ntasks-per-node=4", "--cpus-per-task=4"}),
        ({"nodes": 2}, {"--nodes=2", "--gpus-per-node=1"}),
        ({"gpu_type": "a100"}, {"--gpus-per-node=a100:1"}),
        ({"gpu_type": "a100", "version": "18.08"}, {"--gres=gpu:a100:1"}),
        ({"version": "23.11.4"}, {"--gpus-per-node=1"}),
        ({"array": "0-9%3"}, {"--array=0-9%3", "--output=%x-%A_%a.out"}),
        ({"time": "90"}, {"--time=01:30:00"}),
        ({"requeue": True}, {"--requeue", "--open-mode=append", "--signal=B:USR1@180"}),
        ({"requeue": True, "time": "5"}, {"--signal=B:USR1@75"}),
        ({"directives": ("--mail-type=END",)}, {"--mail-type=END"}),
        ({"account": "def-smith", "qos": "normal", "constraint": "a100|h100"}, {"--account=def-smith", "--constraint=a100|h100"}),
    ],
)  # fmt: skip
def test_what_is_asked_for_becomes_a_directive(wanted, there):
    assert there <= set(flags(text(**wanted)))


@pytest.mark.parametrize(
    ("site", "there"),
    [
        ("rorqual", {"--account=CHANGE_ME", "--gpus-per-node=h100:1", "--output=/scratch/%u/%x-%j.out"}),
        ("roihu", {"--partition=gpumedium", "--gres=gpu:gh200:1", "--cpus-per-task=72"}),
        ("perlmutter", {"--qos=shared", "--constraint=gpu", "--cpus-per-task=32"}),
        ("jean-zay", {"--constraint=v100-32g", "--hint=nomultithread", "--gres=gpu:1"}),
        ("lumi", {"--partition=small-g", "--cpus-per-task=7", "--mem=60G"}),
    ],
)
def test_what_a_site_wants_becomes_a_directive(site, there):
    assert there <= set(flags(text(site)))


def test_a_site_whose_queue_decides_is_asked_for_no_gpu_and_no_memory():
    script = text("vista")
    assert not re.search(r"#SBATCH --(gres|gpus|mem)", script) and "idev -p gh-dev" in script


def test_a_site_with_a_launcher_of_its_own():
    assert text("vista").endswith("\ncheck\n\npython -m cats.train\n")
    assert "\nibrun bash -ec check || stop" in text("vista", nodes=2)
    assert "\nibrun python -m torch.distributed.run --nnodes=2" in text("vista", nodes=2)
    assert "\npython -m torch.distributed.run --nnodes=1" in text("lonestar6", gpus=3)


def test_the_modules_of_a_site_and_not_those_that_it_forbids():
    script = text("roihu")
    assert "MODULES=(python-pytorch/2.10)" in script and "not cuda or cudnn" in script
    assert "python3 -m venv --system-site-packages" in script and "--constraint" in script
    assert text("jean-zay").index("module purge") < text("jean-zay").index('module load "$name"')


def test_a_site_without_internet_installs_on_the_node_from_its_own_wheels():
    script = text("narval")
    assert "--no-index torch torchvision torchaudio numpy 'torchinfo>=1.8'" in script
    assert 'VENV="${SLURM_TMPDIR:-/tmp}/env"' in script and "srun --nodes=2 --ntasks=2" in text("narval", nodes=2)
    own = text("narval", environment="wheels")
    assert "--download wheels" in own and "install --find-links wheels" in own


def test_a_port_of_its_own_for_each_job_and_no_fixed_one():
    for label, script in ALL.items():
        assert "29500" not in script, label
        assert ("SLURM_JOB_ID % 20000" in script) == ("MASTER_PORT" in script), label


def test_the_same_again_is_the_same_to_the_byte():
    assert dict(variants("slurm")) == ALL


def test_what_we_write_has_no_fault_but_what_only_the_user_knows():
    for label, script in ALL.items():
        name = label.split()[0]
        version = (18, 8) if "18.08" in label else (22, 5)
        codes = {fault.code for fault in faults_of(script, "slurm", load_site(name, "slurm"), version)}
        assert codes <= {"change-me"}, (label, codes)
        assert ("change-me" in codes) == ("CHANGE_ME" in script), label


@needs_bash
def test_bash_can_read_each_variant(tmp_path):
    for number, script in enumerate(ALL.values()):
        (tmp_path / f"{number}.sh").write_text(script)
    files = sorted(str(path) for path in tmp_path.iterdir())
    done = subprocess.run(
        ["bash", "-c", 'for f in "$@"; do bash -n "$f" || exit; done', "-", *files], capture_output=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.skipif(SHELLCHECK is None, reason="there is no shellcheck")
def test_shellcheck_finds_nothing(tmp_path):
    for number, script in enumerate(bodies(ALL.values())):
        (tmp_path / f"{number}.sh").write_text(script)
    files = sorted(str(path) for path in tmp_path.iterdir())
    done = subprocess.run([SHELLCHECK, *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]


# ── what is refused ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("wanted", "site", "words"),
    [
        ({"account": "a; rm -rf ~"}, "generic", "--account"),
        ({"partition": "gpu\n#SBATCH --mem=1"}, "generic", "--partition"),
        ({"memory": "lots"}, "generic", "--mem 32G"),
        ({"time": "tomorrow"}, "generic", "--time"),
        ({"array": "$(id)"}, "generic", "--array"),
        ({"modules": ("a; b",)}, "generic", "--module"),
        ({"directives": ("--mem=1 # x",)}, "generic", "--directive"),
        ({"venv": "~/x"}, "generic", "--venv"),
        ({"program": ("python", "a\nb")}, "generic", "no line can hold"),
        ({"gpus": 9}, "narval", "--gpus 4 --nodes 3"),
        ({"time": "8-00:00:00"}, "narval", "ends jobs after 7-00:00:00"),
        ({"gpu_type": "h100"}, "narval", "known to have a100"),
        ({"environment": "wheels"}, "generic", "--temporary TMPDIR"),
        ({"version": "new"}, "generic", "is no version"),
        ({"version": "16.05"}, "generic", "17.11"),
    ],
)
def test_what_can_not_stand_in_a_job_is_refused(wanted, site, words):
    with pytest.raises(UsageError) as caught:
        job_of(COURSE, Wanted(**{"program": PROGRAM, **wanted}), load_site(site, "slurm"), "jobs/train.sbatch")
    assert words in f"{caught.value.message} {caught.value.hint}"


def test_versions_as_slurm_says_them():
    assert version_of("slurm 23.02.7") == (23, 2) and version_of("slurm-wlm 22.05.8") == (22, 5)
    assert version_of("24.11.0-0rc1") == (24, 11)


# ── injection ────────────────────────────────────────────────────────────────────────────────────

NASTY = [
    '"; touch x; "',
    "$(touch x)",
    "`touch x`",
    "'; touch x; '",
    "a b",
    "{index}",
    "${HOME}",
    "#",
    "\\",
    "*",
    "--",
    "~",
    "{{ x }}",
    "${{ x }}",
]
TEXTS = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), max_size=30).filter(str.isprintable),
)


@needs_bash
@given(st.lists(st.lists(TEXTS, max_size=4), min_size=12, max_size=12))
def test_the_program_gets_its_words_as_they_were(programs):
    lines = [f"printf '%s\\0' {words(tuple(program), '')} ; printf '\\1'" for program in programs]
    lines += [f"printf '%s\\0' {words(tuple(program), 'INDEX')} ; printf '\\1'" for program in programs]
    done = subprocess.run(["bash", "-uc", "INDEX=7\n" + "\n".join(lines)], capture_output=True, cwd="/")
    assert not done.stderr
    got = [part.decode().split("\0")[:-1] for part in done.stdout.split(b"\1")[:-1]]
    expected = [program or [""] for program in programs]
    expected += [[word.replace("{index}", "7") for word in program] or [""] for program in programs]
    assert got == expected


def test_torchrun_starts_python_itself():
    assert for_torchrun(("python", "-m", "cats.train", "--x", "a b"), "") == "-m cats.train --x 'a b'"
    assert for_torchrun(("python3.12", "-u", "train.py"), "") == "train.py"
    assert for_torchrun(("./run.sh", "$(x)"), "") == "--no-python ./run.sh '$(x)'"


@given(TEXTS)
def test_a_name_of_a_job_is_plain(name):
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}|training", job_name(name))


@needs_bash
@settings(max_examples=8)
@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS, TEXTS), min_size=8, max_size=8))
def test_whatever_a_course_is_called_the_job_is_the_same(rows):
    """The same directives, as many lines that are no comment, and text that bash can read."""
    plain = text(
        environment="site-wheels", temporary="TMPDIR", course=Course("x", pip_packages=("x",), editable=("x",))
    )
    scripts = []
    for name, package, folder, path in rows:
        course = Course(name, pip_packages=(package,), editable=(folder,))
        script = text(environment="site-wheels", temporary="TMPDIR", course=course, path=path or "x")
        assert flags(script)[1:] == flags(plain)[1:] and flags(script)[0] == f"--job-name={job_name(name)}"
        assert script.count("\n") == plain.count("\n")
        scripts.append(script)
    program = 'for script in "$@"; do bash -n <<<"$script" || exit; done'
    done = subprocess.run(["bash", "-c", program, "-", *scripts], capture_output=True)
    assert done.returncode == 0 and not done.stderr


@needs_bash
@pytest.mark.parametrize("environment", ["environment", "site-wheels", "module"])
def test_hostile_names_and_packages_do_nothing(environment, tmp_path):
    hostile = "\"; touch broken; $(touch broken) `touch broken` '; touch broken"
    course = Course(hostile, packages=(), pip_packages=("x @ https://e.org/$(touch${IFS}broken)",), editable=("a'b",))
    site = "narval" if environment == "site-wheels" else "generic"
    script = text(
        site,
        course=course,
        environment=environment,
        program=("python", hostile),
        resume=hostile,
        path=f"{hostile}.sbatch",
    )
    env = room(tmp_path, "srun", "pip", "python3", "virtualenv", "scontrol")
    (tmp_path / "stubs/python3").write_text("#!/bin/bash\necho torch==2.9\n")
    (tmp_path / "job.sh").write_text(script)
    env |= {"LMOD_PKG": str(tmp_path / "lmod")}
    (tmp_path / "lmod/init").mkdir(parents=True)
    (tmp_path / "lmod/init/bash").write_text("module() { :; }\n")
    bash(tmp_path / "job.sh", env, "prepare", cwd=tmp_path)
    (tmp_path / "env/bin").mkdir(parents=True)
    (tmp_path / "env/bin/activate").write_text("")
    (tmp_path / "env/bin/python").symlink_to(tmp_path / ".venv/bin/python")
    done = bash(tmp_path / "job.sh", {**env, "SLURM_JOB_ID": "7", "SLURM_TMPDIR": str(tmp_path)}, cwd=tmp_path)
    assert f"srun python {hostile}" in done.stdout, done.stderr
    assert not list(tmp_path.rglob("broken"))


# ── the job itself, without a scheduler ──────────────────────────────────────────────────────────


@needs_bash
def test_the_checks_come_first_and_each_ends_the_job(tmp_path):
    (tmp_path / "job.sh").write_text(text())
    env = {**room(tmp_path, "srun"), "SLURM_JOB_ID": "7"}
    done = bash(tmp_path / "job.sh", env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["job", "7"], ["envtool", "doctor"], ["envtool", "smoke"], ["srun", "python"],
    ]  # fmt: skip
    assert "--device cuda" in done.stdout
    assert "--device cpu" in bash(tmp_path / "job.sh", {**env, "DEVICE": "cpu"}, cwd=tmp_path).stdout
    done = bash(tmp_path / "job.sh", {**env, "ENVTOOL_CODE": "1"}, cwd=tmp_path)
    assert done.returncode == 1 and "srun" not in done.stdout
    assert done.stderr.startswith("stopped: envtool doctor: see above")


@needs_bash
def test_a_job_that_is_not_prepared_or_no_job_says_what_to_do(tmp_path):
    (tmp_path / "job.sh").write_text(text())
    env = room(tmp_path, "srun")
    done = bash(tmp_path / "job.sh", env, cwd=tmp_path)
    assert done.returncode == 1 and "this is a job for sbatch. First: bash " in done.stderr
    (tmp_path / ".venv/bin/activate").unlink()
    done = bash(tmp_path / "job.sh", {**env, "SLURM_JOB_ID": "7"}, cwd=tmp_path)
    assert (
        done.returncode == 1
        and f"there is no .venv in {tmp_path}; submit from the project's folder, after: bash jobs/train.sbatch prepare"
        in done.stderr
    )
    done = bash(tmp_path / "job.sh", env, "prepare", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout
        == "envtool install --no-spec --no-smoke --into .venv --variant cu126\nPrepared. Now: sbatch jobs/train.sbatch\n"
    )


@needs_bash
def test_a_site_that_wants_jobs_from_its_scratch_says_so(tmp_path):
    (tmp_path / "job.sh").write_text(text("vista", modules=("python3",)).replace("module load", "true"))
    env = {**room(tmp_path), "SCRATCH": str(tmp_path / "scratch"), "LMOD_PKG": str(tmp_path)}
    (tmp_path / "init").mkdir()
    (tmp_path / "init/bash").write_text("module() { :; }\n")
    done = bash(tmp_path / "job.sh", env, "prepare", cwd=tmp_path)
    assert done.returncode == 1 and "wants jobs to be submitted below $SCRATCH" in done.stderr
    done = bash(tmp_path / "job.sh", {**env, "SCRATCH": str(tmp_path)}, "prepare", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


# ── the command ──────────────────────────────────────────────────────────────────────────────────


def test_the_command_writes_and_tells_the_next_step(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src/cats").mkdir(parents=True)
    (tmp_path / "src/cats/train.py").write_text('add("--checkpoint", default="runs/model.pt")\nadd("--resume")\n')
    (tmp_path / "envtool.toml").write_text('name = "cats"\nruns-on = ["laptop", "cluster:rorqual"]\n')
    assert main(["setup", "slurm"]) == 0
    out, err = capsys.readouterr()
    assert out == "written jobs/train.sbatch\n"
    assert "1 value only you know" in err and "Next, on the cluster: bash jobs/train.sbatch prepare" in err
    script = (tmp_path / "jobs/train.sbatch").read_text()
    assert "at rorqual (" in script and "if [ -e runs/model.pt ]" in script
    assert main(["setup", "slurm", "--account", "def-me"]) == 2, "another file is in the way"
    assert main(["setup", "slurm", "--verify", "jobs/train.sbatch"]) == 1
    assert main(["setup", "slurm", "--account", "def-me", "--force", "--array", "0-3"]) == 0
    capsys.readouterr()
    assert main(["setup", "slurm", "--verify", "jobs/train.sbatch"]) == 0
    assert capsys.readouterr().out == "jobs/train.sbatch: no fault found, for rorqual\n"
    assert '--checkpoint runs/model-"${SLURM_ARRAY_TASK_ID}".pt' in (tmp_path / "jobs/train.sbatch").read_text()


def test_a_program_of_ones_own_and_the_list_of_sites(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert (
        main(["setup", "slurm", "--no-spec", "--stdout", "--gpus", "2", "--", "python", "my train.py", "--lr", "1"])
        == 0
    )
    out, err = capsys.readouterr()
    assert out.endswith("  'my train.py' --lr 1\n") and "torch.distributed" in err and not list(tmp_path.iterdir())
    assert main(["setup", "slurm", "--sites"]) == 0
    assert "\nroihu        slurm  2026-" in capsys.readouterr().out
    assert main(["setup", "slurm", "--site", "puhti", "--no-spec"]) == 2
    assert "--site roihu" in capsys.readouterr().err


def test_a_lockfile_is_what_is_installed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    spec = 'name = "cats"\nvariants = ["cpu", "cuda"]\n[pip]\neditable = ["."]\n'
    (tmp_path / "envtool.toml").write_text(spec)
    (tmp_path / "lockfiles").mkdir()
    (tmp_path / "lockfiles/pixi.lock").write_text("")
    assert main(["setup", "slurm", "--stdout"]) == 0
    out, err = capsys.readouterr()
    assert 'envtool" install --lock lockfiles/pixi.lock --no-smoke --into "$VENV" --variant cuda\n' in out
    assert (
        "'envtool[install,lock]>=0.9'" in out
        and "for folder in ./src .; do" in out
        and "using lockfiles/pixi.lock" in err
    )
    assert main(["setup", "slurm", "--stdout", "--no-lock"]) == 0
    assert "--lock" not in capsys.readouterr().out
    assert main(["setup", "slurm", "--stdout", "--site", "narval"]) == 0
    out, err = capsys.readouterr()
    assert "--lock" not in out, "this site has packages of its own"
    assert "note: lockfiles/pixi.lock is not installed there: " in err and "using lockfiles/pixi.lock" not in err
    assert main(["setup", "slurm", "--stdout", "--site", "narval", "--lock", "lockfiles/pixi.lock"]) == 2
    assert "narval takes its packages from wheels of its own" in capsys.readouterr().err
    told = '{"variant": "cuda", "subdir": "linux-64", "build": "cuda129", "python": "3.11", "fingerprint": "0"}'
    lines = ["# Made by `envtool lock`; do not edit.", '# name: "x"', '# channels: ["x"]', f"# target: {told}", ""]
    (tmp_path / "lockfiles/pixi.lock").write_text("\n".join(lines))
    assert main(["setup", "slurm", "--stdout", "--variant", "cu129"]) == 0
    assert main(["setup", "slurm", "--stdout", "--variant", "cu126"]) == 2
    assert "--variant cu126: the lockfile has cuda (cu129) for linux-64" in capsys.readouterr().err
    assert main(["setup", "slurm", "--stdout", "--site", "vista", "--variant", "cu129"]) == 2
    assert "the lockfile holds nothing for linux-aarch64" in capsys.readouterr().err
    assert main(["setup", "slurm", "--stdout", "--lock", "none.lock"]) == 2
    (tmp_path / "envtool.toml").write_text(spec.replace(', "cuda"', ""))
    assert main(["setup", "slurm", "--stdout"]) == 2
    assert "locked for the CPU alone" in capsys.readouterr().err
    assignment = tmp_path / "one"
    assignment.mkdir()
    (assignment / "envtool.toml").write_text('name = "one"\n')
    (tmp_path / "start.py").write_text("")
    monkeypatch.chdir(assignment)
    assert main(["setup", "slurm", "--stdout"]) == 0
    out = capsys.readouterr().out
    assert "--lock ../lockfiles/pixi.lock" in out and "VENV=../.venv" in out and "TOOLS=../.envtool" in out


def test_two_clusters_in_one_course_must_be_told_apart(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "envtool.toml").write_text('name = "cats"\nruns-on = ["cluster:mila", "cluster:rorqual"]\n')
    assert main(["setup", "slurm", "--stdout"]) == 2
    assert "choose: --site mila" in capsys.readouterr().err


def test_a_site_of_another_processor_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for platforms, said in (('"linux-64"', True), ('"linux-64", "linux-aarch64"', False)):
        (tmp_path / "envtool.toml").write_text(
            f'name = "cats"\nvariants = ["cpu", "cu129"]\nplatforms = [{platforms}]\n'
        )
        assert main(["setup", "slurm", "--stdout", "--site", "vista"]) == 0
        assert ("the nodes of vista are linux-aarch64" in capsys.readouterr().err) is said
