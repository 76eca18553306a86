"""The JSON Schema of envtool.toml says what the parser does, as far as a schema can."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from test_spec_file import BAD, COURSE, with_line

from envtool.course import Course
from envtool.course.text import to_toml
from envtool.data import FOLDER

SCHEMA = json.loads((Path(FOLDER) / "schemas" / "envtool-toml.schema.json").read_text(encoding="utf-8"))


def toml(text):
    import sys

    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text.removeprefix("\ufeff"))


def test_the_schema_is_one_and_tells_every_key():
    from envtool.course.parse import TABLES, TOP

    Draft7Validator.check_schema(SCHEMA)
    assert list(SCHEMA["properties"]) == [*[key for key in TOP if key != "links"], *TABLES, "links"]
    for table, keys in TABLES.items():
        assert list(SCHEMA["properties"][table]["properties"]) == list(keys)


def patterns(node):
    if isinstance(node, dict):
        yield from [node["pattern"]] if isinstance(node.get("pattern"), str) else []
        yield from (found for value in node.values() for found in patterns(value))


def test_the_patterns_are_those_of_javascript_too():
    """Editors read them by ECMA 262, where a needless escape is an error."""
    found = list(patterns(SCHEMA))
    assert len(found) > 8
    assert {escaped for pattern in found for escaped in re.findall(r"\\(.)", pattern)} <= set("s.[\\")


def test_the_schema_tells_the_defaults_of_the_course():
    empty, told = Course("x"), SCHEMA["properties"]
    defaults = {"torch": empty.torch, "packages": empty.packages, "platforms": empty.platforms,
                "variants": empty.variants, "runs-on": empty.runs_on}  # fmt: skip
    assert {key: tuple(told[key]["default"]) for key in defaults} == defaults
    assert tuple(told["conda"]["properties"]["channels"]["default"]) == empty.channels


# What no schema can say: what depends on another key, and what a version or an address means.
BEYOND = ("contradict", "twice", "too", "leaves no", "belongs in torch", "conda's name for", "instead", "a range",
          "write it once", "there is no 'opencv'", "no single line", "can't reach", "not a requirement",
          "package is called")  # fmt: skip
NO_JSON = ("nan", "1979")
WITHIN = [line for line, words in BAD.items() if not any(w in word for word in words for w in BEYOND)]


@pytest.mark.parametrize("line", [line for line in WITHIN if not any(word in line for word in NO_JSON)])
def test_the_schema_refuses_what_the_parser_refuses(line):
    assert not Draft7Validator(SCHEMA).is_valid(toml(with_line(line)))


@pytest.mark.parametrize(
    "course", [COURSE, Course("x"), replace(COURSE, pip_packages=("a[b]>1; python_version<'3.12'",))]
)
def test_the_schema_takes_what_is_written(course):
    Draft7Validator(SCHEMA).validate(toml(to_toml(course)))
