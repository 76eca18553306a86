"""What an environment's own folder of packages holds, by its metadata, and whether the files are all there."""

from __future__ import annotations

import os
from dataclasses import dataclass

from envtool.fact import Fact


@dataclass(frozen=True, eq=False, repr=False)
class Installed(Fact):
    """One distribution. ``copies``: of its name in this folder; more than one is damage."""

    name: str
    version: str
    requires: tuple[str, ...]
    folder: str  # of its metadata
    copies: int = 1
    editable: str | None = None  # the folder of sources that it is installed from, as it stands


def read_installed(site_packages: str | None) -> dict[str, Installed]:
    """Every distribution by its normalised name; none where there is no such folder."""
    if site_packages is None or not os.path.isdir(site_packages):
        return {}
    from importlib.metadata import distributions

    from packaging.utils import canonicalize_name

    found: dict[str, Installed] = {}
    for one in distributions(path=[site_packages]):
        metadata = one.metadata
        name = metadata["Name"] if metadata is not None else None
        if not name:
            continue
        key = canonicalize_name(name)
        folder = str(getattr(one, "_path", site_packages))
        copies = found[key].copies + 1 if key in found else 1
        requires, sources = tuple(one.requires or ()), _sources(one.read_text("direct_url.json"))
        found[key] = Installed(key, metadata["Version"] or "", requires, folder, copies, sources)
    return found


def _sources(direct_url: str | None) -> str | None:
    """The folder of an editable installation, by what pip and uv write down of it (PEP 610)."""
    if direct_url is None:
        return None
    import json
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    try:
        told = json.loads(direct_url)
        editable = told["dir_info"].get("editable", False)
        return os.path.realpath(url2pathname(urlsplit(told["url"]).path)) if editable else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def missing_file(installed: Installed, *, imported: bool = False) -> str | None:
    """The first file of its RECORD that is not there in the length it had, None where all are.

    ``imported``: only what lies beside the packages counts, and no program or manual page.
    """
    import csv

    root = os.path.dirname(installed.folder)
    try:
        with open(os.path.join(installed.folder, "RECORD"), encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error):
        return os.path.join(installed.folder, "RECORD")
    for row in rows:
        if len(row) < 3 or row[0].endswith(".pyc") or (imported and row[0].startswith("..")):
            continue
        try:
            size = os.stat(os.path.join(root, row[0])).st_size
        except OSError:
            return row[0]
        if row[2].isdecimal() and int(row[2]) != size and not row[0].endswith(("RECORD", ".py")):
            return row[0]
    return None
