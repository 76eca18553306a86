#!/usr/bin/env python3
"""Write docs/reference/ from the code: the checks, the failures, the commands, the exit codes and the JSON documents.

`--check` writes nothing and exits 1 if a file is not what it would write.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from typing import Any

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if ROOT not in sys.path:
    sys.path.append(ROOT)

import click  # noqa: E402
import reference_examples  # noqa: E402
import reference_failures  # noqa: E402
import reference_proofs  # noqa: E402
import reference_spec  # noqa: E402

from envtool import errors  # noqa: E402
from envtool.checks import ALL, COURSE, GROUPS, LOCK, Check, every, of_course  # noqa: E402
from envtool.cli.app import COMMANDS, cli  # noqa: E402
from envtool.data import FOLDER  # noqa: E402
from envtool.report.explain import Page, page  # noqa: E402
from envtool.smoke import tests  # noqa: E402
from envtool.smoke_report import CODE, SmokeTest  # noqa: E402

NOTICE = "<!-- Written by scripts/generate_reference.py; change the code and run it again. -->\n\n"
THREAD = re.compile(r"^([\w.-]+/[\w.-]+)#(\d+)$")


def link(source: str) -> str:
    """A source as Markdown: a thread on GitHub, an address, or words."""
    thread = THREAD.match(source)
    if thread:
        return f"[{source}](https://github.com/{thread[1]}/issues/{thread[2]})"
    if source.startswith("docs/reference/"):
        page = source.removeprefix("docs/reference/")
        return f"[{page.removesuffix('.md')}]({page})"
    return f"<{source}>" if source.startswith("https://") else source


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


# ── checks ───────────────────────────────────────────────────────────────────────────────────────

CHECKS_INTRO = f"""# Checks

`envtool doctor` asks {len(ALL)} questions about a machine and a Python environment, and {len(of_course())} more
where an [envtool.toml](envtool-toml.md) says what a course needs. `envtool check` asks all of these, and those of the
group {LOCK}. Each has a code that never changes its meaning, and a section here; `envtool explain CODE` prints the same
in the terminal. The order within a group is the order of mending: what must be right first comes first.

A verdict is one of five. **pass**: asked, and good. **warn**: it works, but it costs or will bite. **fail**: it does
not work. **skip**: the question does not arise on this machine, or a check that it builds on has failed. **unknown**:
the question arises and could not be answered.

"""


def checks_page() -> str:
    blocks = [NOTICE, CHECKS_INTRO, reference_proofs.proofs()]
    for group in (*GROUPS, COURSE, LOCK):
        rows = [(f"[{c.code}](#{c.code})", cell(c.title)) for c in every() if c.group == group]
        blocks.append(f"**{group}**\n\n{table(('check', 'what it makes sure of'), rows)}\n")
    for group in (*GROUPS, COURSE, LOCK):
        blocks.append(f"## {group}\n\n")
        blocks += [check_section(check, page(check.code)) for check in every() if check.group == group]
    return "".join(blocks).rstrip("\n") + "\n"


def check_section(check: Check, text: Page) -> str:
    needs = ", ".join(f"[{need}](#{need})" for need in check.needs)
    waits = f"Skipped where one of these failed: {needs}." if needs else ""
    parts = [
        f"### {check.code}",
        f"*{check.title}.*",
        f"**What you see.** {text.symptom}",
        f"**What it means.** {text.cause}",
        f"**How envtool tells.** {text.found}",
        f"**How to mend it.** {text.mend}",
        f"**How the fix is proven.** {reference_proofs.proof(check.code)}",
        waits,
        f"Sources: {', '.join(link(source) for source in text.sources)}.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n\n"


# ── commands ─────────────────────────────────────────────────────────────────────────────────────

CLI_INTRO = """# Commands

