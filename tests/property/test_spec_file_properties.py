"""Properties of envtool.toml: what is written reads back, what is read is safe to show, and plans stay in the course."""

from __future__ import annotations

import json
import re

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from test_plan_properties import machines
from test_spec_file import wrong
from test_spec_file_schema import SCHEMA, toml
from thoroughness import examples

from envtool.catalog import load
from envtool.course import Course, Floors
from envtool.course.belongings import misplaced
from envtool.course.parse import parse
from envtool.course.ranges import can_be_met
from envtool.course.text import to_toml
from envtool.errors import UsageError
from envtool.plan import Plan
from envtool.plan.for_course import resolve_for
from envtool.scaffold.from_file import draft
from envtool.target import SUBDIRS
from envtool.versions import kind_of

CATALOG = load()
NAMES = st.from_regex(r"[a-z][a-z0-9]{1,8}(-[a-z0-9]{1,4})?", fullmatch=True)
VERSIONS = st.builds("{}.{}".format, st.integers(0, 4), st.integers(0, 30))
SPECIFIERS = st.one_of(
    st.just(""), st.builds("{}{}".format, st.sampled_from([">=", "<", "==", "!=", "~=", "<=", ">"]), VERSIONS),
    st.builds(">={},<9{}".format, VERSIONS, VERSIONS),
)  # fmt: skip
PACKAGES = st.builds("{}{}".format, NAMES, SPECIFIERS)
MARKED = st.builds('{}[{}]{}; python_version >= "{}"'.format, NAMES, NAMES, SPECIFIERS, VERSIONS)
URLS = st.from_regex(r"https://[a-z]{1,10}\.org/[A-Za-z0-9_%?=&ä-]{0,20}", fullmatch=True)
FLOORS = st.builds(
    Floors,
    st.one_of(st.none(), st.integers(1, 96).map(float), st.floats(0.01, 4096).map(lambda x: round(x, 3))),
    st.one_of(st.none(), st.tuples(st.integers(3, 12), st.integers(0, 9))),
    st.one_of(st.none(), st.sampled_from(["470.82.01", "525.60.13", "550.54", "580"])),
)
VARIANTS = st.sampled_from(["cpu", "cuda", "rocm", "xpu", "cu118", "cu126", "cu130", "rocm7.2"])


def some(values: st.SearchStrategy[str], fewest: int = 0, most: int = 4) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(values, min_size=fewest, max_size=most, unique=True).map(tuple)


@st.composite
def courses(draw: st.DrawFn) -> Course:
    packages = draw(some(PACKAGES))
    course = Course(
        name=draw(st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,20}[A-Za-z0-9])?", fullmatch=True)),
        python=draw(st.sampled_from(["", ">=3.10", ">=3.10,<3.14", "==3.12.*", "~=3.11", "!=3.11.*"])),
        torch=draw(st.sampled_from([("torch",), ("torch>=2.6", "torchvision"), ("torchvision", "torchaudio<3", "torch")])),
        packages=packages,
        platforms=draw(some(st.sampled_from(sorted(SUBDIRS)), 1)),
        variants=draw(some(VARIANTS, 1)),
        runs_on=draw(some(st.sampled_from(["laptop", "colab", "cluster:a-b", "kaggle", "binder", "codespaces"]), 1)),
        channels=draw(some(st.one_of(NAMES, URLS), 1)),
        conda_packages=draw(some(st.builds("{}{}".format, NAMES, st.sampled_from(["", "=1.2", " >=3,<4", "=1.2=h_0"])))),
        pip_packages=draw(some(st.one_of(PACKAGES, MARKED))),
        editable=draw(some(st.sampled_from([".", "packages/plots", "a b"]))),
        pip_names=tuple((re.match(r"[a-z0-9-]+", p)[0], draw(NAMES)) for p in packages if draw(st.booleans())),
        gpu=draw(FLOORS),
        links=draw(st.dictionaries(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,9}", fullmatch=True), URLS, max_size=3)
                   .map(lambda links: tuple(links.items()))),
    )  # fmt: skip
    fields = {name: getattr(course, name) for name in course.__dataclass_fields__}
    assume(not list(misplaced(fields)) and len({name for name, _ in course.pip_names}) == len(course.pip_names))
    return course


@settings(max_examples=examples(100), deadline=None)
@given(courses())
def test_a_course_that_is_written_reads_back_as_the_same(course):
    text = to_toml(course)
    assert parse(text, "envtool.toml") == course
    assert to_toml(parse(text, "envtool.toml")) == text
    assert parse(text.replace("\n", "\r\n"), "envtool.toml") == course


@settings(max_examples=examples(100), deadline=None)
@given(courses())
def test_the_schema_takes_every_course(course):
    Draft7Validator(SCHEMA).validate(toml(to_toml(course)))


VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.floats(), st.text(max_size=20), PACKAGES, URLS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=8,
)
KEYS = st.one_of(st.text(min_size=1, max_size=8), st.sampled_from([*SCHEMA["properties"], "tool"]))


