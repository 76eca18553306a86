"""Dockerfile, Apptainer definition and development container: read back strictly, whatever the course is called."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from envtool.catalog import load
from envtool.cli.setup import command
from envtool.course import Course, Floors
from envtool.errors import EnvtoolError
from envtool.setup.apptainer import apptainer
from envtool.setup.builds import cuda_variant, pythons
from envtool.setup.devcontainer import devcontainer
from envtool.setup.docker import docker
from envtool.setup.recipe import Recipe, checked_base, plain_path

SPEC = 'name = "cats"\npython = ">=3.10,<3.14"\ntorch = ["torch>=2.4"]\n'
HOSTILE = (
    '"; rm -rf ~', "$(touch x)", "`touch x`", "a\nRUN touch x", "%post\ntouch x", "{{ x }}", "${{ x }}", "${localEnv:HOME}",
    "<<EOF", "syntax=evil/image", "\\", "'", '"', "# x", ": x", "\u2028y", "x\r", "\x00", "\ud800", "\\\n",
)  # fmt: skip
names = st.one_of(
    st.sampled_from(HOSTILE), st.text(max_size=40), st.lists(st.sampled_from(HOSTILE), max_size=4).map("".join)
)
recipes = st.builds(
    lambda name, variant, editable, spec, lock: Recipe(
        Course(name, editable=editable), spec, "3.12", variant, lock=lock, driver="525.60.13", cuda="cu126"
    ),
    names,
    st.sampled_from(["cpu", "cu126"]),
    st.sampled_from([(), (".",), (".", "packages/plots")]),
    st.sampled_from([None, "envtool.toml", "specs/course.toml"]),
    st.sampled_from([None, "lockfiles/pixi.lock"]),
)


def written(folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str, spec: str | None = SPEC):
    monkeypatch.chdir(folder)
    if spec is not None:
        (folder / "envtool.toml").write_text(spec)
    return CliRunner().invoke(command, list(words))


# ── readers ──────────────────────────────────────────────────────────────────────────────────────


def instructions(text: str) -> list[tuple[str, str]]:
    """A Dockerfile as its instructions; AssertionError where a line is none."""
    found: list[tuple[str, str]] = []
    lines = iter(text.split("\n"))
    for line in lines:
        if not line or line.startswith("#"):
            assert not re.match(r"#\s*[A-Za-z]+\s*=", line), "a comment that the parser takes for a directive"
            continue
        whole = line
        while whole.endswith("\\"):
            whole = whole[:-1] + next(lines).strip()
        word, _, rest = whole.partition(" ")
        assert word in {"FROM", "ARG", "LABEL", "RUN", "WORKDIR", "ENV", "USER", "COPY", "CMD"}, whole
        found.append((word, rest))
    return found


def docker_value(text: str) -> str:
    """What Docker makes of a value in double quotes."""
    assert re.fullmatch(r'"(?:[^"\\$]|\\["\\$])*"', text), text
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def sections(text: str) -> tuple[dict[str, str], dict[str, list[str]]]:
    """An Apptainer definition as its header and sections; AssertionError where a line belongs to neither."""
    header: dict[str, str] = {}
    found: dict[str, list[str]] = {}
    into: list[str] | None = None
    for line in text.split("\n"):
        if line.lstrip().startswith("%"):
            name = line[1:]
            assert name in {"labels", "files", "post", "environment", "test", "runscript", "help"}, line
            assert name not in found
            into = found.setdefault(name, [])
        elif into is not None:
            assert not line or line.startswith("    "), line
            if line:
                into.append(line[4:])
        elif line and not line.startswith("#"):
            key, colon, value = line.partition(": ")
            assert colon and key in {"Bootstrap", "From"}, line
            header[key] = value
    return header, found


# ── Docker ───────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=60, deadline=None)
@given(recipes)
def test_a_dockerfile_is_what_it_should_be_whatever_the_name(recipe):
    file, ignored = docker(recipe)
    found = instructions(file.text)
    labels = [rest.partition("=") for word, rest in found if word == "LABEL"]
    assert [(key, docker_value(value)) for key, _, value in labels] == [("org.opencontainers.image.title", recipe.name)]
    assert [docker_value(rest.partition("=")[2]) for word, rest in found if rest.startswith("ENVTOOL=")] == [
        recipe.envtool
    ]
    words = [word for word, _ in found]
    assert words[0] == "FROM" and words[-1] == "CMD" and words.count("USER") == 1
    assert [rest for word, rest in found if word == "USER"] == ["1000"]
    plain = docker(Recipe(Course("x", editable=recipe.course.editable), recipe.spec, "3.12", recipe.variant,
                          lock=recipe.lock, driver=recipe.driver, cuda=recipe.cuda))[0]  # fmt: skip
    assert [one for one in instructions(plain.text) if one[0] != "LABEL"] == [one for one in found if one[0] != "LABEL"]
    assert docker(recipe) == (file, ignored)
    assert file.text.count("\n") == plain.text.count("\n")


def test_layers_go_from_what_changes_least_to_what_changes_most():
    found = instructions(docker(Recipe(Course("cats", editable=(".",)), "envtool.toml", "3.12"))[0].text)
    at = [next(i for i, (word, rest) in enumerate(found) if start in f"{word} {rest}")
          for start in ("pip install", "USER", "COPY --chown=1000:1000 envtool.toml", "--no-project", ". .", "envtool smoke")]  # fmt: skip
    assert at == sorted(at)
    installs = [rest for _, rest in found if "envtool install" in rest]
    assert len(installs) == 2 and "--no-project" not in installs[1]
    alone = docker(Recipe(Course("cats"), "envtool.toml", "3.12"))[0].text
    assert alone.count("envtool install") == 1 and "--no-project" not in alone


def test_nothing_demands_a_gpu_and_no_secret_goes_in():
    file, ignored = docker(Recipe(Course("cats"), "envtool.toml", "3.12", "cu126"))
    assert "NVIDIA_VISIBLE_DEVICES" not in file.text and "--device cpu" in file.text and "nvidia/cuda" not in file.text
    runs = [rest for word, rest in instructions(file.text) if word == "RUN" and "install " in rest and "venv" in rest]
    assert all("type=secret,id=pip.conf" in rest for rest in runs) and len(runs) == 2
    assert {".git", "**/.venv", "**/.env", "**/.netrc", "**/*.pem", "**/pip.conf"} <= set(ignored.text.split("\n"))


def test_a_lockfile_is_installed_as_it_is_locked(tmp_path, monkeypatch):
    (tmp_path / "lockfiles").mkdir()
    (tmp_path / "lockfiles/pixi.lock").write_text("version: 6\n")
    done = written(tmp_path, monkeypatch, "docker", "--variant", "cuda", spec=f'{SPEC}[pip]\neditable = ["."]\n')
    assert done.exit_code == 0 and "using lockfiles/pixi.lock" in done.output
    found = instructions((tmp_path / "Dockerfile").read_text())
    copies = [rest for word, rest in found if word == "COPY"]
    assert copies == [
        "--chown=1000:1000 envtool.toml ./", "--chown=1000:1000 lockfiles/pixi.lock ./lockfiles/", "--chown=1000:1000 . .",
    ]  # fmt: skip
    (line,) = [rest for _, rest in found if "envtool install" in rest]
    assert '--lock lockfiles/pixi.lock --variant "$VARIANT" --into' in line and "index" not in line
    assert ("ARG", "VARIANT=cuda") in found and ("ARG", 'ENVTOOL="envtool[install,lock]>=0.9"') in found
    assert any("--no-deps --editable ./." in rest for _, rest in found)
    done = written(tmp_path, monkeypatch, "docker", "--no-lock", "--stdout")
    assert "pixi.lock" not in done.output


def test_what_is_said_of_the_image_is_what_is_locked(tmp_path, monkeypatch):
    head(tmp_path, "cpu", "cuda129")
    written(tmp_path, monkeypatch, "docker")
    text = (tmp_path / "Dockerfile").read_text()
    assert "FROM python:3.11-slim\n" in text
    assert "--build-arg VARIANT=cuda," in text, "as the lockfile calls it, and not as PyTorch's index does"
    done = written(tmp_path, monkeypatch, "apptainer", "--variant", "cu129", "--stdout")
    assert "PyTorch for cu129: --nv brings in the node's NVIDIA driver, which must be 525.60.13 or newer" in done.output
    assert "--variant cuda --into /opt/venv" in done.output
    done = written(tmp_path, monkeypatch, "docker", "--variant", "cu126", "--stdout")
    assert done.exit_code == 1 and "the lockfile has cpu, cuda (cu129) for linux-64" in str(done.exception)
    head(tmp_path, "cpu")
    done = written(tmp_path, monkeypatch, "docker", "--variant", "cuda", "--stdout")
    assert done.exit_code == 1 and "--variant cuda: the lockfile has cpu for linux-64" in str(done.exception)
    assert written(tmp_path, monkeypatch, "docker", "--variant", "cuda", "--no-lock", "--stdout").exit_code == 0


def head(folder: Path, *builds: str, subdir: str = "linux-64") -> None:
    """A pixi.lock of ours, as far as it is read here."""
    (folder / "lockfiles").mkdir(exist_ok=True)
    told = [
        {"variant": build.rstrip("0123456789"), "subdir": subdir, "build": build, "python": "3.11", "fingerprint": "0"}
        for build in builds
    ]
    lines = ["# Made by `envtool lock`; do not edit.", '# name: "cats"', '# channels: ["x"]']
    lines += [f"# target: {json.dumps(one)}" for one in told]
    (folder / "lockfiles/pixi.lock").write_text("\n".join([*lines, "version: 7", ""]))


def hadolint() -> str | None:
    return shutil.which("hadolint") or shutil.which("hadolint", path=str(Path(sys.executable).parent))


@pytest.mark.skipif(hadolint() is None, reason="there is no hadolint")
@pytest.mark.parametrize("words", [[], ["--variant", "cuda"], ["--no-spec"]])
def test_hadolint_has_nothing_to_say(words, tmp_path, monkeypatch):
    done = written(tmp_path, monkeypatch, "docker", *words, spec=f'{SPEC}[pip]\neditable = ["."]\n')
    assert done.exit_code == 0, done.output
    said = subprocess.run([str(hadolint()), "Dockerfile"], capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr


# ── Apptainer ────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=60, deadline=None)
@given(recipes)
def test_a_definition_is_what_it_should_be_whatever_the_name(recipe):
    (file,) = apptainer(recipe)
    header, found = sections(file.text)
    assert header == {"Bootstrap": "docker", "From": "python:3.12-slim"}
    assert "{{" not in file.text, "Apptainer would look for a variable of its own"
    assert ("files" in found) == bool(recipe.files)
    (plain,) = apptainer(Recipe(Course("x", editable=recipe.course.editable), recipe.spec, "3.12", recipe.variant,
                                lock=recipe.lock, driver=recipe.driver, cuda=recipe.cuda))  # fmt: skip
    other = sections(plain.text)[1]
    for name in ("files", "post", "environment", "test", "runscript"):
        assert found.get(name) == other.get(name), "the name has no business in a section that is run"


@pytest.mark.parametrize("section", ["post", "environment", "test", "runscript"])
def test_the_sections_are_shell(section):
    _, found = sections(
        apptainer(Recipe(Course("cats", editable=(".",)), "envtool.toml", "3.12", envtool="envtool[install]<2"))[0].text
    )
    assert subprocess.run(["sh", "-n"], input="\n".join(found[section]), text=True).returncode == 0
    if section == "post":
        assert "envtool[install]<2" in shlex.split("\n".join(found["post"]))


@settings(max_examples=12, deadline=None)
@given(recipes)
def test_another_parser_reads_the_same(recipe):
    parsers = pytest.importorskip("spython.main.parse.parsers", reason="there is no spython")
    text = apptainer(recipe)[0].text
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "apptainer.def")
        path.write_text(text, encoding="utf-8")
        (theirs,) = parsers.SingularityParser(str(path)).parse().values()
    _, ours = sections(text)
    assert theirs.fromHeader == "python:3.12-slim"
    steps = [line.strip() for line in theirs.install if line.strip()]
    assert steps[: len(ours["post"])] == ours["post"]
    assert any(ours["test"][-1] in step for step in steps[len(ours["post"]) :]), "what it makes of %test"


# ── development container ────────────────────────────────────────────────────────────────────────


@settings(max_examples=40, deadline=None)
@given(recipes)
def test_a_development_container_is_json_without_foreign_variables(recipe):
    (file,) = devcontainer(recipe, gpu=True)
    document = json.loads(file.text)
    assert document["hostRequirements"] == {"gpu": "optional"} and "--gpus" not in str(document["runArgs"])
    variables = re.findall(r"\$\{[^}]*\}?", file.text)
    assert variables == ["${containerEnv:PATH}"], "each would be looked up on the student's machine"
    for command_name in ("onCreateCommand", "updateContentCommand", "postCreateCommand"):
        assert shlex.split(document[command_name])
    assert document["remoteUser"] == "vscode"


@pytest.mark.parametrize(
    ("words", "gpu", "variant"),
    [([], True, None), (["--variant", "cpu"], False, "cpu"), (["--variant", "cu126"], True, "cu126")],
)
def test_a_gpu_is_used_where_there_is_one_and_the_course_wants_it(words, gpu, variant, tmp_path, monkeypatch):
    done = written(tmp_path, monkeypatch, "devcontainer", *words)
    assert done.exit_code == 0, done.output
    document = json.loads((tmp_path / ".devcontainer/devcontainer.json").read_text())
    assert ("hostRequirements" in document) == gpu
    found = re.search(r"--variant (\S+)", document["updateContentCommand"])
    assert (found[1] if found else None) == variant


KEYS = {"name": str, "image": str, "hostRequirements": dict, "remoteUser": str, "runArgs": list, "remoteEnv": dict,
        "onCreateCommand": str, "updateContentCommand": str, "postCreateCommand": str, "customizations": dict}  # fmt: skip


def test_the_keys_are_those_of_the_specification(tmp_path, monkeypatch):
    """Each as https://containers.dev/implementors/json_reference has it; another would be ignored in silence."""
    assert written(tmp_path, monkeypatch, "devcontainer").exit_code == 0
    document = json.loads((tmp_path / ".devcontainer/devcontainer.json").read_text())
    assert {key: type(value) for key, value in document.items()} == KEYS
    assert all(type(word) is str for word in [*document["runArgs"], *document["remoteEnv"].values()])