Data goes to stdout; progress, warnings and hints go to stderr. `--json` prints exactly one document, described in
[JSON](json.md), also when the answer is bad. What a command's end means is in [exit codes](exit-codes.md). There is no
colour where the output is not a terminal, or where `NO_COLOR` is set.

"""


def cli_page() -> str:
    context = cli.context_class(cli, info_name="envtool", **cli.context_settings)
    blocks = [NOTICE, CLI_INTRO, table(("command", "does"), command_rows()), "\n", command_section(cli, context)]
    for name in COMMANDS:
        command = cli.get_command(context, name) if isinstance(cli, click.Group) else None
        if command is None:
            raise SystemExit(f"there is no command {name}, although envtool.cli.app names it")
        own = click.Context(command, info_name=name, parent=context)
        blocks.append(command_section(command, own))
        for inner in command.list_commands(own) if isinstance(command, click.Group) else ():
            below = command.get_command(own, inner)
            if below is not None:
                blocks.append(command_section(below, click.Context(below, info_name=inner, parent=own), "###"))
    return "".join(blocks).rstrip("\n") + "\n"


def command_rows() -> list[tuple[str, ...]]:
    return [(f"[envtool {name}](#envtool-{name})", cell(words)) for name, words in COMMANDS.items()]


def command_section(command: click.Command, context: click.Context, level: str = "##") -> str:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    words = "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))
    options = [option_row(o, context) for o in command.get_params(context) if isinstance(o, click.Option)]
    return (
        f"{level} {context.command_path}\n\n```\n{usage}\n```\n\n{words}\n\n{table(('option', 'meaning'), options)}\n"
    )


def option_row(option: click.Option, context: click.Context) -> tuple[str, ...]:
    takes_value = not option.is_flag and not option.count
    value = f" {option.make_metavar(context)}" if takes_value else ""
    names = ", ".join(f"`{name}{value}`" for name in (*option.opts, *option.secondary_opts))
    default = f" Default: {option.default}." if option.show_default and option.default is not None else ""
    repeat = " May be given more than once." if option.multiple else ""
    return cell(names), cell((option.help or "") + default + repeat)


# ── exit codes ───────────────────────────────────────────────────────────────────────────────────

EXITS = {
    errors.EXIT_OK: (
        "done, and nothing is wrong",
        "Warnings and open questions don't change it: read the report, or the `status` in the JSON document.",
    ),
    errors.EXIT_FAILED: (
        "a check failed",
        "The command did its work, and at least one verdict is `fail`. The report says which, and what to do. With "
        "`check --fail-on warn` a warning is enough. `diff` ends so where something that matters differs.",
    ),
    errors.EXIT_USAGE: (
        "the command line or an input file is wrong",
        "Nothing was examined. The message names the option or the place in the file, and the hint says what would do.",
    ),
    errors.EXIT_NO_PLAN: (
        "no build fits",
        "The request was understood, and no build of PyTorch suits that machine. Each one is refused with a reason.",
    ),
    errors.EXIT_TOOL: (
        "a tool, a file, the disk or the network failed",
        "The same command may work once the named thing is mended: a full disk, a file that may not be written.",
    ),
    errors.EXIT_INTERRUPTED: (
        "interrupted",
        "You pressed Ctrl+C. Nothing half-written is left behind.",
    ),
}


EXIT_INTRO = """# Exit codes

Every command ends with one of these, so that a script or a CI job needs no words to know how it went. With `--json`, an
error is also a document on stdout, with the same number in it; see [JSON](json.md).

"""


def exit_codes_page() -> str:
    rows = [(f"[{code}](#{code})", title) for code, (title, _) in EXITS.items()]
    sections = [f"## {code}\n\n{title[:1].upper()}{title[1:]}. {words}\n\n" for code, (title, words) in EXITS.items()]
    return (NOTICE + EXIT_INTRO + table(("code", "meaning"), rows) + "\n" + "".join(sections)).rstrip("\n") + "\n"


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────

JSON_INTRO = """# JSON documents

