"""Where packages come from, by the settings and requirements.txt: can it be reached, and does it hold them?

No network is used: what is judged is what is written down, and what the machine says of its own network.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from envtool.checks.check import Check, Evidence
from envtool.checks.workplace import UNSEEN, unset
from envtool.environment import Setting
from envtool.machine import Found, found_or
from envtool.shell import chained
from envtool.verdicts import Verdict, failed, passed, skipped, warned
from envtool.versions import numbers_or_none

OFF = ("PIP_NO_INDEX", "UV_OFFLINE", "UV_NO_INDEX")
YES = ("1", "true", "yes", "on")
WITH = ("PIP_FIND_LINKS", "UV_FIND_LINKS")  # packages from a folder
D2L_IMPORTS = ("matplotlib", "matplotlib-inline", "pandas", "requests", "scipy", "ipython")
OWN_TRUST = (24, 2)  # the first pip that trusts what the system trusts
PYTORCHS = re.compile(r"download\.pytorch\.org/whl/(?:test/|nightly/)?([a-z]+[\d.]*)/?$")
PINNED = re.compile(r"torch\s*==\s*(\d+(?:\.\d+)+)")


def there_is_a_network(evidence: Evidence) -> Verdict:
    """Asked only where something must be installed: a compute node without a way out serves its purpose."""
    place = evidence.workplace
    if place is None or evidence.torch is not None:
        return skipped("torch is installed" if place else UNSEEN)
    local = any("file:" in s.value or "localhost" in s.value or "127.0.0.1" in s.value for s in place.settings)
    if any(place.variable(name) for name in WITH) or local:
        return skipped("packages come from this machine")
    off = next((name for name in OFF if place.variable(name)), None)
    if off:
        return failed(
            f"{off} is set: nothing can be installed from an index in this terminal.",
            hint=unset(evidence, off),
            command=True,
        )
    written = next((s.where for s in place.settings if s.key == "no-index" and s.value.lower() in YES), None)
    if written:
        return failed(
            f"{written} has no-index: nothing can be installed from an index.",
            hint=f"take the line with no-index out of {written}, or name a folder of packages with --find-links",
        )
    if place.route is False:
        return failed(
            "This machine has no way to the network, and PyTorch must be installed.",
            hint="install on a machine that has one, such as the cluster's login node; or take the packages along: "
            "envtool install --download DIR there",
        )
    return skipped("there is a way out" if place.route else "whether there is a network is not known")


def _in_the_way(evidence: Evidence) -> Callable[..., Verdict]:
    """What stands between this machine and the index is a failure where torch must come from there."""
    return failed if evidence.torch is None and evidence.env is not None else warned


def proxy_is_there(evidence: Evidence) -> Verdict:
    """A proxy on this machine that nobody runs, or a variable that is none. WSL's lies on Windows, out of sight."""
    place = evidence.workplace
    if place is None or not place.proxies:
        return skipped("no variable names a proxy")
    wsl = isinstance(evidence.machine.wsl, Found)
    bad = [proxy for proxy in place.proxies if proxy.wrong == "malformed" or (proxy.wrong == "silent" and not wsl)]
    if not bad:
        return skipped(f"{place.proxies[0].variable} is set; whether that proxy answers shows only in a download")
    first, names = bad[0], tuple(dict.fromkeys(proxy.variable for proxy in bad))
    why = (
        f"names a proxy on {first.host}:{first.port}, and nobody listens there"
        if first.wrong == "silent"
        else "is no address of a proxy"
    )
    return _in_the_way(evidence)(
        f"{first.variable} {why}: every download from this terminal fails.",
        hint=unset(evidence, *names),
        command=True,
    )


def certificates_are_trusted(evidence: Evidence) -> Verdict:
    """A file of certificates that is named and not there; or an institution's, which an older pip does not look at."""
    place, env = evidence.workplace, evidence.env
    if place is None or env is None:
        return skipped(UNSEEN)
    if place.missing:
        name, path = place.missing[0]
        variable = "/" not in name and "\\" not in name
        say = warned if name == "SSL_CERT_FILE" else _in_the_way(evidence)  # which pip does not always look at
        return say(
            f"{name} names {path} for certificates, and there is no such file: secure connections fail.",
            hint=unset(evidence, name) if variable else f"take the line with cert out of {name}",
            command=variable,
        )
    pip = numbers_or_none(found_or(env.pip, ""))
    own = any(name == "PIP_CERT" for name, _ in place.certificates) or any(s.key == "cert" for s in place.settings)
    if place.authorities and evidence.torch is None and pip is not None and pip < OWN_TRUST and not own:
        return warned(
            f"Your institution has added certificates to this system, and pip {found_or(env.pip, '')} does not look at "
            "them: downloads may end with “certificate verify failed”.",
            hint=evidence.mender.install("pip>=24.2"),
            command=True,
        )
    return skipped("whether the index's certificate is trusted shows only in a download")