# ── the course ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("course", "expected"),
    [
        (Course("x", gpu=Floors(driver="525.60.13")), "cu126"),
        (Course("x", gpu=Floors(compute_capability=(6, 0))), "cu126"),
        (Course("x", variants=("cpu", "cu128"), torch=("torch==2.8.0",)), "cu128"),
    ],
)
def test_the_cuda_variant_serves_the_weakest_gpu_and_the_oldest_driver(course, expected):
    assert cuda_variant(course, "linux-64", "3.12", load()) == expected


@pytest.mark.parametrize(("variant", "warned"), [("cu126", False), ("cu130", True), ("cuda", False), ("cpu", False)])
def test_a_variant_that_leaves_out_gpus_of_the_course_is_warned_of(variant, warned, tmp_path, monkeypatch):
    spec = f'{SPEC}[gpu]\ndriver = "525.60.13"\ncompute-capability = "7.0"\n'
    done = written(tmp_path, monkeypatch, "docker", "--variant", variant, spec=spec)
    assert done.exit_code == 0 and ("warning: not for every GPU" in done.output) == warned


def test_the_pythons_are_those_of_course_catalog_and_envtool():
    catalog = load()
    assert pythons(Course("x", python=">=3.8,<3.12", torch=("torch==2.2.2",)), "linux-64", "cpu", catalog) == (
        "3.10",
        "3.11",
    )
    assert pythons(Course("x", python="==3.9.*"), "linux-64", "cpu", catalog) == ()