Each document names its schema in its first key. Within a version keys may be added and never change their meaning, so a
reader passes over keys that it does not know. The schemas themselves are in `envtool/data/schemas/`, one file a
document, in JSON Schema 2020-12; the tables here are made from them. “Always” marks the keys that are never missing.

"""
TITLES = {
    "machine": ("The machine document", "`envtool probe --json` prints it; `--machine FILE` reads it."),
    "doctor": (
        "The doctor document",
        "`envtool doctor --json` prints it. Of the machine and the verdicts, the example shows a part.",
    ),
    "plan": (
        "The plan document",
        "`envtool pick --json` prints it, and one in a line for each line of `--machine`. Of the refusals, the example "
        "shows the first.",
    ),
    "error": ("The error document", "A command with `--json` prints it in place of its own document."),
    "recording": ("The recording", "`envtool doctor --record FILE` writes it. A real one has some hundred answers."),
    "catalog": (
        "The catalog document",
        "`envtool catalog show --json` prints it. The example shows one build of one release.",
    ),
    "catalog-verify": ("The verify document", "`envtool catalog verify --json` prints it; the example shows one law."),
    "catalog-update": ("The update document", "`envtool catalog update --json` prints it."),
    "device": ("The device document", "`envtool device --json` prints it."),
    "rehearse": ("The rehearse document", "`envtool rehearse --json SCRIPT` prints it; the example shows one fault."),
    "smoke": ("The smoke document", "`envtool smoke --json` prints it; the example shows two tests."),
    "smoke-tests": ("The list of smoke tests", "`envtool smoke --list --json` prints it; the example shows one test."),
    "lock": ("The lock document", "`envtool lock --json` prints it; the example shows one platform."),
    "install": (
        "The install document",
        "`envtool install --json` prints it. Of the plan the example shows the beginning, of the changes the first.",
    ),
    "check": (
        "The check document",
        "`envtool check --json` prints it; the example shows one verdict, and little of machine and environment.",
    ),
    "diff": ("The diff document", "`envtool diff --json` prints it."),
    "wheelhouse": (
        "The manifest of a folder of wheels",
        "`envtool install --download DIR` writes it as `DIR/envtool-wheelhouse.json`; the example shows one wheel.",
    ),
    "colab-check": (
        "The answer of `envtool setup colab --check`",
        "`envtool setup colab --check --json` prints it; the example shows one clash.",
    ),
}
TYPES = {"string": "text", "integer": "whole number", "boolean": "true or false", "array": "list", "null": "null"}


def schema(name: str) -> dict[str, Any]:
    with open(os.path.join(FOLDER, "schemas", f"{name}-1.json"), encoding="utf-8") as file:
        document: dict[str, Any] = json.load(file)
    return document


def json_page() -> str:
    blocks = [NOTICE, JSON_INTRO]
    for name, (title, words) in TITLES.items():
        example = json.dumps(reference_examples.EXAMPLES[name](), indent=2, ensure_ascii=False)
        rows = field_rows(schema(name), "")
        blocks.append(f"## {title}\n\nSchema `envtool.{name}/1`. {schema(name)['description']} {words}\n\n")
        blocks.append(f"```json\n{example}\n```\n\n{table(('key', 'holds', 'always', 'meaning'), rows)}\n")
    return "".join(blocks).rstrip("\n") + "\n"


def field_rows(node: dict[str, Any], path: str) -> list[tuple[str, ...]]:
    """Every key of an object and of the objects within it, depth first, in the schema's order."""
    rows: list[tuple[str, ...]] = []
    for key, value in node.get("properties", {}).items():
        if value.get("$ref", "").endswith("/reasons"):
            continue  # told once, in the document's description
        here = path + (key or '""')  # the one answer of the kind "facts" has an empty name
        always = "yes" if key in node.get("required", ()) else ""
        rows.append((f"`{here}`", kind(value), always, cell(meaning(value))))
        inner = inside(value)
        rows += field_rows(inner, f"{here}[]." if "items" in value else f"{here}.") if inner else []
    return rows


