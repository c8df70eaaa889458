"""The WSGI application: `/healthz` and `/metrics`, which change nothing and know no secret, and the page if it is on.

`Host` is checked, so that no page of another site can read ours by a name of its own that leads to this machine
(DNS rebinding). A request without one comes from no browser.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from alerter.config.models import WebConfig
from alerter.web.exposition import render_metrics
from alerter.web.families import build_registry
from alerter.web.security import SECURITY_HEADERS, is_expected_host, may_read_metrics
from alerter.web.sources import MetricsInput

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

    from alerter.web.request import Response

_METHODS: Final = ("GET", "HEAD")
_MISDIRECTED: Final = (
    b"expected a Host that is an IP address, localhost, this machine's name, the name in `public_url`,"
    b" or one of `hosts` in [web]\n"
)
_TEXT: Final = "text/plain; charset=utf-8"
#: For a person who opens a page in a browser: it shows text, of this moment, to nobody else's page.
_HEADERS: Final = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)


class WebResponse:
    """One answer: its status, the type of its content, and the content, which is made only when it is sent."""

    def __init__(self, status: str, content_type: str, content: Iterable[bytes], **headers: str) -> None:
        self.status = status
        self.content = content
        self.headers = [("Content-Type", content_type), *headers.items(), *_HEADERS]


class WebApp:
    """The application.

    Args:
        sources: Where the pages get what they show.
        hosts: Returns the names by which it may be asked, besides any address.
        web: Returns `[web]`, whose tokens may hide `/metrics`.
        site: Answers everything else; None where there is no page.
    """

    def __init__(
        self,
        sources: MetricsInput,
        hosts: Callable[[], Collection[str]],
        web: Callable[[], WebConfig] = WebConfig,
        site: "Callable[[WSGIEnvironment], Response] | None" = None,
    ) -> None:
        self._sources = sources
        self._hosts = hosts
        self._web = web
        self._site = site
        self._registry = build_registry(sources)
        self._pages: Mapping[str, Callable[[bool], WebResponse]] = {
            "/healthz": self._healthz,
            "/metrics": self._metrics,
        }

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request, as WSGI has it."""
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        if not is_expected_host(environ.get("HTTP_HOST"), self._hosts()):
            answer = WebResponse("421 Misdirected Request", _TEXT, [_MISDIRECTED])
        elif self._site is not None and path not in self._pages:
            return _send(self._site(environ), start_response, is_head=method == "HEAD")
        else:
            may_read = may_read_metrics(self._web(), environ.get("HTTP_AUTHORIZATION", ""))
            answer = self._answer(method, path, may_read=may_read)
        start_response(answer.status, answer.headers)
        return () if method == "HEAD" else answer.content

    def _answer(self, method: str, path: str, *, may_read: bool) -> WebResponse:
        page = self._pages.get(path)
        if page is None:
            return WebResponse("404 Not Found", _TEXT, [f"there is {' and '.join(self._pages)}\n".encode()])
        if method not in _METHODS:
            return WebResponse("405 Method Not Allowed", _TEXT, [b"GET or HEAD\n"], Allow=", ".join(_METHODS))
        return page(may_read)

    def _healthz(self, may_read: bool) -> WebResponse:  # noqa: FBT001 - one of two of a kind
        reasons = self._sources.problems()
        state: dict[str, object] = {"status": "failing" if reasons else "ok"}
        if may_read:  # a probe needs the status alone
            state |= {"reasons": reasons} if reasons else {}
            state |= {"tenants": self._sources.health.tenant_count()}
        content = json.dumps(state, ensure_ascii=False) + "\n"
        return WebResponse("503 Service Unavailable" if reasons else "200 OK", "application/json", [content.encode()])

    def _metrics(self, may_read: bool) -> WebResponse:  # noqa: FBT001 - as above
        if not may_read:
            text = b"expected the header Authorization: Bearer with a token of the scope metrics or read\n"
            return WebResponse("401 Unauthorized", _TEXT, [text], **{"WWW-Authenticate": "Bearer"})
        return WebResponse("200 OK", CONTENT_TYPE_LATEST, self._pieces())

    def _pieces(self) -> Iterator[bytes]:
        yield generate_latest(self._registry)
        yield from render_metrics(self._sources.health.tenants(), self._sources.labels())


def _send(response: "Response", start_response: "StartResponse", *, is_head: bool) -> Iterable[bytes]:
    headers = [*response.headers, *SECURITY_HEADERS]
    if response.content:
        headers.append(("Content-Length", str(len(response.content))))
    if response.content or response.status == HTTPStatus.OK:
        headers.append(("Content-Type", response.content_type))
    start_response(response.status_line(), headers)
    return () if is_head or not response.content else (response.content,)
