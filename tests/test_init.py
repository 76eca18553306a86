"""`envtool init`: names, streams, questions, what is in the way, and that nothing half-written is left."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from templates_rendered import on_disk

from envtool.cli.app import main
from envtool.errors import UsageError
from envtool.scaffold import render as rendering
from envtool.scaffold.folder import new_folder
from envtool.scaffold.names import (
    LONGEST,
    checked_package,
    checked_project,
    checked_source,
    package_of,
    suggestion,
)
from envtool.scaffold.templates import questions, read_settings, templates_folder

pytest.importorskip("cookiecutter")
POSIX = os.name == "posix"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *arguments):
    code = main(["init", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


# ── names ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["cats", "cat-or-dog", "cat_or_dog", "Week2", "a", "x" * LONGEST])
def test_names_that_will_do(name):
    assert checked_project(name) == name
    assert checked_package(package_of(name))


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("my project", "my-project"),
        ("Übung 1", "ubung-1"),
        ("Straße", "strasse"),
        ("2024-homework", "project-2024-homework"),
        ("random", "random-project"),
        ("Random", "random-project"),
        ("class", "class-project"),
        ("None", "none-project"),
        ("torch", "torch-project"),
        ("NumPy", "numpy-project"),
        ("tests", "tests-project"),
        ("aux", "aux-project"),
        ("-x", "x"),
        ("a--b", "a-b"),
        ("a.b", "a-b"),
        ("", "first-project"),
        ("深層学習", "first-project"),
        ('"; rm -rf ~; "', "rm-rf"),
        ("{{ 7 * 7 }}", "project-7-7"),
        ("a\nb", "a-b"),
        ("a\n", "a"),
        ("x" * 41, "x" * 32),
    ],
)
def test_names_that_will_not_do_get_a_suggestion(name, instead):
    with pytest.raises(UsageError) as refused:
        checked_project(name)
    assert refused.value.hint == f"try {instead}"
    assert checked_project(instead) == instead


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("week-1/cats", "envtool init project cats --output-dir week-1"),
        ("../cats", "envtool init project cats --output-dir .."),
        ("/cats", "envtool init project cats --output-dir /"),
        ("a b/My Cats/", "envtool init project my-cats --output-dir 'a b'"),
    ],
)
def test_a_path_is_taken_apart(name, hint):
    with pytest.raises(UsageError) as refused:
        checked_project(name)
    assert refused.value.hint == f"try `{hint}`"


@pytest.mark.parametrize(
    "name", ["Cats", "cat-or-dog", "1cat", "_cat", "cat_", "import", "json", "torch", "tests", "", "c\u0430t"]
)
def test_packages_that_will_not_do(name):
    with pytest.raises(UsageError) as refused:
        checked_package(name)
    hint = refused.value.hint
    assert hint is not None and checked_package(hint.removeprefix("try --package "))


@given(st.text())
def test_whatever_gets_in_is_letters_digits_and_hyphens(name):
    better = suggestion(name)
    assert checked_project(better) == better
    assert checked_package(package_of(better))
    try:
        checked_project(name)
    except UsageError:
        return
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", name)
    assert package_of(name).isidentifier()


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("envtool", "envtool{extras}"),
        ("envtool==1.2", "envtool{extras}==1.2"),
        ("https://example.org/envtool-1.0-py3-none-any.whl", "envtool{extras} @ https://example.org/envtool-1.0-py3-none-any.whl"),
        ("git+https://example.org/envtool@v1", "envtool{extras} @ git+https://example.org/envtool@v1"),
        ("./tools/envtool-1.0-py3-none-any.whl", "./tools/envtool-1.0-py3-none-any.whl{extras}"),
    ],
)  # fmt: skip
def test_where_envtool_comes_from(source, kept):
    assert checked_source(source) == kept


@pytest.mark.parametrize(
    "source",
    ["", " ", "numpy", "envtool[all]", 'envtool"; import os', "envtool\nx", "a\\b", "https://ana:secret@example.org/x"],
)
def test_where_envtool_can_not_come_from(source, here, capsys):
    code, out, err = run(capsys, "course", "--envtool", source)
    assert code == 2 and not out and "hint: " in err and not os.listdir(here)
    assert "secret" not in err


# ── the command ──────────────────────────────────────────────────────────────────────────────────


def test_a_project_without_a_terminal_gets_the_defaults(here, capsys):
    code, out, err = run(capsys, "project", "cats")
    assert code == 0 and not err
    assert out.startswith("Made cats, 20 files.\n\nNext:\n\ncd cats\n")
    assert sorted(os.listdir(here)) == ["cats"]
    assert (here / "cats/src/cats/train.py").is_file()


def test_a_course_holds_an_assignment(here, capsys):
    assert run(capsys, "course", "--no-input", "--device", "gpu", "--ci", "gitlab")[0] == 0
    files = on_disk("deep-learning")
    assert 'DEVICE = "auto"' in files["assignment/src/assignment/device.py"]
    assert "assignment/.gitlab-ci.yml" in files and ".gitlab-ci.yml" in files
    compile(files["start.py"], "start.py", "exec")


def test_an_editor_finds_the_schema_of_a_course(here, capsys):
    assert main(["init", "course", "dl", "--no-input"]) == 0
    first = (here / "dl" / "envtool.toml").read_text(encoding="utf-8").splitlines()[0]
    assert first == "#:schema ./.envtool.schema.json"
    assert json.loads((here / "dl" / ".envtool.schema.json").read_text(encoding="utf-8"))["properties"]["torch"]
    assert main(["pick", "--spec", str(here / "dl" / "envtool.toml"), "--target", "linux-64,py3.12,gpu=none"]) == 0


def test_a_project_within_a_course_is_an_assignment_of_it(here, capsys, monkeypatch):
    assert run(capsys, "course", "dl")[0] == 0
    monkeypatch.chdir(here / "dl")
    code, out, _ = run(capsys, "project", "week-2")
    assert code == 0 and out.endswith(" start.py\n")
    theirs, ours = ((here / "dl" / name / "README.md").read_text("utf-8") for name in ("assignment", "week-2"))
    assert ours == theirs.replace("assignment", "week-2").replace("week-2.", "week_2.").replace(
        "src/week-2", "src/week_2"
    )


def test_a_dry_run_lists_and_writes_nothing(here, capsys):
    arguments = ("project", "cats", "--container", "docker", "--cluster", "--no-notebook")
    code, out, err = run(capsys, *arguments, "--dry-run")
    assert code == 0 and not os.listdir(here)
    assert err == "22 files; nothing was written\n"
    run(capsys, *arguments)
    assert out.split() == [f"cats/{name}" for name in sorted(on_disk("cats"))]


def test_options_are_the_templates_answers():
    """What the command offers is what cookiecutter.json asks, and its defaults are those of the help."""
    from envtool.cli.init import course, project

    for kind, command in (("project", project), ("course", course)):
        options = {option.name: option for option in command.params}
        for question in questions(kind):
            option = options[question.key]
            if question.choices:
                assert list(option.type.choices) == list(question.choices)
                assert f"Default: {question.default}." in option.help
            else:
                assert f"Default: {'yes' if question.default else 'no'}." in option.help
    assert read_settings("project")["package"] == "{{ cookiecutter.project | lower | replace('-', '_') }}"
    assert package_of("Cat-or_Dog") == "cat_or_dog"


def test_a_package_of_another_name(here, capsys):
    assert run(capsys, "project", "week-1", "--package", "cats")[0] == 0
    assert (here / "week-1/src/cats").is_dir()
    code, _, err = run(capsys, "project", "week-2", "--package", "Cats")
    assert code == 2 and "hint: try --package cats" in err


def test_names_are_refused_with_exit_code_2(here, capsys):
    code, out, err = run(capsys, "project", "random")
    assert code == 2 and not out and not os.listdir(here)
    assert err == (
        "error: 'random' can't be the name of a project: Python's own module random would be hidden\n"
        "hint: try random-project\n"
    )


def test_another_folder(here, capsys):
    code, _, err = run(capsys, "project", "cats", "--output-dir", "courses")
    assert code == 2 and "there is no folder courses" in err
    (here / "my courses").mkdir()
    code, out, _ = run(capsys, "project", "cats", "--output-dir", "my courses")
    assert code == 0 and (here / "my courses/cats/README.md").is_file()
    assert f"cd '{os.path.join('my courses', 'cats')}'" in out


def test_what_pip_compiled_of_the_template_stays_out(here, capsys, monkeypatch):
    """pip compiles every .py file that it installs, and the templates are files of the package."""
    shutil.copytree(templates_folder(), here / "templates")
    compiled = here / "templates/project/{{cookiecutter.project}}/src/{{cookiecutter.package}}/__pycache__"
    compiled.mkdir(exist_ok=True)
    (compiled / "__init__.cpython-312.pyc").write_bytes(b"\xcb\r\r\n" + bytes(40))
    monkeypatch.setattr("envtool.scaffold.templates.templates_folder", lambda: str(here / "templates"))
    assert run(capsys, "project", "cats")[0] == 0
    assert not list((here / "cats").rglob("__pycache__"))


# ── what is in the way ───────────────────────────────────────────────────────────────────────────


def test_nothing_is_overwritten(here, capsys):
    (here / "cats").mkdir()
    (here / "cats/README.md").write_text("mine")
    (here / "cats/SRC").mkdir()
    for more in ((), ("--dry-run",)):
        code, out, err = run(capsys, "project", "cats", *more)
        assert code == 2 and not out
        assert "cats is in the way: it holds README.md, src" in err
    assert on_disk(here) == {"cats/README.md": "mine"}


def test_a_folder_with_other_things_is_in_the_way_too(here, capsys):
    (here / "cats").mkdir()
    (here / "cats/holiday.jpg").write_text("mine")
    code, _, err = run(capsys, "project", "cats")
    assert code == 2 and "it holds holiday.jpg" in err
    assert on_disk(here) == {"cats/holiday.jpg": "mine"}


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_file_is_in_the_way(kind, here, capsys):
    if kind == "file":
        (here / "cats").write_text("mine")
    else:
        if not POSIX:
            pytest.skip("links need a privilege on Windows")
        (here / "cats").symlink_to("nowhere")
    code, _, err = run(capsys, "project", "cats")
    assert code == 2 and "cats is in the way: it is no folder" in err
    assert os.listdir(here) == ["cats"]


def test_a_fresh_clone_and_an_empty_folder_are_filled(here, capsys):
    (here / "cats/.git").mkdir(parents=True)
    (here / "cats/.git/HEAD").write_text("ref")
    (here / "dogs").mkdir()
    for name in ("cats", "dogs"):
        assert run(capsys, "project", name)[0] == 0
        assert (here / name / "pyproject.toml").is_file()
    assert (here / "cats/.git/HEAD").read_text() == "ref"
    assert sorted(os.listdir(here)) == ["cats", "dogs"]


# ── nothing half-written ─────────────────────────────────────────────────────────────────────────


def test_ctrl_c_while_rendering_leaves_nothing(here, capsys, monkeypatch):
    def interrupted(folder):
        assert os.listdir(here), "the files are aside by now"
        raise KeyboardInterrupt

    monkeypatch.setattr(rendering, "_drop_unwanted", interrupted)
    code, out, err = run(capsys, "project", "cats")
    assert code == 130 and not out and "interrupted" in err
    assert not os.listdir(here)


def test_a_move_that_fails_half_way_is_taken_back(here):
    (here / "cats/.git").mkdir(parents=True)
    with pytest.raises(Exception, match="in the way"), new_folder(str(here / "cats")) as aside:
        made = Path(aside) / "cats"
        made.mkdir()
        (made / "a").write_text("1")
        (made / "b").write_text("1")
        (here / "cats/b").write_text("somebody else's, written meanwhile")
    assert sorted(os.listdir(here / "cats")) == [".git", "b"]
    assert os.listdir(here) == ["cats"]


ENV = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


@pytest.mark.skipif(not POSIX, reason="limits of the size of a file are POSIX")
def test_a_full_disk_leaves_nothing(here):
    limited = "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000)); sys.argv[1:] = ['init', 'project', 'cats']; from envtool.cli.app import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-B", "-c", limited], capture_output=True, text=True, env=ENV)
    assert done.returncode == 4, done.stderr
    assert done.stderr.startswith("error: cannot write ") and "hint: " in done.stderr
    assert not os.listdir(here)


@pytest.mark.skipif(not POSIX or (hasattr(os, "geteuid") and os.geteuid() == 0), reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to(here, capsys):
    here.chmod(0o500)
    try:
        code, _, err = run(capsys, "project", "cats")
    finally:
        here.chmod(0o700)
    assert code == 4 and "cannot write" in err


def test_without_the_extra_the_way_to_get_it_is_told(here, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, out, err = run(capsys, "project", "cats")
    assert code == 4 and not out and "-m pip install 'envtool[init]>=0.9'" in err
    assert not os.listdir(here)


# ── questions, on a terminal ─────────────────────────────────────────────────────────────────────


class Terminal:
    """A command on a pseudo-terminal, answered as a person would: after each question."""

    def __init__(self, *arguments: str) -> None:
        import pty

        self.seen, self.shown = "", 0
        leader, follower = pty.openpty()
        self.leader = leader
        self.process = subprocess.Popen(
            [sys.executable, "-m", "envtool", "init", *arguments],
            stdin=follower, stdout=follower, stderr=follower, env={**ENV, "TERM": "dumb"}, start_new_session=True,
            preexec_fn=self._own_the_terminal,  # noqa: PLW1509 - before any thread is there
        )  # fmt: skip
        os.close(follower)

    @staticmethod
    def _own_the_terminal() -> None:
        import fcntl
        import termios

        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def wait_for(self, words: str) -> None:
        deadline = time.monotonic() + 60
        while words not in self.seen[self.shown :]:
            assert time.monotonic() < deadline, self.seen
            try:
                self.seen += os.read(self.leader, 4096).decode().replace("\r\n", "\n")
            except OSError:
                break
        assert words in self.seen[self.shown :], self.seen
        self.shown = self.seen.index(words, self.shown) + len(words)

    def answer(self, question: str, text: str) -> None:
        self.wait_for(question)
        os.write(self.leader, text.encode())

    def end(self) -> int:
        while True:
            try:
                data = os.read(self.leader, 4096)
            except OSError:
                break
            if not data:
                break
            self.seen += data.decode().replace("\r\n", "\n")
        os.close(self.leader)
        return self.process.wait(60)


@pytest.mark.skipif(not POSIX, reason="pseudo-terminals are POSIX")
def test_on_a_terminal_it_asks_for_what_no_option_says(here):
    terminal = Terminal("project", "--ci", "none")
    terminal.answer("Name of the project, which is also its folder [first-project]: ", "my cats\n")
    terminal.wait_for("try my-cats")
    terminal.answer("[first-project]: ", "my-cats\n")
    terminal.answer("Where to compute at first:", "tpu\n")
    terminal.answer("'tpu' is not one of", "gpu\n")
    terminal.answer("The training loop:", "\n")
    terminal.answer("A notebook that tours the lecture [Y/n]: ", "n\n")
    terminal.answer("A container:", "docker\n")
    terminal.answer("A job script for a cluster with Slurm [y/N]: ", "\n")
    assert terminal.end() == 0, terminal.seen
    assert "each push" not in terminal.seen, "--ci has answered that"
    files = on_disk(here / "my-cats")
    assert 'DEVICE = "auto"' in files["src/my_cats/device.py"]
    assert "Dockerfile" in files and "notebooks/tour.ipynb" not in files and ".gitlab-ci.yml" not in files
    assert not [line for line in terminal.seen.split("\n") if len(line) > 80]


@pytest.mark.slow
@pytest.mark.skipif(not POSIX, reason="pseudo-terminals are POSIX")
def test_ctrl_c_at_a_question_ends_with_130(here):
    terminal = Terminal("project", "cats")
    terminal.wait_for("Where to compute at first:")
    terminal.wait_for("> ")
    for _ in range(10):  # a signal between the question and the reading is seen after the reading only
        os.killpg(terminal.process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            terminal.process.wait(2)
            break
    assert terminal.end() == 130
    assert not os.listdir(here)


@pytest.mark.skipif(not POSIX, reason="pseudo-terminals are POSIX")
def test_no_input_asks_nothing_on_a_terminal(here):
    terminal = Terminal("project", "--no-input")
    assert terminal.end() == 0
    assert (here / "first-project").is_dir() and "?" not in terminal.seen
