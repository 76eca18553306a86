"""``envtool doctor --report`` and ``--redact``: what may be shown to others."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from envtool.environment import Environment
from envtool.machine import Found
from envtool.redaction import Redactor, hosts_in, names_in, redacted, secrets_in, users_in

if TYPE_CHECKING:
    from envtool.diagnosis import Diagnosis
    from envtool.environment import Workplace
    from envtool.probe.host import Host

HOMES = ("HOME", "USERPROFILE", "SLURM_SUBMIT_HOME")
USERS = ("USER", "LOGNAME", "USERNAME", "SUDO_USER", "SLURM_JOB_USER", "JUPYTERHUB_USER", "NB_USER")
HOSTS = ("HOSTNAME", "COMPUTERNAME", "USERDOMAIN", "HOST", "SLURMD_NODENAME", "SLURM_SUBMIT_HOST", "USERDNSDOMAIN")


def redactor(host: Host, diagnosis: Diagnosis) -> Redactor:
    """One that knows this machine, its user, and the secrets in this shell's variables."""
    from envtool.probe.host import LiveHost
    from envtool.probe.recording import RecordingHost

    live = isinstance(host, (LiveHost, RecordingHost))
    homes, users = [host.env(name) for name in HOMES], [host.env(name) for name in USERS]
    hosts = [str(host.facts().get("hostname") or ""), *(host.env(name) for name in HOSTS)]
    if live:
        user, home = _account()
        users.append(user)
        homes.append(home)
        homes += [os.path.realpath(one) for one in homes if one]
    users += users_in(_paths(diagnosis))
    users += [one.replace("\\", "/").rstrip("/").rpartition("/")[2] for one in homes if one]
    return Redactor(
        homes=tuple(one for one in homes if one),
        users=names_in(users),
        hosts=(*names_in(hosts), *_proxies_and_mirrors(diagnosis, live=live)),
        own=_chosen_names(diagnosis),
        secrets=secrets_in(os.environ) if live else (),
        versions=_versions(diagnosis),
    )


def _account() -> tuple[str | None, str | None]:
    """The user's name and home as the system knows them, whatever the variables say."""
    with contextlib.suppress(ImportError, KeyError, OSError, AttributeError):
        import pwd

        account = pwd.getpwuid(os.getuid())
        return account.pw_name, account.pw_dir
    return None, None


def _paths(diagnosis: Diagnosis) -> tuple[str, ...]:
    environment = diagnosis.environment
    if not isinstance(environment, Environment):
        return (environment.executable, environment.home or "")
    return (environment.prefix, environment.executable, environment.working_directory or "")


def _proxies_and_mirrors(diagnosis: Diagnosis, *, live: bool) -> tuple[str, ...]:
    place = _workplace(diagnosis)
    found = hosts_in(os.environ.values()) if live else ()
    if place is None:
        return found
    proxies = [one.host for one in place.proxies if one.host]
    return (*found, *proxies, *hosts_in(one.value for one in place.settings))


def _chosen_names(diagnosis: Diagnosis) -> tuple[str, ...]:
    """Names of files and kernels that the user chose; those that every machine has tell nothing."""
    place = _workplace(diagnosis)
    if place is None:
        return ()
    kernels = [one.name for one in place.kernels if one.name not in ("python3", "python")]
    return tuple(dict.fromkeys([*kernels, *(one.file for one in place.sources)]))


def _workplace(diagnosis: Diagnosis) -> Workplace | None:
    return diagnosis.environment.workplace if isinstance(diagnosis.environment, Environment) else None


def _versions(diagnosis: Diagnosis) -> frozenset[str]:
    environment, machine = diagnosis.environment, diagnosis.machine
    found = {r.value for r in (machine.nvidia.driver, machine.kernel, machine.os_version) if isinstance(r, Found)}
    if isinstance(environment, Environment):
        found |= {one.version for one in environment.distributions}
        found |= {one.version for one in environment.conda_packages}
        found |= {one.version.partition("+")[0] for one in environment.builds}
    return frozenset(found)


def without_names(diagnosis: Diagnosis, host: Host) -> Diagnosis:
    """The diagnosis with everything taken out of it that tells who somebody is."""
    return redacted(diagnosis, redactor(host, diagnosis))