@pytest.mark.parametrize(
    ("words", "spec", "code", "told"),
    [
        (["docker", "--base", "python"], SPEC, 2, "another image any day"),
        (["docker", "--base", "python:3.12; rm"], SPEC, 2, "is no image"),
        (["docker", "--python", "3.9"], SPEC, 2, "3.10 or newer"),
        (["docker", "--variant", "rocm7.2"], SPEC, 2, "no such one here"),
        (["docker", "--variant", "cu999"], SPEC, 3, "no build fits"),
        (["docker"], SPEC.replace(">=3.10,<3.14", "==3.9.*"), 3, "no Python from 3.10 on"),
        (["docker"], SPEC + 'platforms = ["osx-arm64"]\n', 2, "no platform for an image"),
        (["docker", "--envtool", "dist/envtool.whl"], SPEC, 2, "which is not in the image"),
        (["docker", "--envtool", "envtool$(x)"], SPEC, 2, "can't be installed from"),
        (["docker", "--lock", "none.lock"], SPEC, 2, "no such file"),
        (["apptainer", "--name", "x"], SPEC, 2, "without an envtool.toml"),
    ],
)
def test_what_can_t_be_set_up_is_said(words, spec, code, told, tmp_path, monkeypatch):
    done = written(tmp_path, monkeypatch, *words, spec=spec)
    problem = done.exception
    if isinstance(problem, EnvtoolError):
        assert problem.exit_code == code and told in problem.message and problem.hint
    else:
        assert done.exit_code == code and told in done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["envtool.toml"], "nothing is written"


