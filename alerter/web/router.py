"""The routes as one table: which view answers a path, by which methods, and who may ask.

A view is a function of a request and of what is known; `views` has one module for each screen.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from alerter.web.request import HttpError


class Need(StrEnum):
    """What somebody must be allowed to do for a route: the scopes of a token, and `view` for the page."""

    READ = "read"
    ACK = "ack"
    SILENCE = "silence"
    OPERATE = "operate"


@dataclass(frozen=True)
class WebRoute:
    """One route.

    Attributes:
        method: `GET` (which answers `HEAD` as well), `POST` or `DELETE`.
        pattern: A path in which `{name}` is one segment.
        view: What answers it.
        need: What is asked of who asks.
        max_body_bytes: The largest body.
        is_live: Whether the response depends on what is stored, so that it has an ETag and is asked for again.
    """

    method: str
    pattern: str
    view: Callable[..., Any]
    need: Need = Need.READ
    max_body_bytes: int = 16_384
    is_live: bool = True

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(self.pattern)))

    def match(self, path: str) -> Mapping[str, str] | None:
        """Return the values of a path's segments, or None where it is another path."""
        found = self._regex.fullmatch(path)
        return None if found is None else found.groupdict()


class Router:
    """Finds the route of a request.

    Args:
        routes: All of them; the first that matches answers.
    """

    def __init__(self, routes: Sequence[WebRoute]) -> None:
        self.routes = tuple(routes)

    def find(self, method: str, path: str) -> tuple[WebRoute, Mapping[str, str]]:
        """Return the route of a request, and the values of its path's segments.

        Raises:
            HttpError: There is no such path, or not by this method.
        """
        found = [(route, values) for route in self.routes if (values := route.match(path)) is not None]
        if not found:
            raise HttpError(404, "there is no such page")
        asked = "GET" if method == "HEAD" else method
        for route, values in found:
            if route.method == asked:
                return route, values
        allowed = sorted(
            {route.method for route, _ in found} | ({"HEAD"} if any(r.method == "GET" for r, _ in found) else set())
        )
        raise HttpError(405, f"expected {' or '.join(allowed)}, found {method}", headers={"Allow": ", ".join(allowed)})