def meaning(node: dict[str, Any]) -> str:
    return str(
        node.get("description") or next((o["description"] for o in node.get("anyOf", ()) if "description" in o), "")
    )


def inside(node: dict[str, Any]) -> dict[str, Any] | None:
    """The object that a value holds, or whose list it is."""
    for option in (node, node.get("items", {}), *node.get("anyOf", ())):
        if "properties" in option:
            return dict(option)
    return None


def kind(node: dict[str, Any]) -> str:
    if "$ref" in node:
        return "reading" if node["$ref"].endswith("/reading") else "object"
    if "const" in node:
        return f"`{json.dumps(node['const'])}`"
    if "enum" in node:
        return ", ".join(f"`{json.dumps(value)}`" for value in node["enum"])
    options = [node] if "type" in node else node.get("anyOf", [])
    names: list[str] = []
    for option in options:
        types = option["type"] if isinstance(option["type"], list) else [option["type"]]
        names += [TYPES[one] if one in TYPES else str(one) for one in types]
    return " or ".join(dict.fromkeys(names))


def failures_page() -> str:
    return NOTICE + reference_failures.failures_page(link, cell)


def spec_page() -> str:
    return NOTICE + reference_spec.spec_page()


# ── smoke tests ──────────────────────────────────────────────────────────────────────────────────

SMOKE_INTRO = """# Smoke tests

`envtool smoke` runs {count} small programs in the Python of an environment. Each proves one sentence of the lecture and
has a section here; `envtool explain CODE` prints the same in the terminal, and `envtool smoke --only NAME` runs one test
or one family. A crash, a hang or a kill is the failure of the test that was running. A test is skipped where its
question does not arise: a package that is not installed, a device that is not there.

"""


def smoke_page() -> str:
    found = tests(sys.executable)
    blocks = [NOTICE, SMOKE_INTRO.format(count=len(found))]
    families = dict.fromkeys(test.family for test in found)
    for family in families:
        rows = [
            (f"[{CODE}{t.code}](#{CODE}{t.code})", cell(t.sentence), "yes" if t.quick else "")
            for t in found
            if t.family == family
        ]
        blocks.append(f"**{family}**\n\n{table(('test', 'what it proves', 'quick'), rows)}\n")
    for family in families:
        blocks.append(f"## {family}\n\n")
        blocks += [smoke_section(test) for test in found if test.family == family]
    return "".join(blocks).rstrip("\n") + "\n"


def smoke_section(test: SmokeTest) -> str:
    own = " It has a process of its own." if test.fresh else ""
    limit = f"It is ended after {test.limit:g} seconds."
    return f"### {CODE}{test.code}\n\n*{test.sentence}*\n\n**When it fails.** {test.mend}\n\n{limit}{own}\n\n"


# ── files ────────────────────────────────────────────────────────────────────────────────────────

PAGES = {
    "checks.md": checks_page,
    "cli.md": cli_page,
    "envtool-toml.md": spec_page,
    "exit-codes.md": exit_codes_page,
    "failures.md": failures_page,
    "json.md": json_page,
    "smoke-tests.md": smoke_page,
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is not up to date")
    parser.add_argument("--into", default=os.path.join(ROOT, "docs", "reference"), help="the folder to write into")
    options = parser.parse_args(arguments)
    stale = []
    for name, make in PAGES.items():
        path, text = os.path.join(options.into, name), make()
        if written(path) == text:
            continue
        stale.append(name)
        if not options.check:
            os.makedirs(options.into, exist_ok=True)
            with open(path, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
    if options.check and stale:
        print(f"not up to date: {', '.join(stale)}; run `python scripts/generate_reference.py`", file=sys.stderr)
        return 1
    return 0


def written(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main())
