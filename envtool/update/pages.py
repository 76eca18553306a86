"""Pages of a package index, JSON or HTML, read by pypi-simple; what it gives is checked before it is believed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

from envtool.fact import Fact
from envtool.update.client import Answer, Client, NotReadError
from envtool.update.names import WheelName, is_variant, read_name

if TYPE_CHECKING:
    from pypi_simple import DistributionPackage, RepositoryPage

T = TypeVar("T")

JSON = "application/vnd.pypi.simple.v1+json"
HTML = ("text/html", "application/vnd.pypi.simple.v1+html")
ACCEPT = f"{JSON}, {HTML[1]};q=0.2, text/html;q=0.1"
LARGEST = {JSON: 32 * 1024 * 1024, "html": 6 * 1024 * 1024}
MOST = 50_000  # files of one project


@dataclass(frozen=True, eq=False, repr=False)
class WheelFile(Fact):
    """A wheel as a page offers it. ``metadata``: is there a file of its metadata? None where the page doesn't say."""

    name: WheelName
    filename: str
    url: str
    requires_python: str | None
    yanked: bool
    date: str | None
    metadata: bool | None
    metadata_sha256: str | None


def project_page(client: Client, index_url: str, package: str) -> tuple[WheelFile, ...]:
    """The wheels of stable releases of a package; NotReadError where there are none."""
    answer = client.get(f"{index_url.rstrip('/')}/{package}/", accept=ACCEPT, limit=LARGEST[JSON])
    found = tuple(_wheels(_packages(answer, package), package, answer.url))
    if not found:
        raise NotReadError(f"lists no wheel of {package}")
    return found


def variants_listed(client: Client, root: str) -> tuple[str, ...]:
    """The variants that the front page of the PyTorch index links to."""
    from pypi_simple import RepositoryPage

    answer = client.get(f"{root.rstrip('/')}/", accept="text/html", limit=LARGEST["html"])
    if answer.content_type not in HTML:
        raise NotReadError(f"answered {answer.content_type[:60]!r}, which is no page of an index")
    page: RepositoryPage = _guarded(lambda: RepositoryPage.from_html(answer.body, base_url=answer.url))
    names = {urlsplit(link.url).path.rstrip("/").rpartition("/")[2] for link in page.links}
    return tuple(sorted(name for name in names if is_variant(name)))


def _packages(answer: Answer, package: str) -> list[DistributionPackage]:
    from pypi_simple import ProjectPage

    if answer.content_type == JSON:
        return _guarded(lambda: ProjectPage.from_json_data(json.loads(answer.body), base_url=answer.url).packages)
    if answer.content_type not in HTML:
        raise NotReadError(f"answered {answer.content_type[:60]!r}, which is no page of an index")
    if len(answer.body) > LARGEST["html"]:
        raise NotReadError(f"answered more than {LARGEST['html']} bytes of HTML")
    return _guarded(lambda: ProjectPage.from_html(package, answer.body, base_url=answer.url).packages)


def _guarded(read: Callable[[], T]) -> T:
    """Whatever a parser does with a body that nobody foresaw, it is a body that can't be read."""
    try:
        return read()
    except Exception as error:  # noqa: BLE001
        raise NotReadError(f"answered what can't be read ({type(error).__name__})") from None


def _wheels(packages: Iterable[DistributionPackage], package: str, page_url: str) -> Iterable[WheelFile]:
    secure = page_url.startswith("https:")
    for number, offered in enumerate(packages):
        if number >= MOST:
            raise NotReadError(f"lists more than {MOST} files")
        filename = unquote(offered.filename)
        name = read_name(filename, package)
        if name is None or not _fetchable(offered.url, secure):
            continue
        uploaded = offered.upload_time
        yield WheelFile(
            name, filename, offered.url, _specifier(offered.requires_python), bool(offered.is_yanked),
            uploaded.date().isoformat() if uploaded else None, offered.has_metadata,
            (offered.metadata_digests or {}).get("sha256"),
        )  # fmt: skip


def _fetchable(url: str, secure: bool) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and parts.scheme in ({"https"} if secure else {"http", "https"})


def _specifier(text: str | None) -> str | None:
    """Requires-Python, None where it is missing or not one."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    if not text or len(text) > 100:
        return None
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        return None
    return "".join(text.split())
