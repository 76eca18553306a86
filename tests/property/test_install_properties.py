"""Laws of an installation: what is whole lacks nothing, a change is whole or not at all, a secret is never shown."""

import os
import shutil
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from thoroughness import examples

from envtool.catalog import load
from envtool.environment import Build
from envtool.install.compare import lacks, left_over, markers_of
from envtool.install.failures import explained, without_passwords
from envtool.install.installed import Installed
from envtool.install.order import Package, changed, without_secrets
from envtool.install.requirements import read_files
from envtool.install.tool import Ran
from envtool.install.transaction import CHANGING, COPYING, transaction
from envtool.plan import Plan, resolve
from envtool.spec import Request
from envtool.target import read_target

NAMES = [f"package-{letter}" for letter in "abcdefgh"]
MARKERS = markers_of("3.12.4", "cpython")
_ANSWER = resolve(read_target("linux-64,py3.12,gpu=none", load()), Request(("torch==2.14.1",)), load())
assert isinstance(_ANSWER, Plan)
PLAN = _ANSWER
BUILDS = (Build("torch", "2.14.1+cpu", "cpu"),)


@st.composite
def graphs(draw):
    """An environment whose packages require one another, in any way, each in the version that is there."""
    versions = {name: draw(st.sampled_from(["1.0", "2.1", "3.0.post1"])) for name in NAMES}
    names = ["torch", *NAMES]

    def needs(name):
        wanted = draw(st.lists(st.sampled_from(NAMES), max_size=3))
        signs = draw(st.lists(st.sampled_from(["==", ">=", "~="]), min_size=3, max_size=3))
        return tuple(f"{other}{sign}{versions[other]}" for other, sign in zip(wanted, signs, strict=False))

    found = {name: Installed(name, versions.get(name, "2.14.1+cpu"), needs(name), f"/x/{name}") for name in names}
    roots = draw(st.lists(st.sampled_from(NAMES), max_size=2))
    return found, tuple(map(Requirement, roots))


def reached(installed, roots):
    seen, waiting = set(), ["torch", *(root.name for root in roots)]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += [Requirement(text).name for text in installed[name].requires]
    return seen


@given(graphs())
def test_what_is_whole_lacks_nothing_and_what_is_taken_away_is_missed(graph):
    installed, roots = graph
    assert lacks(PLAN, installed, BUILDS, roots, MARKERS) == ()
    needed = reached(installed, roots)
    for name in installed:
        rest = {key: value for key, value in installed.items() if key != name}
        told = {lack.name for lack in lacks(PLAN, rest, BUILDS, roots, MARKERS)}
        assert told == ({name} if name in needed else set())


@given(graphs())
def test_a_library_that_something_needs_is_never_left_over(graph):
    installed, roots = graph
    renamed = {f"nvidia-{name}": Installed(f"nvidia-{name}", "1", (), "/x") for name in installed}
    needed = {f"nvidia-{name}" for name in reached(installed, roots)}
    torch = Installed("torch", "2.14.1+cpu", tuple(sorted(needed)), "/x")
    assert set(left_over({**renamed, "torch": torch})) == set(renamed) - needed


@given(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["1.0", "1.0.0", "1.0+cpu", "2"])), st.data())
def test_nothing_is_laid_down_twice(versions, data):
    solved = tuple(Package(name, version) for name, version in versions.items())
    assert changed(solved, versions, frozenset()) == ()
    force = frozenset(data.draw(st.sets(st.sampled_from(NAMES))))
    assert {package.name for package in changed(solved, versions, force)} == force & versions.keys()
    assert changed(solved, {}, frozenset()) == solved


# ── as a whole or not at all ─────────────────────────────────────────────────────────────────────

PATHS = st.sampled_from(["a", "b/c", "b/d/e", "bin/python", "x.pth", "lib/site-packages/torch/__init__.py"])
STEPS = st.lists(st.tuples(st.sampled_from(["remove", "write", "link"]), PATHS), max_size=8)


