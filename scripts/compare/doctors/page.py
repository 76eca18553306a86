"""The page for the docs: the counts, the table, how it was done and to whom it is unfair."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from compare.doctors.rule import NOT_RUN, RIGHT, SILENT, UNJUDGED, WRONG, Case, Verdict
from compare.doctors.tools import TOOLS

WORDS = (RIGHT, WRONG, SILENT, UNJUDGED)


@dataclass(frozen=True)
class Row:
    """A case and the verdict on each tool; ``problem`` says why there is none."""

    case: Case
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    problem: str = ""


def counts(rows: Sequence[Row], tool: str) -> dict[str, int]:
    """How often each word fell for a tool."""
    said = [row.verdicts[tool].word for row in rows if row.verdicts]
    return {word: said.count(word) for word in WORDS}


def summary(rows: Sequence[Row]) -> str:
    """The table of counts: broken environments, and healthy ones on their own."""
    broken = [row for row in rows if not row.case.healthy]
    healthy = [row for row in rows if row.case.healthy]
    lines = [
        "| | broken: right | wrong | silent | not judged | healthy: no alarm | false alarm |",
        "|---|---|---|---|---|---|---|",
    ]
    for tool in TOOLS:
        found, calm = counts(broken, tool), counts(healthy, tool)
        cells = [*(found[word] for word in WORDS), calm[RIGHT], calm[WRONG]]
        lines.append(f"| {tool} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def table(rows: Sequence[Row]) -> str:
    """Cases by tools."""
    lines = ["| environment | the cause | " + " | ".join(TOOLS) + " |", "|---|---|" + "---|" * len(TOOLS)]
    for row in rows:
        cells = [cell(row.verdicts[tool]) if row.verdicts else NOT_RUN for tool in TOOLS]
        cause = "nothing is wrong" if row.case.healthy else row.case.cause
        lines.append(f"| `{row.case.key}`: {escaped(row.case.title)} | {escaped(cause)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def cell(verdict: Verdict) -> str:
    """One verdict; wrong stands out."""
    return f"**{verdict.word}**" if verdict.word == WRONG else verdict.word


def escaped(text: str) -> str:
    """For a cell of a table."""
    return text.replace("|", "\\|").replace("~", "\\~").replace("*", "\\*")


def not_made(rows: Sequence[Row]) -> str:
    """What could not be made, visibly."""
    lines = [f"- `{row.case.key}`: {row.problem}" for row in rows if not row.verdicts]
    return "\n".join(["Not made:", "", *lines]) if lines else ""


def blamed(rows: Sequence[Row]) -> str:
    """Every "wrong" with the tool's own words for which it fell."""
    lines = []
    for row in rows:
        for tool, verdict in row.verdicts.items():
            if verdict.word == WRONG:
                words = re.sub(r"\S*/room/", "…/", verdict.why).replace("`", "'")
                lines.append(f"- `{row.case.key}`, {tool}: `{words}`")
    return "\n".join(lines)


def unjudged(rows: Sequence[Row]) -> str:
    """What was left unjudged, and why."""
    lines = []
    for row in rows:
        for reason in dict.fromkeys(row.case.unjudged.values() if row.verdicts else ()):
            names = [tool for tool, why in row.case.unjudged.items() if why == reason]
            lines.append(f"- `{row.case.key}`, {', '.join(names)}: {reason}.")
    return "\n".join(lines)


def page(rows: Sequence[Row], document: Mapping[str, Any], versions: Mapping[str, str], today: str) -> str:
    """The whole page."""
    made = [row for row in rows if row.verdicts]
    broken = sum(not row.case.healthy for row in made)
    text = PAGE.format(
        broken=broken,
        healthy=len(made) - broken,
        today=today,
        versions=", ".join(f"{name} {version}" for name, version in versions.items()),
        summary=summary(rows),
        table=table(rows),
        notes="\n".join(f"- `{row.case.key}`: {row.case.note}" for row in made if row.case.note),
        blamed=blamed(rows) or "None.",
        unjudged=unjudged(rows) or "None.",
        bases="\n".join(
            f"- `{name}`: {base['what']}, Python {base['python']}" for name, base in document["base"].items()
        ),
        not_made=not_made(rows),
    )
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