def _main_index(evidence: Evidence) -> tuple[Setting, str] | None:
    """The setting that replaces the ordinary index by one of PyTorch's, and that one's name: "cu126"."""
    for setting in evidence.workplace.settings if evidence.workplace else ():
        found = PYTORCHS.search(setting.value) if setting.key == "index-url" else None
        if found:
            return setting, found[1]
    return None


def _taken_out(evidence: Evidence, setting: Setting) -> tuple[str, bool]:
    """The hint that takes a setting back, and whether it is a command."""
    if re.fullmatch(r"\w+", setting.where):
        return unset(evidence, setting.where), True
    return f"take the line with {setting.key} out of {setting.where}", False


def mac_uses_the_ordinary_index(evidence: Evidence) -> Verdict:
    """PyTorch's CUDA indexes have nothing for macOS."""
    index = _main_index(evidence)
    if evidence.machine.os != "macos" or index is None:
        return skipped("not macOS, or the ordinary index")
    if not index[1].startswith(("cu", "rocm", "xpu")):
        return passed(index[1])
    hint, command = _taken_out(evidence, index[0])
    return warned(
        f"{index[0].where} names PyTorch's index {index[1]}, which has nothing for a Mac: the ordinary index has the "
        "build that uses the Mac's own GPU.",
        hint=hint,
        command=command,
    )


def index_has_the_version(evidence: Evidence) -> Verdict:
    """requirements.txt asks for a torch that the index in use never had, or has no more."""
    index, place = _main_index(evidence), evidence.workplace
    lines = [s.value for s in place.settings if s.key == "requirement"] if place else []
    pin = next((found[1] for line in lines if (found := PINNED.fullmatch(line))), None)
    if index is None or pin is None:
        return skipped("no pinned torch beside one of PyTorch's indexes")
    setting, variant = index
    here = evidence.catalog.builds(evidence.platform)
    known = {build.torch for build in here}
    held = {build.torch for build in here if build.variant == variant}
    if pin not in known or not held or pin in held:
        return skipped(f"{variant} may have torch {pin}; other commands are not known")
    return warned(
        f"requirements.txt asks for torch {pin}, and {setting.where} names PyTorch's index {variant}, which does not "
        "have it.",
        hint=f"write an index that has it into {setting.where}: `envtool pick torch=={pin}` names one",
        evidence={"index": variant, "torch": pin},
    )


def d2l_can_be_installed(evidence: Evidence) -> Verdict:
    """d2l 1.0.3 insists on numpy 1.23.5, which has no wheel for Python 3.12 and newer."""
    place, env = evidence.workplace, evidence.env
    if place is None or env is None or env.distribution("d2l") is not None:
        return skipped("d2l is installed" if place else UNSEEN)
    asked = any(s.key == "requirement" and re.match(r"d2l\b", s.value, re.IGNORECASE) for s in place.settings)
    version = numbers_or_none(env.version)
    if not asked or version is None or version < (3, 12):
        return skipped("requirements.txt does not ask for d2l, or this Python is old enough for it")
    return warned(
        f"requirements.txt asks for d2l, which insists on numpy 1.23.5: no wheel of it is for Python {env.version}."
        " Take it out of requirements.txt and install it without its pins.",
        hint=chained(
            evidence.mender.install("--no-deps", "d2l==1.0.3"),
            evidence.mender.install(*D2L_IMPORTS),
            "powershell" if evidence.machine.os == "windows" else "posix",
        ),
        command=True,
    )


CHECKS = (
    Check("offline", "There is a network to install from", "System", there_is_a_network),
    Check("proxy", "The proxy is the right one", "System", proxy_is_there),
    Check("tls-inspection", "The index's certificate is trusted", "System", certificates_are_trusted),
    Check("cuda-index-on-mac", "A Mac installs from the ordinary index", "System", mac_uses_the_ordinary_index),
    Check("wrong-index", "The index has that version", "System", index_has_the_version),
    Check("d2l-install", "d2l installs on this Python", "System", d2l_can_be_installed),
)
