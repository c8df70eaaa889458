"""The page as a WSGI application: finds the route, the visitor and the answer, and sends as little as possible.

A view runs only where something has changed since the browser asked before: the ETag is made of the change marker of
the database, of what the process knows of itself, and of who asks.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from http import HTTPStatus
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from alerter import __version__
from alerter.errors import StoreError
from alerter.queries.overview import Overview, OverviewCache, load_overview, overdue_text
from alerter.queries.sparklines import SparklineCache
from alerter.storage import ReadLimit
from alerter.web.context import Screen, SiteSources, View
from alerter.web.render import Renderer, url_key
from alerter.web.request import HttpError, Response, WebRequest, compress, read_body
from alerter.web.router import Need, Router, WebRoute
from alerter.web.routes import NAVIGATION, ROUTES
from alerter.web.security import Gate, Visitor, check_origin
from alerter.web.static_files import PREFIX, StaticFiles
from alerter.web.wire import dump

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

    from alerter.config import Config
    from alerter.storage import ChangeMarker

log = logging.getLogger(__name__)

#: Of the server's threads pages take no more than this, so that one always answers `/healthz` and `/metrics`.
MAX_VIEWS: Final = 3
#: How long a page may read the database, in seconds: what takes longer is interrupted, and the page says so.
MAX_READ_SECONDS: Final = 2.0
#: What a page shows may also change by the clock alone, such as a silence that ends: it is made again after this.
_CLOCK_SECONDS: Final = 60
#: How long small charts may be read for one list, in seconds.
_PEAKS_BUDGET_SECONDS: Final = 0.08


class Site:
    """The page and its API.

    Args:
        sources: Where it gets what it shows.
    """

    def __init__(self, sources: SiteSources) -> None:
        self._sources = sources
        self._static = StaticFiles()
        self._renderer = Renderer(self._static.url)
        self._router = Router(ROUTES)
        self._marker: ChangeMarker = sources.store.change_marker(sources.seconds)
        self._overviews = OverviewCache(sources.seconds, self._load_overview)
        self._sparklines = SparklineCache(sources.seconds)
        self._views = BoundedSemaphore(MAX_VIEWS)
        self._limit = ReadLimit(MAX_READ_SECONDS, sources.seconds)
        self._gate_lock = Lock()
        self._gate: tuple[object, Gate] | None = None

    def close(self) -> None:
        """Give back what it holds of the database."""
        self._marker.close()

    def respond(self, environ: "WSGIEnvironment") -> Response:
        """Return the answer to a request."""
        request = WebRequest(method=environ["REQUEST_METHOD"], path="/")
        try:
            request = WebRequest.of(environ)
            response = self._respond(request, environ)
        except HttpError as error:
            response = self._error(request, error)
        except StoreError as error:
            log.warning("database unavailable for the page: %s", error)
            response = self._error(request, HttpError(503, f"the database does not answer: {error}"))
        compress(request, response)
        return response

    def _respond(self, request: WebRequest, environ: "WSGIEnvironment") -> Response:
        if request.path.startswith(f"/{PREFIX}") and request.is_read:
            return self._static.respond(request, request.path.removeprefix(f"/{PREFIX}"))
        route, values = self._router.find(request.method, request.path)
        visitor = self._identify(request)
        check_origin(request, is_token=visitor.is_token, public_url=self._sources.config().service.public_url)
        if not request.is_read and request.path.startswith("/api/") and not visitor.is_token:
            raise HttpError(401, "expected a token to act by the API", headers={"WWW-Authenticate": "Bearer"})
        if not visitor.may(route.need):
            raise HttpError(403, _refusal(visitor, route.need))
        if not request.is_read:
            request = _with_body(request, read_body(environ, route.max_body_bytes))
        if not self._views.acquire(blocking=False):
            raise HttpError(503, "too many pages at the same time: try again", headers={"Retry-After": "1"})
        try:
            return self._view(route, values, request, visitor)
        finally:
            self._views.release()

    def _identify(self, request: WebRequest) -> Visitor:
        config = self._sources.config().web
        with self._gate_lock:
            if self._gate is None or self._gate[0] is not config:
                self._gate = config, Gate(config, self._sources.seconds)
            gate = self._gate[1]
        return gate.identify(request)

    def _view(self, route: WebRoute, values: Mapping[str, str], request: WebRequest, visitor: Visitor) -> Response:
        version = self._version()
        etag = self._etag(request, visitor, version) if request.is_read and route.is_live else ""
        if etag and etag in request.headers.get("if-none-match", ""):
            return Response(status=304, headers=_caching(etag, self._sources.config().web.user_header))
        config, now = self._sources.config(), self._sources.clock()
        with self._sources.store.read(self._limit) as reader:
            overview, is_current = self._overviews.get(reader, config, version=version, now=now)
            view = View(
                request=request,
                visitor=visitor,
                reader=reader,
                config=config,
                sources=self._sources,
                overview=overview,
                now=now,
                peaks=lambda tenants: self._sparklines.get(
                    reader, config, tenants, budget_seconds=_PEAKS_BUDGET_SECONDS, now=now
                ),
            )
            found = route.view(view, **values)
            response = found if isinstance(found, Response) else self._page(view, found)
        is_whole = is_current and (not isinstance(found, Screen) or found.is_complete)
        if etag and is_whole and response.status == HTTPStatus.OK:
            response.headers += _caching(etag, config.web.user_header)
        elif not response.header("Cache-Control"):
            response.headers.append(("Cache-Control", "no-store"))
        return response

    def _load_overview(self, config: "Config", now: datetime) -> Overview:
        with self._sources.store.read() as reader:
            return load_overview(reader, config, now=now)

    def _version(self) -> tuple[object, ...]:
        record = self._sources.health.configuration()
        loaded = None if record is None else (record.loaded_at, record.is_in_force)
        return self._marker(), self._sources.problems(), loaded

    def _etag(self, request: WebRequest, visitor: Visitor, version: tuple[object, ...]) -> str:
        minute = int(self._sources.clock().timestamp()) // _CLOCK_SECONDS
        parts = (__version__, version, minute, visitor.name, sorted(visitor.can), request.path, request.query)
        return f'"{sha256(repr(parts).encode()).hexdigest()[:24]}"'

    def _page(self, view: View, screen: Screen) -> Response:
        content = self._renderer.render(
            screen.template, {**self._frame(view, screen), **screen.values}, root=view.request.root, zone=view.zone
        )
        return Response(status=screen.status, content=content)

    def _frame(self, view: View, screen: Screen) -> dict[str, Any]:
        """Return what every screen shows in its head and foot."""
        overview = view.overview
        return {
            "title": screen.title,
            "section": screen.section,
            "refresh": screen.refresh,
            "navigation": [each for each in NAVIGATION if view.is_many or each[1] != "tenants"],
            "scheme": view.choice("scheme", ("", "dark", "light")),
            "firing": list(overview.firing.items()),
            "firing_total": overview.firing_total,
            "newest_poll": overview.newest_poll,
            "has_polled": overview.newest_poll is not None,
            "problems": self._sources.problems(),
            "overdue": overdue_text(overview, view.config, now=view.now),
            "flash": [_DONE[each] for each in [view.request.first("done")] if each in _DONE],
            "zone": str(view.zone),
            "version": __version__,
            "fixed_now": view.now if self._sources.is_clock_fixed else None,
            "visitor": view.visitor,
            "can_act": view.visitor.can > {Need.READ},
            "can_ack": view.may(Need.ACK),
            "can_silence": view.may(Need.SILENCE),
            "can_operate": view.may(Need.OPERATE),
            "many": view.is_many,
            "paged": bool(view.request.first("after")),
            "first_page": "?" + _query_without(view.request, "after"),
        }

    def _error(self, request: WebRequest, error: HttpError) -> Response:
        headers = [*error.headers.items(), ("Cache-Control", "no-store")]
        if request.path.startswith("/api/"):
            body: dict[str, object] = {"code": error.code, "message": error.message}
            body |= {"field": error.field} if error.field else {}
            body |= {"nearest": list(error.nearest)} if error.nearest else {}
            return Response(
                status=error.status, content=dump({"error": body}), content_type="application/json", headers=headers
            )
        values = {
            "title": HTTPStatus(error.status).phrase,
            "heading": _HEADINGS.get(error.status, HTTPStatus(error.status).phrase),
            "message": self._sources.redact(error.message),
            "nearest": [(name, f"{request.root}{_place_of(error.field)}{url_key(name)}") for name in error.nearest],
        }
        frame = {**_EMPTY_FRAME, "zone": str(self._sources.config().service.timezone), "version": __version__}
        content = self._renderer.render(
            "error.html", {**frame, **values}, root=request.root, zone=self._sources.config().service.timezone
        )
        return Response(status=error.status, content=content, headers=headers)


#: What `done=` says: nothing that a link could make up is shown as said by the service.
_DONE: Final[Mapping[str, str]] = {
    "acknowledged": "Acknowledged: nobody is reminded until it resolves or gets worse.",
    "unacknowledged": "The acknowledgement is taken back.",
    "silenced": "The silence holds from now on.",
    "expired": "The silence has ended.",
    "retried": "The delivery is tried again.",
    "tested": "The test message was sent to every target.",
}
_HEADINGS: Final = {
    400: "That was not understood",
    401: "Sign in",
    403: "Not allowed",
    404: "Not found",
    503: "Not available at the moment",
}
_EMPTY_FRAME: Final[Mapping[str, Any]] = {
    "section": "none", "refresh": False, "navigation": NAVIGATION, "scheme": "", "firing": [], "firing_total": 0,
    "newest_poll": None, "fixed_now": None, "has_polled": False, "problems": (), "overdue": "", "flash": [],
    "can_act": False,
    "visitor": Visitor(name="", can=frozenset(), address=""),
}  # fmt: skip


def _with_body(request: WebRequest, body: bytes) -> WebRequest:
    return WebRequest(
        method=request.method,
        path=request.path,
        query=request.query,
        headers=request.headers,
        peer=request.peer,
        scheme=request.scheme,
        body=body,
    )


def _caching(etag: str, user_header: str | None) -> list[tuple[str, str]]:
    vary = "Authorization" if user_header is None else f"Authorization, {user_header}"
    return [("Cache-Control", "private, no-cache"), ("ETag", etag), ("Vary", vary)]


def _refusal(visitor: Visitor, need: Need) -> str:
    what = {"ack": "acknowledge", "silence": "silence", "operate": "do this", "read": "read"}[need]
    who = f"{visitor.name!r}" if visitor.name else "somebody who is not signed in"
    if visitor.is_token:
        return f"the token {who} may not {what}: it needs the scope {need}"
    return f"{who} may not {what}: only those in `operators` of [web] may"


def _query_without(request: WebRequest, name: str) -> str:
    return urlencode([(key, value) for key, value in request.query if key != name])


def _place_of(field: str) -> str:
    return "tenants/" if field == "tenant" else "rules/" if field == "rule" else ""
