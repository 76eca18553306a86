"""The page for the docs: the table, the counts, how it was done and how to do it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compare.judge import BROKEN, LESSER, RIGHT, Answer, Chosen, Verdict
from compare.machines import Described

NOT_RUN = "not run"
WORDS = {RIGHT: "right", LESSER: "works, but older or CPU", BROKEN: "broken", NOT_RUN: NOT_RUN}
TOOLS = ("envtool", "uv", "light-the-torch")


@dataclass(frozen=True)
class Row:
    """A machine, the best there is for it, and what each tool said."""

    machine: Described
    best: Mapping[str, Chosen] | None
    answers: Mapping[str, Answer]
    verdicts: Mapping[str, Verdict]


def told(packages: Mapping[str, Chosen] | None) -> str:
    """A set in a few words: versions of torch, torchvision and torchaudio, and what they are built for."""
    if not packages:
        return "nothing fits"
    order = [name for name in ("torch", "torchvision", "torchaudio") if name in packages]
    variants = list(dict.fromkeys(packages[name].variant for name in order))
    if len(variants) == 1:
        return f"{' / '.join(packages[name].version for name in order)} {variants[0]}"
    return " / ".join(f"{packages[name].version} {packages[name].variant}" for name in order)


def cell(answer: Answer, verdict: Verdict) -> str:
    """One answer with its verdict."""
    if verdict.word == NOT_RUN:
        return verdict.why
    chosen = told(answer.packages) if answer.packages else ""
    if verdict.word == RIGHT:
        text = f"right: {chosen}" if chosen else f"right, {verdict.why}"
    elif verdict.word == LESSER:
        text = f"works, but {verdict.why.partition(';')[0]}: {chosen}"
    else:
        text = f"**broken**: {chosen}{': ' if chosen else ''}{verdict.why.partition('; ')[0]}"
    return f"{text} ({answer.how})" if answer.how else text


def counts(rows: Sequence[Row], tool: str) -> dict[str, int]:
    """How often each word fell for a tool."""
    said = [row.verdicts[tool].word for row in rows]
    return {word: said.count(word) for word in (RIGHT, LESSER, BROKEN, NOT_RUN)}


def summary(rows: Sequence[Row]) -> str:
    """The table of counts."""
    lines = ["| | right | works, but older or CPU | broken or nothing found | not run |", "|---|---|---|---|---|"]
    for tool in TOOLS:
        found = counts(rows, tool)
        lines.append(f"| {tool} | {found[RIGHT]} | {found[LESSER]} | {found[BROKEN]} | {found[NOT_RUN]} |")
    return "\n".join(lines)


def table(rows: Sequence[Row]) -> str:
    """Machines by tools."""
    lines = ["| | machine and request | right answer | envtool | uv | light-the-torch |", "|---|---|---|---|---|---|"]
    for row in rows:
        cells = [cell(row.answers[tool], row.verdicts[tool]) for tool in TOOLS]
        asked = " ".join(row.machine.packages)
        what = f"{row.machine.title}: `{asked}`"
        lines.append(f"| {row.machine.key} | {what} | {told(row.best)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def differing(sure: Sequence[Row], planned: Sequence[Row]) -> str:
    """The rows whose words change when the wheels that nobody has verified are there too."""
    lines = []
    for one, other in zip(sure, planned, strict=True):
        changes = [
            f"{tool}: {WORDS[one.verdicts[tool].word]} becomes {WORDS[other.verdicts[tool].word]}"
            for tool in TOOLS
            if one.verdicts[tool].word != other.verdicts[tool].word
        ]
        if changes:
            lines.append(f"- {one.machine.key}, {one.machine.title}: {'; '.join(changes)} (right: {told(other.best)}).")
    return "\n".join(lines) or "No word changes."


def page(
    sure: Sequence[Row], planned: Sequence[Row], versions: Mapping[str, str], date: str, catalog_date: str, note: str
) -> str:
    """The whole page."""
    return PAGE.format(
        date=date, machines=len(sure), uv=versions["uv"], ltt=versions.get("light-the-torch", "not run"),
        catalog=catalog_date, summary=summary(sure), table=table(sure), planned=summary(planned),
        differing=differing(sure, planned), note=f"\n{note}\n" if note else "",
    )  # fmt: skip


PAGE = """\
# Compared with other pickers