@settings(max_examples=examples(200), deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_any_toml_is_read_or_refused_in_words(content):
    """No crash, no terminal codes, and a place for each complaint."""
    text = "".join(f"{written(key)} = {written(value)}\n" for key, value in content.items())
    try:
        course = parse(text, "envtool.toml")
    except UsageError as error:
        for line in (error.message, *error.details):
            assert line.startswith("envtool.toml") or line.startswith("and ")
            assert line.isprintable() and len(line) < 700
    else:
        assert Draft7Validator(SCHEMA).is_valid(toml(text))
        assert parse(to_toml(course), "x") == course


def written(value: object) -> str:
    """Any value in TOML."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            escaped = "".join(f"\\U{ord(c):08x}" if not c.isalnum() or ord(c) > 126 else c for c in value)
            return f'"{escaped}"'
        case list():
            return f"[{', '.join(map(written, value))}]"
        case dict():
            return "{" + ", ".join(f"{written(k)} = {written(v)}" for k, v in value.items()) + "}"
        case _:
            return str(value)


@settings(max_examples=examples(200), deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_refused_in_words(text):
    assume("name" not in text)
    for line in wrong(text):
        assert line.startswith("envtool.toml")


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(SPECIFIERS, max_size=3), VERSIONS, st.integers(0, 3))
def test_a_specifier_that_allows_something_can_be_met(parts, version, patch):
    from packaging.specifiers import SpecifierSet

    specifier = SpecifierSet(",".join(part for part in parts if part))
    if specifier.contains(f"{version}.{patch}", prereleases=True):
        assert can_be_met(specifier)


@settings(max_examples=examples(120), deadline=None)
@given(machines(), courses(), st.sampled_from(["pip", "conda"]))
def test_a_plan_for_a_course_keeps_to_it(machine, course, installer):
    """Its Python and its variants; the CPU only where the course allows it; the same each time."""
    request = course.request(installer=installer, channel="conda-forge" if installer == "conda" else None)
    answer, asked = resolve_for(machine, request, course, CATALOG)
    assert resolve_for(machine, request, course, CATALOG) == (answer, asked)
    if isinstance(answer, Plan):
        assert course.covers(answer.variant)
        assert kind_of(answer.variant.replace("cuda", "cu")) in {kind_of(variant) for variant in course.variants}
        if installer == "pip":
            assert course.allows_python(machine.python.value.version)
        else:
            assert any(course.allows_python(f"{answer.python}.{patch}") for patch in range(40))


# ── from other files ─────────────────────────────────────────────────────────────────────────────

OPTIONS = st.sampled_from([
    "-e .", "--index-url https://u:secret@example.org/simple", "-i https://download.pytorch.org/whl/cu126", "--pre",
    "-r requirements.txt", "--hash=sha256:ab", "-f wheels", "-c none.txt", "--", "-", "-r", "# x", "", "\\", "a\\",
])  # fmt: skip
TORCHES = st.builds("{}{}".format, st.sampled_from(["torch", "torchvision", "Torch", "pytorch", "nvidia-nccl-cu12", "pip"]),
                    st.one_of(SPECIFIERS, st.just("==2.8.0+cu126"), st.just(" @ https://example.org/x.whl")))  # fmt: skip
LINES = st.lists(st.one_of(PACKAGES, MARKED, OPTIONS, TORCHES, st.text(max_size=20)), max_size=8)
SPECS = st.builds("{}{}{}".format, st.sampled_from(["", "conda-forge::", "x::", "pytorch::"]),
                  st.one_of(NAMES, st.sampled_from(["pytorch", "python", "cpuonly", "cudatoolkit", "opencv", "ffmpeg"])),
                  st.sampled_from(["", "=1.2", "==1.2", "=1.2=py_0", " 1.2.*", ">=1,<2", "=1|2", "[x=1]", "=>", "<0"]))  # fmt: skip


def made_or_refused(name, text):
    def read(path):
        if path != name:
            raise UsageError(f"cannot read {path}", hint="check the name")
        return text

    try:
        return draft(name, read, CATALOG, folder="x")
    except UsageError as error:
        assert error.hint and "secret" not in error.message
        return None


@settings(max_examples=examples(150), deadline=None)
@given(LINES)
def test_any_requirements_file_is_carried_over_or_refused_in_words(lines):
    made = made_or_refused("requirements.txt", "\n".join(lines))
    if made is not None:
        assert parse(made.text, "x") == made.course
        assert made == made_or_refused("requirements.txt", "\n".join(lines))
        assert "secret" not in str(made)


@settings(max_examples=examples(150), deadline=None)
@given(st.lists(st.one_of(SPECS, st.text(max_size=15)), max_size=8), LINES, st.one_of(st.text(max_size=10), NAMES))
def test_any_environment_yml_is_carried_over_or_refused_in_words(specs, lines, name):
    document = {"name": name, "channels": ["pytorch", name], "dependencies": [*specs, {"pip": lines}]}
    made = made_or_refused("environment.yml", json.dumps(document))
    if made is not None:
        assert parse(made.text, "x") == made.course
        assert "secret" not in str(made)
