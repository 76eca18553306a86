"""Which package index to ask, by the settings of pip and uv, and which certificates to trust."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from envtool.errors import UsageError
from envtool.fact import Fact


@dataclass(frozen=True, eq=False, repr=False)
class Settings(Fact):
    """``told_by``: where the index was named. ``certificates``: a bundle, None for that of requests."""

    index_url: str
    told_by: str
    certificates: str | None = None

    def __repr__(self) -> str:
        return f"Settings({shown(self.index_url)!r}, {self.told_by!r})"


def shown(url: str) -> str:
    """An address without what may be secret: user, password, query and fragment."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "(an address that can't be read)"
    text = urlunsplit((parts.scheme, host, parts.path, "", ""))
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def find_settings(environ: Mapping[str, str], folder: str, *, chosen: str | None = None) -> Settings:
    """The first that is told: the option, the environment, pip's files, uv's files, PyPI."""
    pip = pip_settings(environ)
    certificates = told_certificates(environ)
    for url, told_by in _told(environ, folder, pip, chosen):
        if not urlsplit_or_none(url):
            message = f"{told_by} names {shown(url)} as the package index; only http and https can be read"
            raise UsageError(message, hint="name one with --index-url")
        return Settings(url.rstrip("/"), told_by, certificates)
    from pypi_simple import PYPI_SIMPLE_ENDPOINT

    return Settings(PYPI_SIMPLE_ENDPOINT.rstrip("/"), "default", certificates)


def told_certificates(environ: Mapping[str, str]) -> str | None:
    """The bundle of certificates that pip's settings or the environment name, None for the usual ones."""
    return next((path for path in (
        environ.get("PIP_CERT"), pip_settings(environ).get("cert", ("", ""))[0], environ.get("REQUESTS_CA_BUNDLE"),
        environ.get("CURL_CA_BUNDLE"), environ.get("SSL_CERT_FILE"),
    ) if path), None)  # fmt: skip


def uv_names_an_index(environ: Mapping[str, str], folder: str) -> bool:
    """Do uv's own settings say which package index to use?"""
    if environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL"):
        return True
    return not environ.get("UV_NO_CONFIG") and next(_uv_files(environ, folder), None) is not None


def urlsplit_or_none(url: str) -> str | None:
    """The host of an http or https address, None for any other."""
    try:
        parts = urlsplit(url)
        return parts.hostname if parts.scheme in {"http", "https"} else None
    except ValueError:
        return None


def _told(
    environ: Mapping[str, str], folder: str, pip: Mapping[str, tuple[str, str]], chosen: str | None
) -> Iterator[tuple[str, str]]:
    if chosen:
        yield chosen, "--index-url"
    for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        if environ.get(name):
            yield environ[name].rpartition("=")[2] if _named(environ[name]) else environ[name], name
    if "index-url" in pip:
        yield pip["index-url"]
    if not environ.get("UV_NO_CONFIG"):
        yield from _uv_files(environ, folder)


def _named(text: str) -> bool:
    """uv takes ``name=https://…``."""
    return "=" in text.partition("://")[0]


# ── pip ──────────────────────────────────────────────────────────────────────────────────────────


def pip_settings(environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The values of pip's files and where they stand; a later file overrides an earlier one."""
    import configparser

    found: dict[str, tuple[str, str]] = {}
    for path in _pip_paths(environ):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue  # pip itself complains about it
        for section in ("global", "install"):
            if parser.has_section(section):
                found |= {key.replace("_", "-"): (value.strip(), path) for key, value in parser.items(section) if value}
    return found


def _pip_paths(environ: Mapping[str, str]) -> list[str]:
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        paths = [os.path.join(environ.get("PROGRAMDATA", "C:\\ProgramData"), "pip", "pip.ini")]
        paths += [os.path.join(home, "pip", "pip.ini")]
        paths += [os.path.join(environ.get("APPDATA", home), "pip", "pip.ini"), os.path.join(sys.prefix, "pip.ini")]
        return [*paths, *([named] if named else [])]
    paths = [
        os.path.join(folder, "pip", "pip.conf")
        for folder in reversed(environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep))
    ]
    paths += ["/etc/pip.conf", os.path.join(home, ".pip", "pip.conf")]
    if sys.platform == "darwin":
        paths.insert(0, "/Library/Application Support/pip/pip.conf")
        paths.append(os.path.join(home, "Library", "Application Support", "pip", "pip.conf"))
    config = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    paths += [os.path.join(config, "pip", "pip.conf"), os.path.join(sys.prefix, "pip.conf")]
    return [*paths, *([named] if named else [])]


# ── uv ───────────────────────────────────────────────────────────────────────────────────────────


def _uv_files(environ: Mapping[str, str], folder: str) -> Iterator[tuple[str, str]]:
    """The default index of the project's file, then of the user's and the system's."""
    for path in _uv_paths(environ, folder):
        content = _toml(path)
        if os.path.basename(path) == "pyproject.toml":
            tool = content.get("tool")
            content = tool.get("uv", {}) if isinstance(tool, dict) else {}
        url = _default_index(content) if isinstance(content, dict) else None
        if url:
            yield url, path


def _uv_paths(environ: Mapping[str, str], folder: str) -> Iterator[str]:
    if environ.get("UV_CONFIG_FILE"):
        yield environ["UV_CONFIG_FILE"]
        return
    while True:
        yield os.path.join(folder, "uv.toml")
        yield os.path.join(folder, "pyproject.toml")
        parent = os.path.dirname(folder)
        if parent == folder:
            break
        folder = parent
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        yield os.path.join(environ.get("APPDATA", home), "uv", "uv.toml")
        yield os.path.join(environ.get("PROGRAMDATA", "C:\\ProgramData"), "uv", "uv.toml")
        return
    yield os.path.join(environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config"), "uv", "uv.toml")
    yield "/etc/uv/uv.toml"


def _default_index(content: Mapping[str, object]) -> str | None:
    indexes = content.get("index")
    for index in indexes if isinstance(indexes, list) else []:
        if isinstance(index, dict) and index.get("default") is True and isinstance(index.get("url"), str):
            return str(index["url"])
    url = content.get("index-url")
    return url if isinstance(url, str) else None


def _toml(path: str) -> dict[str, object]:
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib
    try:
        with open(path, "rb") as file:
            return dict(tomllib.load(file))
    except (OSError, ValueError):
        return {}
