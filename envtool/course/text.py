"""A Course as the text of an envtool.toml, with a word on each key. The same course gives the same bytes."""

from __future__ import annotations

from collections.abc import Iterable

from envtool.course import Course

_WIDEST = 100
HEADER = "# What this course needs. Everything else is made from it: environments, lockfiles, set-up scripts, CI."


def to_toml(course: Course, *, schema: str | None = None, remarks: Iterable[str] = ()) -> str:
    """The text. ``schema`` is a path or address for editors; ``remarks`` are comments for the top."""
    directive = [f"#:schema {schema}"] if schema else []
    blocks = [
        "\n".join([*directive, HEADER, *(f"# {remark}".rstrip() for remark in remarks)]),
        _block(None, _top(course)),
        _block("conda", [
            _list("channels", course.channels),
            (_list("packages", course.conda_packages), "what conda alone has"),
        ]),
        _block("pip", [
            (_list("packages", course.pip_packages), "what PyPI alone has"),
            *([(_list("editable", course.editable), "folders beside this file")] if course.editable else []),
            (f"names = {_inline(course.pip_names)}", "where PyPI's name differs from conda's"),
        ]),
        _block("gpu", _gpu(course)),
        _block("links", [f"{_key(key)} = {quoted(value)}" for key, value in course.links]),
    ]  # fmt: skip
    return "\n\n".join(block for block in blocks if block) + "\n"


Line = str | tuple[str, str]  # with a comment behind it, where there is room


def _top(course: Course) -> list[Line]:
    python = [f"python = {quoted(course.python)}"] if course.python else []
    return [
        f"name = {quoted(course.name)}",
        *python,
        _list("torch", course.torch),
        (_list("packages", course.packages), "one name on conda and on PyPI"),
        _list("platforms", course.platforms),
        (_list("variants", course.variants), "or one by its name, such as cu126"),
        (_list("runs-on", course.runs_on), "laptop, colab, kaggle, cluster:SITE, ..."),
    ]


def _gpu(course: Course) -> list[Line]:
    floors = course.gpu
    lines: list[Line] = []
    if floors.memory_gib is not None:
        lines.append(f"memory-gib = {floors.memory_gib!r}".removesuffix(".0"))
    if floors.compute_capability is not None:
        major, minor = floors.compute_capability
        lines.append(f'compute-capability = "{major}.{minor}"')
    if floors.driver is not None:
        lines.append(f"driver = {quoted(floors.driver)}")
    return lines


def _block(table: str | None, lines: Iterable[Line]) -> str:
    written = [_commented(*line) if isinstance(line, tuple) else line for line in lines]
    if not written:
        return ""
    return "\n".join([f"[{table}]", *written] if table else written)


def _commented(line: str, comment: str) -> str:
    whole = f"{line}  # {comment}"
    return whole if "\n" not in line and len(whole) <= _WIDEST else line


def _list(key: str, values: Iterable[str]) -> str:
    words = [quoted(value) for value in values]
    line = f"{key} = [{', '.join(words)}]"
    if len(line) <= _WIDEST:
        return line
    return "\n".join([f"{key} = [", *(f"  {word}," for word in words), "]"])


def _inline(pairs: Iterable[tuple[str, str]]) -> str:
    words = [f"{_key(key)} = {quoted(value)}" for key, value in pairs]
    return "{ " + ", ".join(words) + " }" if words else "{}"


def _key(key: str) -> str:
    bare = key and all(c.isascii() and (c.isalnum() or c in "-_") for c in key)
    return key if bare else quoted(key)


def quoted(text: str) -> str:
    """A TOML string; in single quotes where that saves escapes, as around a marker of a requirement."""
    if '"' in text and "'" not in text and text.isprintable():
        return f"'{text}'"
    import json

    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
