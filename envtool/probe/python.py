"""Read a Python environment without importing anything from it: two children of its interpreter list what is there."""

from __future__ import annotations

import os.path
from collections.abc import Callable

from envtool.environment import BrokenEnvironment, Environment
from envtool.errors import UsageError
from envtool.fact import Fact, dataclass
from envtool.machine import Absent, Found, Reading, Unknown
from envtool.probe.answer import Answer, answers_in, ending, last_words, lines_of, shown, text_of
from envtool.probe.child import Child, Completed
from envtool.probe.children import BOOT, child_file
from envtool.probe.host import Host
from envtool.probe.imports import start_import
from envtool.probe.installed import (
    builds_of,
    closed_of,
    conda_packages_of,
    distributions_of,
    entries_of,
    invalid_of,
    is_conda_base,
    leaks_of,
    leftovers_of,
    shadows_of,
)
from envtool.probe.interpreter import HINT, Choice
from envtool.probe.prefix import (
    abi_of,
    arch_of,
    local_venv,
    manager_of,
    pip_on_path,
    site_packages_of,
    venv_settings,
    venv_starts,
)
from envtool.probe.workplace import workplace_of

__all__ = ["start", "start_import"]

TIME_LIMIT = 10.0
MARKER = "envtool-environment:"


def start(host: Host, choice: Choice, *, cwd: str | None = None) -> Callable[[], Environment | BrokenEnvironment]:
    """Start reading; the result waits for it, and raises UsageError where a Python that the user named is none."""
    file = child_file("environment.py")
    isolated = (choice.executable, "-I", "-c", BOOT, file, "isolated")
    plain = (choice.executable, "-c", BOOT, file, "plain")
    running = Running(
        host,
        choice,
        host.start("environment", isolated, timeout=TIME_LIMIT, cwd=cwd),
        host.start("environment-plain", plain, timeout=TIME_LIMIT, cwd=cwd),
    )
    return running.result


@dataclass(frozen=True, eq=False, repr=False)
class Running(Fact):
    """The two children that read one environment."""

    host: Host
    choice: Choice
    isolated: Child
    plain: Child

    def result(self) -> Environment | BrokenEnvironment:
        """The environment, or why its Python doesn't start."""
        isolated, plain = self.isolated.result(), self.plain.result()
        answer, plain_answer = _answer(isolated), _answer(plain)
        if answer is not None and text_of(answer, "prefix") is not None:
            return _environment(self.host, self.choice, answer, (plain, plain_answer))
        broken = _broken(self.host, self.choice, isolated, answer or plain_answer)
        from dataclasses import replace

        half_done = _half_done(self.host, _prefix_of(self.choice.executable))
        if self.choice.named and broken.kind != "dangling" and half_done is None:
            raise UsageError(f"--python {broken.message}", hint=HINT)
        return replace(broken, half_done=half_done)


def _half_done(host: Host, prefix: str) -> str | None:
    """Where `envtool install` keeps the old environment while it changes this one."""
    aside = f"{prefix}.envtool"
    return aside if prefix and isinstance(host.stat(aside), Found) else None


def _prefix_of(executable: str) -> str:
    separator = "\\" if "\\" in executable else "/"
    return separator.join(executable.split(separator)[:-2])


def _answer(reading: Reading[Completed]) -> Answer | None:
    if not isinstance(reading, Found):
        return None
    answers = answers_in(reading.value.stdout, MARKER)
    return answers[-1] if answers else None


# ── it answered ──────────────────────────────────────────────────────────────────────────────────


def _environment(
    host: Host, choice: Choice, isolated: Answer, plain_start: tuple[Reading[Completed], Answer | None]
) -> Environment:
    completed, plain = plain_start
    plain = plain if plain is not None and text_of(plain, "home") is not None else None
    entries = entries_of(isolated, plain)
    distributions, conda = distributions_of(entries), conda_packages_of(isolated)
    builds = builds_of(entries, distributions, conda, text_of(isolated, "platform") or "")
    prefix, base = text_of(isolated, "prefix") or "", text_of(isolated, "base_prefix") or ""
    pip = next((one.version for one in distributions if one.name == "pip"), None)
    settings = venv_settings(text_of(isolated, "pyvenv"))
    cwd = text_of(plain or isolated, "cwd")
    return Environment(
        executable=text_of(isolated, "executable") or choice.executable,
        chosen_by=choice.chosen_by,
        version=text_of(isolated, "version") or "",
        implementation=text_of(isolated, "implementation") or "",
        abi=abi_of(isolated),
        bits=32 if isolated.get("bits") == 32 else 64,
        arch=arch_of(isolated),
        prefix=prefix,
        base_prefix=base,
        manager=manager_of(isolated, settings),
        externally_managed=isolated.get("externally_managed") is True and prefix == base,
        conda_base=is_conda_base(isolated),
        pip=Found(pip) if pip else Absent("pip is not installed in this environment"),
        ensurepip=isolated.get("ensurepip") is True,
        distributions=distributions,
        builds=builds,
        conda_packages=conda,
        leaks=leaks_of(entries),
        shadows=shadows_of(entries, distributions, builds),
        leftovers=leftovers_of(entries),
        closed=closed_of(entries),
        invalid=invalid_of(entries),
        plain_start=_plain_start(completed, plain),
        working_directory=cwd,
        site_packages=site_packages_of(entries, prefix),
        venv_home=settings.get("home"),
        venv_version=settings.get("version") or settings.get("version_info"),
        pip_on_path=pip_on_path(host),
        local_venv=(venv := local_venv(host, cwd, prefix)),
        local_venv_starts=venv_starts(host, venv),
        workplace=workplace_of(plain),
        half_done=_half_done(host, prefix),
        ghost=choice.ghost,
    )


