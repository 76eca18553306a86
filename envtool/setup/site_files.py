"""Where site profiles lie: those that come with envtool, and a file of one's own."""

from __future__ import annotations

import os
import sys
from typing import Any

from envtool.course.forms import near
from envtool.data import FOLDER, read_table
from envtool.errors import UsageError
from envtool.setup.sites import Site, read_site

_LARGEST = 1 << 20


def site_names() -> list[str]:
    """The clusters that envtool knows."""
    return sorted(name[: -len(".toml")] for name in os.listdir(os.path.join(FOLDER, "sites")) if name.endswith(".toml"))


def load_site(name: str, scheduler: str) -> Site:
    """A cluster by its name or its profile's path; UsageError where there is none, or another scheduler."""
    if name.endswith(".toml"):
        site = read_site(_own_table(name), name)
    else:
        name = f"generic-{scheduler}" if name == "generic" and scheduler != "slurm" else name
        _known(name)
        site = read_site(read_table(os.path.join("sites", f"{name}.toml")), f"envtool's profile {name}")
    if site.scheduler != scheduler:
        raise UsageError(
            f"{site.name} has {site.scheduler}, and this is for {scheduler}",
            hint=f"envtool setup {site.scheduler} --site {name}",
        )
    return site


def _known(name: str) -> None:
    names = site_names()
    if name in names:
        return
    gone = read_table("retired_sites.toml").get(name)
    if gone is not None:
        raise UsageError(
            f"{gone['title']} was shut down in {gone['since']} ({gone['source']}, read {gone['date']})",
            hint=f"its place was taken by {gone['instead']}: --site {gone['instead']}",
        )
    meant = near(name, names, "`--sites` lists those that there are")
    raise UsageError(f"there is no site {name!r}; {meant}", hint="--site FILE.toml takes a profile of your own")


def _own_table(path: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        with open(path, "rb") as file:
            text = file.read(_LARGEST).decode("utf-8")
        table: dict[str, Any] = tomllib.loads(text)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="name a site profile") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}", hint="mend that line") from None
    return table
