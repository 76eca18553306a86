"""Apple silicon, and the one question to ``sysctl`` that every macOS fact comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from envtool.machine import Apple, Found, Reading, Unknown
from envtool.probe.host import Host

Sysctl: TypeAlias = Callable[[], Reading[Mapping[str, str]]]

NAMES = ("machdep.cpu.brand_string", "hw.optional.arm64", "sysctl.proc_translated", "hw.memsize")
TIME_LIMIT = 2.0


def start_sysctl(host: Host) -> Sysctl:
    """Ask macOS for its facts in one child; the answer is kept, so that several probes may collect it."""
    # -i: names that this Mac doesn't have (an Intel one has no hw.optional.arm64) are left out
    child = host.start("sysctl", ["/usr/sbin/sysctl", "-i", *NAMES], timeout=TIME_LIMIT)
    answers: list[Reading[Mapping[str, str]]] = []

    def collect() -> Reading[Mapping[str, str]]:
        if answers:
            return answers[0]
        done = child.result()
        if not isinstance(done, Found):
            answers.append(Unknown(f"sysctl: {done.reason}"))
        elif done.value.timed_out:
            answers.append(Unknown(f"sysctl gave no answer within {TIME_LIMIT:g} s"))
        else:
            answers.append(Found(_fields(done.value.stdout)))
        return answers[0]

    return collect


def start(host: Host, sysctl: Sysctl | None = None) -> Callable[[], Apple]:
    """Which Apple chip this is; ``sysctl`` is a question that was already started, if there is one."""
    if host.facts().get("sys_platform") != "darwin":
        return lambda: Apple("absent", "this is not a Mac")
    ask = sysctl if sysctl is not None else start_sysctl(host)
    native = host.facts().get("machine") == "arm64"
    return lambda: _apple(ask(), native)


def _fields(text: str) -> dict[str, str]:
    # machdep.cpu.brand_string: Apple M2
    # hw.optional.arm64: 1
    pairs = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


def is_apple_silicon(fields: Mapping[str, str], native: bool) -> bool:
    """Is the machine itself arm64, whatever this Python was built for?"""
    return native or fields.get("hw.optional.arm64") == "1" or fields.get("sysctl.proc_translated") == "1"


def _apple(answer: Reading[Mapping[str, str]], native: bool) -> Apple:
    if not isinstance(answer, Found):
        if native:
            return Apple("found", None, Unknown(answer.reason))
        return Apple("unknown", answer.reason, Unknown(answer.reason))
    fields = answer.value
    if not is_apple_silicon(fields, native):
        return Apple("absent", "this Mac has an Intel processor")
    brand = fields.get("machdep.cpu.brand_string", "")
    if brand.startswith("Apple"):
        return Apple("found", None, Found(brand))
    # A translated program may be shown "VirtualApple @ 2.50GHz processor".
    return Apple("found", None, Unknown("macOS hides the chip's name from a translated program"))