def test_the_spec_must_be_in_the_folder_that_is_set_up(tmp_path, monkeypatch):
    (tmp_path / "inner").mkdir()
    done = written(tmp_path, monkeypatch, "docker", "--output", "inner/")
    assert "outside of the folder" in str(done.exception)
    done = written(tmp_path, monkeypatch, "docker", "--spec", "envtool.toml", "--output", f"{tmp_path}/")
    assert done.exit_code == 0 and (tmp_path / "Dockerfile").exists()
    done = written(tmp_path, monkeypatch, "docker", "--output", "new")
    assert "outside of the folder" in str(done.exception) and not (tmp_path / "new").exists()
    done = written(tmp_path, monkeypatch, "apptainer", "--output", "defs/cats.def")
    assert "apptainer build cats.sif defs/cats.def" in done.output and (tmp_path / "defs/cats.def").exists()
    done = written(tmp_path, monkeypatch, "docker", "--output", "new one", "--no-spec")
    assert "--tag" in done.output and "'new one'" in done.output and (tmp_path / "new one/Dockerfile").exists()


def test_a_second_time_changes_nothing(tmp_path, monkeypatch):
    for target, path in (("docker", "Dockerfile"), ("apptainer", "apptainer.def")):
        assert written(tmp_path, monkeypatch, target).exit_code == 0
        before = (tmp_path / path).read_bytes()
        assert f"unchanged {path}" in written(tmp_path, monkeypatch, target).output
        assert (tmp_path / path).read_bytes() == before


@given(st.text(max_size=20))
def test_a_path_that_is_written_needs_no_quotes_anywhere(text):
    try:
        plain_path(text, "--spec")
    except EnvtoolError:
        return
    assert shlex.quote(text) == text and not text.startswith("-") and "$" not in text and "{" not in text


@pytest.mark.parametrize(
    "image",
    [
        "python:3.12-slim",
        "docker.io/library/python:3.12",
        "host.example:5000/a/b@sha256:" + "0" * 64,
        "a:1@sha256:" + "f" * 64,
    ],
)
def test_images_that_are_taken(image):
    assert checked_base(image) == image
