"""One request as the page reads it, and one response; nothing of WSGI is needed beyond this module."""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

#: A query longer than this is not read.
MAX_QUERY_BYTES: Final = 8192
#: The largest form or JSON, in bytes; rules to try may be longer.
MAX_BODY_BYTES: Final = 16_384
#: Responses from this size on are compressed, in bytes.
MIN_GZIP_BYTES: Final = 1024

HTML: Final = "text/html; charset=utf-8"
JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"


class HttpError(Exception):
    """A request that cannot be answered as asked.

    Args:
        status: The HTTP status.
        message: One sentence for people: what was found, what was expected.
        code: The same for a program.
        field: Which part of the request it is about; empty for none.
        nearest: Names that may have been meant.
        headers: What the response needs besides.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = "",
        field: str = "",
        nearest: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code or HTTPStatus(status).phrase.lower().replace(" ", "_").replace("-", "_")
        self.field = field
        self.nearest = tuple(nearest)
        self.headers = dict(headers or {})


@dataclass(frozen=True, kw_only=True)
class WebRequest:
    """A request.

    Attributes:
        method: Such as `GET`.
        path: Decoded, beginning with a slash.
        query: The parameters in their order, decoded.
        headers: By lower-case name.
        peer: The address of the other side; empty on a Unix socket.
        scheme: `http` or `https`.
        body: Read by `read_body`.
    """

    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    peer: str = ""
    scheme: str = "http"
    body: bytes = b""

    @classmethod
    def of(cls, environ: "WSGIEnvironment") -> "WebRequest":
        """Return the request of a WSGI environment, without its body.

        Raises:
            HttpError: The path is no UTF-8, or the query is too long.
        """
        query = environ.get("QUERY_STRING", "")
        if len(query) > MAX_QUERY_BYTES:
            raise HttpError(400, f"expected a query of at most {MAX_QUERY_BYTES:,} bytes, found {len(query):,}")
        try:
            path = environ.get("PATH_INFO", "").encode("latin-1").decode()
            parameters = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=100)
        except (UnicodeError, ValueError):
            raise HttpError(400, "expected a path and a query in UTF-8, with at most 100 parameters") from None
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
            for name, value in environ.items()
            if name.startswith("HTTP_") or name in ("CONTENT_TYPE", "CONTENT_LENGTH")
        }
        return cls(
            method=environ["REQUEST_METHOD"],
            path=path or "/",
            query=tuple(parameters),
            headers=headers,
            peer=environ.get("REMOTE_ADDR", "") or "",
            scheme=environ.get("wsgi.url_scheme", "http"),
        )

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing."""
        return self.method in ("GET", "HEAD")

    @cached_property
    def root(self) -> str:
        """The way from this path to the root, for links that hold below any prefix: `./`, `../`, `../../`."""
        return "../" * (self.path.count("/") - 1) or "./"

    def first(self, name: str) -> str:
        """Return the first value of a query parameter, without blanks around it; empty where there is none."""
        return next((value.strip() for key, value in self.query if key == name), "")

    def all(self, name: str) -> list[str]:
        """Return every value of a query parameter; one value may be several, separated by commas."""
        return [part.strip() for key, value in self.query if key == name for part in value.split(",") if part.strip()]

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """The labels of tenants that are wanted: parameters such as `label.tier=gold`."""
        return {key.removeprefix("label."): value for key, value in self.query if key.startswith("label.") and value}

    @cached_property
    def form(self) -> Mapping[str, Sequence[str]]:
        """The fields of the body.

        Raises:
            HttpError: It is no form.
        """
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/x-www-form-urlencoded":
            raise HttpError(415, f"expected a form, found {kind or 'no content type'}")
        fields: dict[str, list[str]] = {}
        try:
            pairs = parse_qsl(self.body.decode(), keep_blank_values=True, errors="strict", max_num_fields=100)
        except ValueError:
            raise HttpError(400, "expected a form in UTF-8, with at most 100 fields") from None
        for name, value in pairs:
            fields.setdefault(name, []).append(value)
        return fields

    def field(self, name: str) -> str:
        """Return a field of the form, without blanks around it; empty where there is none."""
        return next(iter(self.form.get(name, [""]))).strip()

    @cached_property
    def document(self) -> Mapping[str, Any]:
        """The JSON object of the body; an empty body is an empty object.

        Raises:
            HttpError: It is none.
        """
        if not self.body:
            return {}
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != JSON:
            raise HttpError(415, f"expected {JSON}, found {kind or 'no content type'}")
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            raise HttpError(400, "expected a JSON object, found something else") from None
        if not isinstance(found, dict):
            raise HttpError(400, f"expected a JSON object, found {type(found).__name__}")
        return found


def read_body(environ: "WSGIEnvironment", limit: int) -> bytes:
    """Return the body of a request.

    Raises:
        HttpError: It is too long.
    """
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:
        raise HttpError(400, "expected a number in Content-Length") from None
    if length > limit:
        raise HttpError(413, f"expected at most {limit:,} bytes, found {length:,}")
    body: bytes = environ["wsgi.input"].read(length) if length > 0 else b""
    return body


@dataclass(kw_only=True)
class Response:
    """A response that is complete in memory.

    Attributes:
        status: The HTTP status.
        content: What is sent.
        content_type: Its type.
        headers: Others, in their order.
    """

    status: int = 200
    content: bytes = b""
    content_type: str = HTML
    headers: list[tuple[str, str]] = field(default_factory=list)

    def header(self, name: str) -> str:
        """Return the value of a header; empty where there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def status_line(self) -> str:
        """Return the status as HTTP writes it."""
        return f"{self.status} {HTTPStatus(self.status).phrase}"


def redirect(location: str) -> Response:
    """Return a response after a form was taken: the browser asks for another path, by GET."""
    return Response(status=303, headers=[("Location", location), ("Cache-Control", "no-store")])


def json_response(value: object, *, status: int = 200) -> Response:
    """Return a value as JSON."""
    from alerter.web.wire import dump  # noqa: PLC0415 - imported where the page is

    return Response(status=status, content=dump(value), content_type=JSON)


def compress(request: WebRequest, response: Response) -> None:
    """Compress a response in place if the client takes that and it is worth it."""
    is_text = response.content_type.startswith(("text/", JSON, "image/svg"))
    if not is_text or len(response.content) < MIN_GZIP_BYTES or response.header("Content-Encoding"):
        return
    vary = response.header("Vary")
    response.headers = [each for each in response.headers if each[0] != "Vary"]
    response.headers.append(("Vary", f"{vary}, Accept-Encoding" if vary else "Accept-Encoding"))
    accepted = (part.partition(";") for part in request.headers.get("accept-encoding", "").split(","))
    if any(name.strip().lower() == "gzip" and weight.replace(" ", "") != "q=0" for name, _, weight in accepted):
        response.content = gzip.compress(response.content, compresslevel=5, mtime=0)
        response.headers.append(("Content-Encoding", "gzip"))