def _plain_start(completed: Reading[Completed], answer: Answer | None) -> Reading[str]:
    match completed:
        case Found(done):
            if answer is not None:
                return Found(text_of(answer, "version") or "")
            if done.returncode is None:
                return Unknown(f"a plain start did not end within {TIME_LIMIT:g} s")
            if done.returncode == 0:
                return Unknown(f"a plain start did not answer: {last_words(done)}")
            return Absent(f"{ending(done.returncode)}: {last_words(done)}")
        case Absent(reason) | Unknown(reason):
            return Unknown(reason)


# ── it did not ───────────────────────────────────────────────────────────────────────────────────


def _broken(host: Host, choice: Choice, reading: Reading[Completed], answer: Answer | None) -> BrokenEnvironment:
    home = _venv_home(host, choice.executable)
    if answer is None and home is not None and isinstance(host.stat(home), Absent):
        return _say(choice, "dangling", f"the Python that this environment was made from is gone: {home}", home)
    if answer is None and isinstance(host.stat(choice.executable), Absent):
        target = _end_of_links(host, choice.executable)
        if target != choice.executable:
            return _say(choice, "dangling", f"this is a link to {target}, which is gone", home)
    kind, message = _why(reading, answer)
    return _say(choice, kind, message, home)


def _say(choice: Choice, kind: str, message: str, home: str | None) -> BrokenEnvironment:
    return BrokenEnvironment(choice.executable, choice.chosen_by, kind, f"{choice.executable}: {message}", home)


def _why(reading: Reading[Completed], answer: Answer | None) -> tuple[str, str]:
    if answer is not None:
        version = text_of(answer, "version")
        if answer.get("too_old") is True:
            return "too-old", f"this is Python {version}; envtool reads Python 3.6 and newer"
        return "no-answer", f"its environment could not be read: {text_of(answer, 'error') or 'the answer is not ours'}"
    match reading:
        case Found(done):
            return _why_silent(done)
        case Absent(reason) | Unknown(reason):
            return "does-not-start", f"can't be started: {reason.rpartition(': ')[2]}"


def _why_silent(done: Completed) -> tuple[str, str]:
    if done.returncode is None:
        return "no-answer", f"did not answer within {TIME_LIMIT:g} s"
    if done.returncode == 0:
        said = lines_of(shown(done.stdout)) or lines_of(shown(done.stderr))
        first = f"it answered {said[0].strip()[:120]!r}" if said else "it answered nothing"
        return "no-answer", f"this is not a Python: {first} (exit code 0)"
    words = last_words(done)
    if "envtool" in words and "SourceFileLoader" in words:  # a program that repeats its arguments shows ours
        return "does-not-start", f"this is not a Python ({ending(done.returncode)})"
    return "does-not-start", f"does not start ({ending(done.returncode)}): {words}"


def _venv_home(host: Host, executable: str) -> str | None:
    """Where the base Python of a venv lies or lay, by its pyvenv.cfg; None where the program is in no venv."""
    folder = os.path.dirname(executable.replace("\\", "/"))
    for place in (os.path.dirname(folder), folder):
        settings = host.read(f"{place}/pyvenv.cfg")
        if isinstance(settings, Found):
            return venv_settings(settings.value).get("home")
    return None


def _end_of_links(host: Host, path: str) -> str:
    """Follow links by hand: the last one leads nowhere, so that the system can't say where."""
    for _ in range(10):
        target = host.link(path)
        if not isinstance(target, Found):
            break
        path = os.path.join(os.path.dirname(path), target.value)
    return shown(path)