PAGE = """\
# Compared with other doctors

<!-- Written by `python scripts/compare_doctors.py --write`; don't edit. -->

Six tools looked at the same {broken} broken environments and {healthy} healthy ones on {today}:
{versions},
and `torch.utils.collect_env` of the torch that is looked at.

{summary}

## What the words mean

Each environment has one cause, and words that name it, kept with it in
[`cases.toml`](../../scripts/compare/doctors/cases.toml). The rule (`rule.py` beside it) reads what a tool prints and
knows nothing else of it:

- **right**: one of these words stands anywhere in the output, also in a traceback or a warning that only comes through.
- **wrong**: none does, and the tool says that all is well, or marks something else as the problem, as an error and not
  as a warning. What it also says of the healthy environment of the same kind doesn't count against it, nor that an
  import or a probe failed, which is what the user sees anyway.
- **silent**: neither.
- Of a healthy environment, an error is a **false alarm**. collect_env lists facts and never judges, so it can't raise
  one.

## The table

{table}

{notes}

The words for which “wrong” fell:

{blamed}

## What was run, and how

Every environment is a folder with a home of its own and a real Python environment in it, which is linked from one of
these and then really broken:

{bases}

All tools see the same Python, folder, variables and driver.

- **envtool**: `envtool doctor`, from an environment of its own. It is judged by the same words; the codes of its checks
  are taken out before.
- **env-doctor** `check`, **cuda-doctor**, **ai-infradr** and **rigsolve** `check` and `verify` can only look at the
  Python that they run in. Their packages are put at the end of its import path while they run, as if they had been
  installed there. Where the folder matters, they are run a second time in the way of their README that has the folder
  on the import path (`python -m`, or env-doctor's `check()`), and the better verdict counts. rigsolve's `verify` is
  given `--no-gpu` where the machine has none.
- **collect_env**: `python -m torch.utils.collect_env`.

Cards and drivers are imitated: a stub of NVML (`libnvidia-ml.so.1`), a `libcuda.so.1` with the code of `cuInit`, an
`nvidia-smi` with the messages that the real one is known for, and in a mount namespace the PCI card, the kernel
module's version and the device nodes. PyTorch itself runs on them and says what it would say.

## What is unfair, and to whom

- Those who write envtool chose the environments, and chose what envtool was made for. The others were made for other
  questions: cuda-doctor and ai-infradr for NVIDIA servers, env-doctor for the match of driver, CUDA and libraries,
  rigsolve for what fits together. On a machine that is meant to have a GPU, their alarm about a missing one is right;
  here the machine is a laptop.
- The words that count as right were mended after the outputs were read: widened where a tool named the cause in other
  words, envtool in four environments among them, and narrowed where a mere list of versions matched by accident. Each
  verdict was then read beside its output. What PyTorch's own message says counts for whoever lets it through, and so
  does the advice to look at the right place among others.
- The environments were mended too. A first try at the drivers had no card on the PCI bus: envtool took it for a machine
  without a GPU, as others did. One environment was dropped because it turned out to work (an older libnvJitLink on
  `LD_LIBRARY_PATH`).
- envtool was changed while the comparison was made, with some of these environments in view, and was run last. The
  others had no such chance.
- A tool that must run in the broken Python can't say anything where that doesn't start.
- There is no healthy machine with a GPU among these: CUDA can't really start here. The imitated driver stops PyTorch
  at `cuInit`, which is right for the broken states and for no other.
- A package named `pytorch` in place of torch could not be tried: its installer refuses, so that nothing is left to
  look at.

## Not judged

The imitation can't do these tools justice:

{unjudged}

{not_made}

## Run it again

It needs Linux, a C compiler, uv, and `unshare` for the imitated cards; what can't be made is left out and named. The
torch environments are given by name, or made with uv (about 20 GB):

```
python scripts/compare_doctors.py --make ~/torch-environments --keep said   # the table on the terminal
python scripts/compare_doctors.py --base cpu=~/course/.venv --only shadow-torch
python scripts/compare_doctors.py --again said                              # judge the kept outputs anew
python scripts/compare_doctors.py --again said --write                      # this page
```

`--keep` writes everything that was said, and one file for each tool and environment with the verdict on top.
"""
