"""docs/reference/envtool-toml.md, from the JSON Schema of that file."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if ROOT not in sys.path:
    sys.path.append(ROOT)

from envtool.course import Course, Floors  # noqa: E402
from envtool.course.text import to_toml  # noqa: E402
from envtool.data import FOLDER  # noqa: E402

SCHEMA = "envtool-toml.schema.json"
EXAMPLE = Course(
    name="deep-learning",
    python=">=3.10,<3.14",
    torch=("torch>=2.6", "torchvision", "torchaudio"),
    packages=("numpy", "matplotlib", "opencv"),
    runs_on=("laptop", "colab", "cluster:generic"),
    editable=(".",),
    pip_names=(("opencv", "opencv-python"),),
    gpu=Floors(8, (7, 0), "525.60.13"),
    links=(("course", "https://example.org/deep-learning"),),
)
INTRO = f"""# envtool.toml

What a course or a project needs, said once. Commands look for it in the folder that you are in and in those above it,
up to the root of the repository; the home folder and the file system's root are not looked into unless you are in them. `--spec FILE` names another file, `--no-spec` does without. Which file is used is told in
one line on stderr. A table `[tool.envtool]` in a pyproject.toml serves as well, where there is no envtool.toml beside
it; `name` and `python` may then be left to `[project]`.

Only `name` must be there. A key that is not in these tables is refused, and so is a value that doesn't fit: each is
told with its line, its key, what stands there and what may.

```toml
{{example}}```

Editors that know JSON Schema complete and check the file. The schema is `envtool/data/schemas/{SCHEMA}`; a first
line `#:schema PATH`, as taplo and VS Code's Even Better TOML read it, names a copy of it. `envtool init --from FILE`
writes both.

"""
TYPES = {"string": "text", "array": "list", "number": "number", "object": "table"}


def spec_page() -> str:
    """The whole page, without the notice."""
    with open(os.path.join(FOLDER, "schemas", SCHEMA), encoding="utf-8") as file:
        schema: dict[str, Any] = json.load(file)
    top = {key: value for key, value in schema["properties"].items() if value["type"] != "object"}
    blocks = [INTRO.replace("{example}", to_toml(EXAMPLE)), "## Above the first table\n\n", rows(top)]
    for name, table in schema["properties"].items():
        if "properties" in table:
            blocks.append(f"\n## [{name}]\n\n{table['description']}\n\n{rows(table['properties'])}")
        elif table["type"] == "object":
            (example,) = table["examples"][0].items()
            blocks.append(
                f"\n## [{name}]\n\n{table['description']} For example `{example[0]} = {written(example[1])}`.\n"
            )
    return "".join(blocks)


def rows(properties: dict[str, Any]) -> str:
    lines = ["| key | holds | default | meaning |", "| --- | --- | --- | --- |"]
    for key, value in properties.items():
        told = " ".join(value["description"].split()).replace("|", "\\|")
        example = f" For example `{written(value['examples'][0])}`." if "examples" in value else ""
        lines.append(f"| `{key}` | {kind(value)} | {default(value)} | {told}{example} |")
    return "\n".join(lines) + "\n"


def kind(value: dict[str, Any]) -> str:
    words = TYPES[value["type"]]
    if value["type"] == "array":
        words += " of texts"
        options = value["items"].get("enum")
        return f"{words}: {', '.join(f'`{option}`' for option in options)}" if options else words
    return words


def default(value: dict[str, Any]) -> str:
    if value.get("default") in (None, ""):
        return ""
    return f"`{written(value['default'])}`"


def written(value: object) -> str:
    """A value in TOML."""
    return "".join(parts(value))


def parts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        inner = ", ".join(f"{key} = {written(item)}" for key, item in value.items())
        yield f"{{ {inner} }}" if inner else "{}"
    elif isinstance(value, list):
        yield f"[{', '.join(written(item) for item in value)}]"
    else:
        yield json.dumps(value)
