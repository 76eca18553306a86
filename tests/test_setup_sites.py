"""Site profiles: each against its schema and the reader, and the clusters that are no more."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path

import jsonschema
import pytest

from envtool.data import FOLDER, read_table
from envtool.errors import UsageError
from envtool.setup.site_files import load_site, site_names
from envtool.setup.sites import read_site, seconds_of

SCHEMA = json.loads(Path(FOLDER, "schemas", "site-profile.schema.json").read_text(encoding="utf-8"))
NAMES = site_names()
RULE = jsonschema.Draft202012Validator(SCHEMA)


def table(name):
    return read_table(os.path.join("sites", f"{name}.toml"))


@pytest.mark.parametrize("name", NAMES)
def test_each_profile_fits_its_schema_and_can_be_read(name):
    assert not [error.message for error in RULE.iter_errors(table(name))]
    site = read_site(table(name), name)
    assert site.name == name
    assert seconds_of(site.time_default) <= seconds_of(site.time_longest or "999-00:00:00")
    assert not site.gpu_type or site.gpu_type in site.gpu_types


def test_there_are_enough_real_ones():
    real = [name for name in NAMES if not name.startswith("generic")]
    assert len(real) >= 8 and {table(name)["scheduler"] for name in real} == {"slurm", "pbs", "lsf"}


def test_every_table_says_where_its_values_are_from():
    for name in NAMES:
        for key, values in table(name).items():
            if isinstance(values, dict):
                assert values["source"].startswith("http") and values["date"] >= "2024", f"{name}: {key}"


FAULTS = [
    (("name",), 'x"; rm -rf ~'),
    (("name",), None),
    (("scheduler",), "slurmm"),
    (("page",), "https://example.org/$(touch x)"),
    (("read",), "yesterday"),
    (("notes",), ["a `command`"]),
    (("title",), "two\nlines"),
    (("acount",), {"source": "https://example.org", "date": "2026-01-01"}),
    (("account",), {"needed": True}),
    (("share", "cores"), "4"),
    (("share", "cores"), 0),
    (("share", "core"), 4),
    (("modules", "load"), ["python; rm"]),
    (("modules", "load"), "python"),
    (("queue", "partition"), "gpu\n#SBATCH --mem=1"),
    (("places", "scratch"), "$SCRATCH"),
    (("extra", "directives"), ["--mem=1 # x"]),
    (("time", "default"), "1 hour"),
    (("gpu", "request"), "gpus"),
    (("launch", "each-node"), "mpiexec; id"),
]


@pytest.mark.parametrize(("path", "value"), FAULTS)
def test_a_fault_is_refused_by_schema_and_reader(path, value):
    wrong = copy.deepcopy(table("generic"))
    origin = {"source": "https://example.org", "date": "2026-01-01"}
    if value is None:
        del wrong[path[0]]
    elif len(path) == 1:
        wrong[path[0]] = value
    else:
        wrong.setdefault(path[0], dict(origin))[path[1]] = value
    assert list(RULE.iter_errors(wrong))
    with pytest.raises(UsageError) as caught:
        read_site(wrong, "mine.toml")
    assert any(path[-1] in detail or path[0] in detail for detail in caught.value.details)


def test_all_faults_are_told_at_once():
    wrong = {**table("generic"), "scheduler": "sge", "read": "x"}
    with pytest.raises(UsageError) as caught:
        read_site(wrong, "mine.toml")
    assert len(caught.value.details) == 2 and "mine.toml is no site profile" in caught.value.message


def test_a_cluster_that_is_no_more_is_named_with_its_successor():
    for name, row in read_table("retired_sites.toml").items():
        assert row["instead"] in NAMES and name not in NAMES
        with pytest.raises(UsageError) as caught:
            load_site(name, "slurm")
        assert row["instead"] in caught.value.hint and "shut down" in caught.value.message


def test_a_name_that_is_nearly_right_and_one_of_another_scheduler():
    with pytest.raises(UsageError, match="did you mean perlmutter"):
        load_site("perlmuter", "slurm")
    with pytest.raises(UsageError) as caught:
        load_site("dtu", "slurm")
    assert caught.value.hint == "envtool setup lsf --site dtu"
    assert load_site("generic", "pbs").name == "generic-pbs"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"name = ", "is not TOML"),
        (b"\xff\xfe", "is not TOML"),
        (None, "cannot read"),
        (b'name = "mine"', "no site profile"),
    ],
)
def test_a_profile_of_ones_own_that_can_not_be_read(content, words, tmp_path):
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=words):
        load_site(str(path), "slurm")


def test_the_profile_in_the_docs_is_one(tmp_path):
    page = (Path(__file__).parent.parent / "docs/how-to/set-up-slurm.md").read_text(encoding="utf-8")
    path = tmp_path / "ourcluster.toml"
    path.write_text(page.split("```toml\n")[1].split("```")[0], encoding="utf-8")
    site = load_site(str(path), "slurm")
    assert site.gpu_request == "gres" and site.modules_forbidden == ("cuda",) and site.internet_compute is False


def test_the_docs_name_each_fault_that_verify_finds():
    import re

    from envtool.setup import job_faults

    page = (Path(__file__).parent.parent / "docs/how-to/set-up-slurm.md").read_text(encoding="utf-8")
    source = Path(job_faults.__file__).read_text(encoding="utf-8")
    codes = set(re.findall(r"(?:Fault\(|yield Fault\()\s*(?:number|1|next[^,]*), \"([a-z-]+)\"", source)) | {
        "syntax",
        "change-me",
    }
    assert len(codes) >= 14 and not [code for code in codes if f"`{code}`" not in page]
