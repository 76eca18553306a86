"""`envtool setup slurm --verify`: the usual faults of job scripts, each found on its line, and no others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envtool.cli.app import main
from envtool.setup.job_faults import faults_of, left_open, site_named_in
from envtool.setup.site_files import load_site

HEAD = "#!/bin/bash\n#SBATCH --time=01:00:00\n"
GOOD = HEAD + "set -euo pipefail\nsrun python train.py\n"


def found(script, scheduler="slurm", site=None, version=None):
    site = load_site(site, scheduler) if site else None
    return {(fault.line, fault.code) for fault in faults_of(script, scheduler, site, version)}


def after(*lines):
    return HEAD + "set -e\n" + "\n".join(lines) + "\n"


FAULTS = [
    ("directive after a command", HEAD + "set -e\ncd x\n#SBATCH --mem=1G\n", {(5, "directive-after-command")}),
    ("directive after an assignment", "#!/bin/bash\nset -e\nX=1\n#SBATCH -t 5\n", {(4, "directive-after-command"), (1, "no-time")}),
    ("space in a directive", HEAD + "# SBATCH --mem=1G\nset -e\n", {(3, "no-directive")}),
    ("indented directive", HEAD + "  #SBATCH --mem=1G\nset -e\n", {(3, "no-directive")}),
    ("a directive that is off", HEAD + "##SBATCH --mem=1G\nset -e\n", set()),
    ("a variable", HEAD + "#SBATCH --output=$SCRATCH/x\nset -e\n", {(3, "variable-in-directive")}),
    ("an array of jobs in a name", HEAD + "#SBATCH --output=%x-%A_%a.out\nset -e\n", set()),
    ("line ends of Windows", GOOD.replace("\n", "\r\n"), {(1, "crlf")}),
    ("no shebang", GOOD.replace("#!/bin/bash\n", ""), {(1, "no-shebang")}),
    ("a space before it", GOOD.replace("#!", " #!"), {(1, "no-shebang")}),
    ("python as a shell", GOOD.replace("bash", "python"), {(1, "no-shebang")}),
    ("env bash", GOOD.replace("/bin/bash", "/usr/bin/env bash"), set()),
    ("no set -e", HEAD + "srun x\n", {(1, "goes-on-after-errors")}),
    ("bash -e", GOOD.replace("bash\n", "bash -e\n").replace("set -euo pipefail\n", ""), set()),
    ("no time", "#!/bin/bash\nset -e\n", {(1, "no-time")}),
    ("port 29500", after("torchrun --rdzv-endpoint=$HOST:29500 x.py"), {(4, "fixed-port")}),
    ("a port by a name", after("export MASTER_PORT=12355"), {(4, "fixed-port")}),
    ("a port by an option", after("torchrun --master_port 12345 x.py"), {(4, "fixed-port")}),
    ("a port of the job's", after('MASTER_PORT="$((10000 + SLURM_JOB_ID % 20000))"'), set()),
    ("a port in a comment", after("# not 29500"), set()),
    ("an unquoted array", after("python x ${args[@]}"), {(4, "unquoted-array")}),
    ("unquoted words", after("exec $@"), {(4, "unquoted-array")}),
    ("a quoted array", after('python x "${args[@]}" "$@"'), set()),
    ("an array that may be empty", after('python x ${args[@]+"${args[@]}"}'), set()),
    ("for another shell", after("bash -c 'exec $@'"), set()),
    ("a module without a guard", after("module load python", "ml cuda"), {(4, "module-without-guard")}),
    ("a module after its file", after("source /etc/profile.d/lmod.sh", "module load python"), set()),
    ("a module after a question", after("type module || exit 1", "module load python"), set()),
    ("a login shell", GOOD.replace("bash\n", "bash -l\n") + "module load python\n", set()),
    ("CHANGE_ME in a directive", HEAD + "#SBATCH --account=CHANGE_ME\nset -e\n", {(3, "change-me")}),
    ("CHANGE_ME in a command", after("cd CHANGE_ME"), {(4, "change-me")}),
    ("CHANGE_ME in a comment", after("# no CHANGE_ME is left"), set()),
]  # fmt: skip


@pytest.mark.parametrize(("script", "faults"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_each_fault_is_found_on_its_line(script, faults):
    assert found(script) == faults


def test_a_site_knows_more():
    forbidden = after("source /etc/profile", "module load python-pytorch/2.10 cuda/12.4")
    assert found(forbidden, site="roihu") == {(5, "forbidden-module"), (1, "no-account")}
    assert found(HEAD + "#SBATCH -A project_1\nset -e\n", site="roihu") == set()
    wanted = HEAD + "#SBATCH --gres=gpu:1\n#SBATCH --mem=4G\nset -e\n"
    assert found(wanted, site="vista") == {(3, "refused-directive"), (4, "refused-directive")}


@pytest.mark.parametrize(
    ("directive", "fault"),
    [
        ("--time=7-00:00:01", "time-too-long"), ("-t 7-1", "time-too-long"), ("--time 10081", "time-too-long"),
        ("--time=7-00", None), ("-t168:00:00", None), ("--time=10080:00", None), ("--time=UNLIMITED", None),
        ("--gres=gpu:5", "too-many-gpus"), ("--gpus-per-node=a100:8", "too-many-gpus"),
        ("--gpus-per-node=4", None), ("--gpus-per-node=a100_1g.5gb:7", None), ("--gres=gpu", None),
    ],
)  # fmt: skip
def test_a_site_has_limits(directive, fault):
    rest = "" if directive.startswith(("-t", "--time")) else "#SBATCH --time=1:00\n"
    script = f"#!/bin/bash\n#SBATCH {directive}\n#SBATCH --account=x\n{rest}set -e\n"
    assert found(script, site="narval") == ({(2, fault)} if fault else set())


def test_a_flag_that_slurm_did_not_have_yet():
    script = HEAD + "#SBATCH --gpus-per-node=1\nset -e\nsrun --overlap x\n"
    assert found(script, version=(18, 8)) == {(3, "flag-too-new"), (5, "flag-too-new")}
    assert found(script, version=(19, 5)) == {(5, "flag-too-new")}
    assert found(script, version=(22, 5)) == set() == found(script)


def test_the_other_schedulers_have_their_own_directives():
    pbs = "#!/bin/bash\n#PBS -l walltime=1:00:00\nset -e\n#PBS -q gpu\n"
    assert found(pbs, "pbs") == {(4, "directive-after-command")}
    lsf = "#!/bin/bash\n#BSUB -W 1:00\n#BSUB -o $HOME/x\nset -e\n"
    assert found(lsf, "lsf") == {(3, "variable-in-directive")}
    assert found(GOOD, "pbs") == {(1, "another-scheduler")}
    assert found("#!/bin/bash\nset -e\n", "pbs") == {(1, "no-time")}


@given(st.text(max_size=300), st.sampled_from(["slurm", "pbs", "lsf"]))
def test_any_text_can_be_looked_at(script, scheduler):
    for fault in faults_of(script, scheduler, load_site("generic", scheduler), (18, 8)):
        assert fault.message and fault.hint and 1 <= fault.line <= script.count("\n") + 1
    assert all(number >= 1 for number, _ in left_open(script))
    site_named_in(script)


def test_the_command(tmp_path, capsys):
    script = tmp_path / "job.sh"
    script.write_text(HEAD + "set -e\nif true; then\n")
    assert main(["setup", "slurm", "--verify", str(script)]) == 1
    out, err = capsys.readouterr()
    assert ": syntax: bash says: " in out and err == "1 fault\n"
    script.write_text(GOOD)
    assert main(["setup", "slurm", "--verify", str(script)]) == 0
    assert capsys.readouterr().out == f"{script}: no fault found\n"
    assert main(["setup", "slurm", "--verify", str(tmp_path / "none")]) == 2
    assert main(["setup", "slurm", "--verify", str(script), "--site", "narvall"]) == 2
    assert "did you mean narval?" in capsys.readouterr().err
    script.write_text(GOOD.replace("--time", "--gpus=1 --time"))
    assert main(["setup", "slurm", "--verify", str(script), "--slurm-version", "18.08"]) == 1
    assert "--gpus is there since Slurm 19.05; this is 18.08" in capsys.readouterr().out