<!-- Written by `python scripts/compare_pickers.py --write`; don't edit. -->

Run on {date}, on {machines} described machines, with the catalog of {catalog}, uv {uv} and
light-the-torch {ltt}. The letters and numbers of the rows group them: A packages that no longer fit together, B driver and CUDA, C compiled
code, D Jetson and aarch64, E systems, F Pythons, G others.
{note}
{summary}

## What the words mean

- **right**: the packages import together, there is code for every GPU, the driver is new enough, there is a wheel for
  this Python and system, and no newer torch would do. Where nothing serves the GPU, the CPU build and a refusal
  both count as right.
- **works, but older** or **CPU only**: it works, and a newer torch, or one that uses the GPU, would have worked too.
- **broken**: it doesn't import, has no code for a GPU, doesn't start with this driver, breaks a wheel's own
  `Requires-Python`, or nothing was found though something fits.

The judge (`scripts/compare/judge.py`) reads the catalog's tables with rules of its own and doesn't call envtool's
resolver. It does share the catalog's facts with envtool: if a fact is wrong, both are. The rows were chosen because
something can go wrong there, so the counts say how the tools do on hard cases and not how often they fail.

## The table

Versions are those of torch / torchvision / torchaudio, followed by what they are built for.

{table}

## What was run, and how

Everything ran against one package index on loopback. It has metadata-only wheels for all that the catalog holds to be
on PyPI and on the PyTorch indexes, with the real tags, local versions and requirements between torch, torchvision,
torchaudio and NumPy; other dependencies are left out.

- **envtool**: `envtool pick --machine - --json`, and then the command that it prints for uv, resolved on the index. The
  answer in the table is what the command gives.
- **uv**: `uv pip compile --torch-backend=auto --python-platform … --python-version …`, the driver told by
  `UV_CUDA_DRIVER_VERSION`, AMD GPUs by a `rocm_agent_enumerator` on its path. It asks for
  `https://download.pytorch.org` by that name: a proxy on loopback (`HTTPS_PROXY`), with a certificate authority made
  for the run (`SSL_CERT_FILE`), answers for it. Intel GPUs can't be described to it, so `--torch-backend=xpu` was given
  instead, which is what `auto` does for any Intel display device.
- **light-the-torch**: `ltt install --dry-run --report … --platform … --python-version …`, with an `nvidia-smi` on its
  path and the same proxy. It has no option for the operating system, which decides about its table of drivers; the
  script sets what `platform.system()` tells it.

uv and light-the-torch look at the driver and never at the GPU; neither claims to do more. Both do well where the newest
CUDA that the driver takes is also right for the GPU, and both keep a set together on one index: where PyPI alone would
give torch for CUDA 13.2 with torchaudio for 13.0 (A1), they are right. Both prefer the newest CUDA to the newest torch
(B10). Neither keeps torchaudio 2.11.0, whose metadata asks for no torch at all, away from a torch that it can't be
imported with (A2-audio). light-the-torch compares versions as text, so that 2.9.1 wins over 2.14.1 (A1-torch), and its
table of CUDA ends at 13.1.

## Wheels that nobody has verified

Some wheels are only planned or likely: torch 2.15.0 for CUDA 13.0, torchaudio for CUDA 13.2 and a few others. The table
above leaves them out. With all of them on the index, and envtool still choosing among verified builds only:

{planned}

{differing}

## Run it again

It needs a machine without a GPU, `openssl`, uv, and network for light-the-torch, which goes into an environment of its
own:

```
python scripts/compare_pickers.py            # the table on the terminal
python scripts/compare_pickers.py --write    # this page
```
"""