def listing(folder):
    found = {}
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(place, name)
            content = None
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    content = file.read()
            found[os.path.relpath(path, folder)] = (os.path.islink(path), content)
    return found


def put(folder, path, text):
    whole = os.path.join(folder, path)
    os.makedirs(os.path.dirname(whole), exist_ok=True)
    with open(whole, "w") as file:
        file.write(text)


def take(folder, steps):
    """As installers do it: a file is removed before another is written in its place."""
    for what, path in steps:
        whole = os.path.join(folder, path)
        if os.path.isdir(whole):
            shutil.rmtree(whole)
        elif os.path.lexists(whole):
            os.unlink(whole)
        if what == "write":
            put(folder, path, "new")
        elif what == "link" and os.name == "posix":
            os.makedirs(os.path.dirname(whole), exist_ok=True)
            os.symlink("a", whole)


@settings(max_examples=examples(40))
@given(st.sets(PATHS, min_size=1), STEPS, st.booleans())
def test_a_change_that_fails_or_is_killed_leaves_what_was_there(paths, steps, killed):
    with tempfile.TemporaryDirectory() as around:
        env = os.path.join(around, "env")
        for path in paths:
            put(env, path, path)
        before = listing(env)
        if killed:
            work = f"{env}.envtool"
            shutil.copytree(env, os.path.join(work, "old"), copy_function=os.link)
            put(work, "journal", f"{CHANGING}\n")
            take(env, steps)
            with transaction(env, lambda _: None):
                pass
        else:
            with pytest.raises(ZeroDivisionError), transaction(env, lambda _: None) as change:
                change.protect()
                take(env, steps)
                raise ZeroDivisionError
        assert listing(env) == before
        assert os.listdir(around) == ["env"]


@settings(max_examples=examples(20))
@given(st.sets(PATHS, min_size=1), st.sets(PATHS))
def test_killed_while_the_copy_was_made_the_environment_is_what_it_was(paths, copied):
    with tempfile.TemporaryDirectory() as around:
        env = os.path.join(around, "env")
        for path in paths:
            put(env, path, path)
        before = listing(env)
        for path in copied:
            put(os.path.join(f"{env}.envtool", "old"), path, "half")
        put(f"{env}.envtool", "journal", f"{COPYING}\n")
        with transaction(env, lambda _: None):
            pass
        assert (listing(env), os.listdir(around)) == (before, ["env"])


# ── texts ────────────────────────────────────────────────────────────────────────────────────────

WORDS = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-._~%$!*+=", min_size=6, max_size=20)


@given(
    WORDS, WORDS, st.sampled_from(["error: Failed to fetch: {}simple/torch/", "for url ({}x)", "'{}'\n{}", "at {}, {}"])
)
def test_a_secret_in_an_address_is_never_shown(user, password, text):
    url = f"https://{user}:{password}@index.test/"
    said = text.replace("{}", url)
    secret = f"{user}:{password}"
    assert secret not in without_passwords(said)
    assert secret not in without_secrets(url)
    error = explained(Ran(1, said), "uv", doing="x")
    assert secret not in str((error.message, error.details, error.hint, error.said))


@given(st.text(max_size=400))
def test_any_output_of_a_tool_becomes_a_message(said):
    error = explained(Ran(1, said), "uv", doing="the installation")
    assert error.message and error.hint and len(error.details) <= 8


@settings(max_examples=examples(60))
@given(
    st.lists(
        st.sampled_from(["pandas>=2", "numpy", "# x", "", "torch==2.8.0 \\", "  --hash=sha256:00", "-e .", "a b c"])
    )
)
def test_every_line_of_a_requirements_file_is_accounted_for(lines):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "r.txt")
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(lines))
        found = read_files((path,))
    assert [line.number for line in found] == sorted({line.number for line in found})
    assert sum(line.name == "pandas" for line in found) <= lines.count("pandas>=2")
