"""A plan on one screen, and the table of candidates: 80 columns, readable without colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from envtool.fact import Fact
from envtool.machine import Found, Machine, found_or
from envtool.plan import NoPlan, Plan, Refusal
from envtool.plan.outlook import is_about_newer, plainly
from envtool.report.text import WIDEST, Style, hanging
from envtool.versions import cuda_of, dotted

LEAD = 9  # columns before the text of a line
WARNINGS = 3  # on the screen; the rest are counted
ROWS = 24  # of a table; the rest are counted


@dataclass(frozen=True, eq=False, repr=False)
class Shown(Fact):
    """What belongs to a plan on the screen: the line to copy, and what a newer driver would bring."""

    line: str
    shell: str | None = None  # named where it is not the one that everybody has there
    outlook: str | None = None


def render(plan: Plan, machine: Machine, shown: Shown, style: Style) -> str:
    """The choice in a few lines, ending with the line to copy alone."""
    width = min(max(style.width, 40), WIDEST)
    packages = ", ".join(f"{name} {version}" for name, version in plan.packages.items())
    lines = [
        hanging(f"{'Chosen':<{LEAD}}", packages, width),
        hanging(f"{'Build':<{LEAD}}", build_line(plan), width),
        hanging(f"{'For':<{LEAD}}", _machine(machine), width),
    ]
    if shown.outlook:
        lines.append(hanging(f"{'Newer':<{LEAD}}", shown.outlook, width))
    lines += _warnings(plan.warnings, style, width, newer_told=shown.outlook is not None)
    where = f" into {shown.shell}" if shown.shell else ""
    return style.safe("\n".join([*lines, "", f"Copy this line{where}:", ""])) + "\n" + shown.line + "\n"


def _warnings(warnings: Sequence[str], style: Style, width: int, *, newer_told: bool) -> list[str]:
    told = [text for text in warnings if not (newer_told and is_about_newer(text))]
    mark = style.paint(f"{'Warning':<{LEAD}}", "33")
    lines = [hanging(mark, text, width, visible=LEAD) for text in told[:WARNINGS]]
    if len(told) > WARNINGS:
        lines.append(f"{'':<{LEAD}}and {len(told) - WARNINGS} more: --json has them all")
    return lines


def build_line(plan: Plan) -> str:
    """The variant in words, and where it comes from."""
    places = {"pypi": "PyPI", "conda-forge": "conda-forge"}
    place = plan.index_url or places.get(plan.source, plan.source)
    return f"{_variant(plan)} from {place}"


def _variant(plan: Plan) -> str:
    cuda = cuda_of(plan.variant) or (plan.variant.startswith("cuda") and cuda_of("cu" + plan.variant[4:]))
    if cuda:
        return f"CUDA {dotted(cuda)} ({plan.variant}),"
    if plan.variant.startswith("rocm"):
        return f"ROCm {plan.variant.removeprefix('rocm')},"
    if plan.accelerator == "mps":
        return "Apple's GPU (MPS) and CPU,"
    return {"cpu": "CPU only,", "xpu": "Intel GPU (xpu),"}.get(plan.variant, f"{plan.variant},")


def _machine(machine: Machine) -> str:
    gpus = [*_nvidia(machine), *(found_or(g.name, "an AMD GPU") for g in machine.amd.gpus)]
    gpus += [found_or(g.name, "an Intel GPU") for g in machine.intel.gpus]
    if isinstance(machine.apple.chip, Found):
        gpus.append(machine.apple.chip.value)
    counted = [f"{gpus.count(name)} x {name}" if gpus.count(name) > 1 else name for name in dict.fromkeys(gpus)]
    parts = counted or ([] if machine.nvidia.status == "unknown" or machine.os == "macos" else ["no GPU"])
    if isinstance(machine.nvidia.driver, Found):
        parts.append(f"driver {machine.nvidia.driver.value}")
    if isinstance(machine.python, Found):
        free = " (free-threaded)" if machine.python.value.abi.endswith("t") else ""
        parts.append(f"Python {machine.python.value.version}{free}")
    system = {"linux": "Linux", "macos": "macOS", "windows": "Windows"}[machine.os]
    if isinstance(machine.wsl, Found):
        system += " under WSL"
    parts.append(f"{system} {machine.arch}")
    if isinstance(machine.libc, Found) and machine.libc.value.version:
        parts.append(f"{machine.libc.value.name} {machine.libc.value.version}")
    elif machine.os == "macos" and isinstance(machine.os_version, Found):
        parts[-1] = f"macOS {machine.os_version.value} {machine.arch}"
    return "".join(sign if sign.isprintable() else "?" for sign in ", ".join(parts))  # names come from documents


def _nvidia(machine: Machine) -> list[str]:
    names = []
    for gpu in machine.nvidia.gpus:
        capability = dotted(gpu.compute_capability.value) if isinstance(gpu.compute_capability, Found) else None
        name = gpu.name.value if isinstance(gpu.name, Found) else None
        both = f"{name} ({capability})" if name and capability else name
        names.append(both or (f"a GPU of compute capability {capability}" if capability else "a GPU"))
    return names


# ── no plan ──────────────────────────────────────────────────────────────────────────────────────


def refusal_details(answer: NoPlan, most: int = 5) -> tuple[str, ...]:
    """The reasons below a message: the newest build for each, and how many builds have the same."""
    first: dict[str, str] = {}
    count: dict[str, int] = {}
    for refusal in answer.refusals:
        key = refusal.reason if refusal.torch is None else f"{refusal.kind} {_family(refusal)}"
        first.setdefault(key, plainly(refusal))
        count[key] = count.get(key, 0) + 1
    lines = [f"{text} (and {count[key] - 1} more builds like it)" if count[key] > 1 else text
             for key, text in first.items()]  # fmt: skip
    lines = [line for line in lines if line != answer.message]
    if len(lines) > most:
        lines = [*lines[: most - 1], f"and {len(lines) - most + 1} more reasons: --explain shows each build"]
    return tuple(lines)


def _family(refusal: Refusal) -> str:
    cuda = cuda_of(refusal.variant or "")
    return f"cu{cuda[0]}" if cuda else refusal.variant or ""


# ── the table ────────────────────────────────────────────────────────────────────────────────────


def table(refusals: Sequence[Refusal], chosen: Plan | None, style: Style) -> str:
    """The candidates, newest first within each accelerator, with the first reason against each."""
    width = min(max(style.width, 60), WIDEST)
    rows = [(r.torch or "any", r.variant or "any", r.source or "", r.reason) for r in refusals]
    kept = rows if len(rows) <= ROWS else [*rows[: ROWS - 4], *rows[-4:]]
    lines = [_row(("torch", "variant", "source", "why not"), width)]
    for index, row in enumerate(kept):
        if len(kept) < len(rows) and index == ROWS - 4:
            lines.append(f"  … {len(rows) - len(kept)} more rows; --json has every one")
        lines.append(_row(row, width))
    if chosen is not None:
        last = _row((chosen.packages["torch"], chosen.variant, chosen.source, "chosen"), width, mark=">")
        lines.append(style.paint(last, "32"))
        lines.append("  Builds after it were not looked at: the newest that fits is taken.")
    return style.safe("\n".join(lines)) + "\n"


def _row(cells: tuple[str, str, str, str], width: int, mark: str = " ") -> str:
    torch, variant, source, reason = cells
    return hanging(f"{mark} {torch:<7} {variant:<8} {source:<13} ", reason, width)
