"""An environment that `envtool install` did not come to the end with: what is wrong there now is no finding."""

from __future__ import annotations

from envtool.checks.check import Check, Evidence
from envtool.shell import shell_line
from envtool.verdicts import Verdict, failed, passed


def no_install_is_half_done(evidence: Evidence) -> Verdict:
    """A run that was killed leaves the old environment aside; the next one puts it back first."""
    aside = evidence.environment.half_done
    if aside is None:
        return passed("nothing is half done")
    prefix = aside.removesuffix(".envtool")
    return failed(
        f"`envtool install` was interrupted in {prefix}, or is at work there now. The next run puts the old "
        "environment back first. Add the options that you gave it then.",
        hint=shell_line(
            ["envtool", "install", "--into", prefix],
            "powershell" if evidence.machine.os == "windows" else "posix",
        ),
        command=True,
        evidence={"aside": aside},
    )


CHECKS = (Check("install-interrupted", "No install is half done", "Python", no_install_is_half_done),)
