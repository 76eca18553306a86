"""Answers of an index: whole, in time, of a bounded size, and from http or https only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urljoin, urlsplit

from envtool import __version__
from envtool.fact import Fact
from envtool.machine import Absent, Found, Unknown
from envtool.update.settings import shown

if TYPE_CHECKING:
    import requests

T = TypeVar("T")
R = TypeVar("R")

WORKERS = 8
REDIRECTS = 5
CHUNK = 64 * 1024


class NotReadError(Exception):
    """An answer that can't be used; the text says why, without a secret in it."""

    def __init__(self, reason: str, *, absent: bool = False) -> None:
        super().__init__(reason)
        self.absent = absent  # there is no such page, and the server said so


@dataclass(frozen=True, eq=False, repr=False)
class Answer(Fact):
    """What came back, and from where after redirects."""

    url: str
    content_type: str
    body: bytes
    total: int | None  # of the whole file, where a range was asked for


class Client:
    """Asks indexes. ``seconds`` bounds one answer, ``deadline`` all (by ``time.monotonic``)."""

    def __init__(self, *, certificates: str | None, seconds: float, deadline: float, index_url: str = "") -> None:
        self._certificates = certificates
        self._seconds = seconds
        self._deadline = deadline
        self._local = threading.local()
        user, _, self._place = urlsplit(index_url).netloc.rpartition("@")
        self._user: tuple[str, str] | None = None
        if user:  # files on the index's own host need what its address holds, also where a page doesn't repeat it
            name, _, password = user.partition(":")
            self._user = (unquote(name), unquote(password))

    def get(self, url: str, *, accept: str, limit: int, span: str | None = None) -> Answer:
        """One answer. ``span`` is a range, "0-99" or "-100"; a server that would send the whole file is refused."""
        left = min(self._seconds, self._deadline - time.monotonic())
        if left <= 0:
            raise NotReadError("the time was up")
        session, until = self._session(), time.monotonic() + left
        box: list[Answer | BaseException] = []

        def ask() -> None:
            try:
                box.append(self._follow(session, url, accept, limit, span, until))
            except BaseException as error:  # noqa: BLE001 - it is raised again where it is waited for
                box.append(error)

        # A thread of its own: neither a name server nor an answer that drips has a time limit that can be set.
        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(left + 0.2)
        if not box:
            self._local.session = None  # it is still in use by the thread that is given up
            raise NotReadError(f"gave no whole answer within {left:.0f} s")
        if isinstance(box[0], BaseException):
            raise box[0]
        return box[0]

    def _session(self) -> requests.Session:
        if getattr(self._local, "session", None) is None:
            import requests

            self._local.session = requests.Session()
            self._local.session.headers["User-Agent"] = f"envtool/{__version__}"
        session: requests.Session = self._local.session
        return session

    def _follow(
        self, session: requests.Session, url: str, accept: str, limit: int, span: str | None, until: float
    ) -> Answer:
        import requests

        headers = {"Accept": accept, "Accept-Encoding": "identity", **({"Range": f"bytes={span}"} if span else {})}
        for _ in range(REDIRECTS + 1):
            _allowed(url)
            try:
                own = self._user if urlsplit(url).netloc == self._place else None
                with session.get(url, headers=headers, auth=own, stream=True, allow_redirects=False,
                                 verify=self._certificates, timeout=(10, self._seconds + 5)) as response:  # fmt: skip
                    target = response.headers.get("Location") if response.is_redirect else None
                    if target is None:
                        return _read(response, url, limit, span, until)
            except (requests.RequestException, OSError, ValueError) as error:
                raise NotReadError(_words(error)) from None
            secure, url = url.startswith("https:"), urljoin(url, target)
            if secure and not url.startswith("https:"):
                raise NotReadError("sent us on from https to something else")
        raise NotReadError("sent us on and on")


def _allowed(url: str) -> None:
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        scheme = ""
    if scheme not in {"http", "https"}:
        raise NotReadError("sent us to an address that is neither http nor https")


def _read(response: requests.Response, url: str, limit: int, span: str | None, until: float) -> Answer:
    if span and response.status_code == 200:
        raise NotReadError("does not answer range requests")
    if response.status_code != (206 if span else 200):
        raise NotReadError(f"answered {response.status_code}", absent=response.status_code in {404, 410})
    if response.headers.get("Content-Encoding", "identity").lower() not in {"", "identity"}:
        raise NotReadError("compressed its answer, though not asked to")
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and int(length[:20]) > limit:
        raise NotReadError(f"answered more than {limit} bytes")
    body = bytearray()
    for chunk in response.iter_content(CHUNK):
        body += chunk
        if len(body) > limit:
            raise NotReadError(f"answered more than {limit} bytes")
        if time.monotonic() > until:
            raise NotReadError("was too slow")
    if length.isdecimal() and len(body) != int(length):
        raise NotReadError("broke off its answer")
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return Answer(url, kind, bytes(body), _total(response, span))


def _total(response: requests.Response, span: str | None) -> int | None:
    total = response.headers.get("Content-Range", "").rpartition("/")[2]
    if span is None:
        return None
    if not total.isdecimal() or len(total) > 15:
        raise NotReadError("did not say which range it sent")
    return int(total)


def _words(error: Exception) -> str:
    """What went wrong, in our words: those of requests may hold the whole address."""
    import requests

    if isinstance(error, requests.exceptions.SSLError):
        return "has a certificate that is not trusted; REQUESTS_CA_BUNDLE or PIP_CERT names a bundle"
    if isinstance(error, requests.exceptions.ProxyError):
        return "cannot be reached through the proxy that is set"
    if isinstance(error, requests.Timeout):
        return "did not answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "broke off its answer"
    if isinstance(error, requests.ConnectionError):
        return "cannot be reached"
    return f"gave an answer that can't be read ({type(error).__name__})"


def side_by_side(work: Callable[[T], R], items: Iterable[T], tell: Callable[[str], None]) -> Iterator[R]:
    """``work`` on every item, in a few threads, the results in the order of the items."""
    jobs: SimpleQueue[tuple[int, T]] = SimpleQueue()
    count = 0
    for index, item in enumerate(items):
        jobs.put((index, item))
        count += 1
    done: SimpleQueue[tuple[int, R | BaseException]] = SimpleQueue()

    def run() -> None:
        while True:
            try:
                index, item = jobs.get_nowait()
            except Empty:
                return
            try:
                done.put((index, work(item)))
            except BaseException as error:  # noqa: BLE001 - raised again below
                done.put((index, error))

    for _ in range(min(WORKERS, count)):
        threading.Thread(target=run, daemon=True).start()
    results: dict[int, R] = {}
    for number in range(count):
        index, result = _waited(done)
        if isinstance(result, BaseException):
            raise result
        results[index] = result
        if (number + 1) % 25 == 0:
            tell(f"{number + 1} of {count}")
    return iter([results[index] for index in range(count)])


def _waited(queue: SimpleQueue[T]) -> T:
    """The next entry; on Windows, only a wait with an end lets Ctrl+C through."""
    while True:
        try:
            return queue.get(timeout=1)
        except Empty:
            continue


def attempt(what: str, url: str, ask: Callable[[], R]) -> Found[R] | Absent | Unknown:
    """The answer, that there is none, or why there is none, with the address that was asked."""
    try:
        return Found(ask())
    except NotReadError as error:
        told = f"{what} at {shown(url)}: {error}"
        return Absent(told) if error.absent else Unknown(told)


def no_tell(_: str) -> None:
    """Tells nobody."""
