"""Static files, named by their content: what has a name never changes, and may be kept for a year."""

import gzip
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from typing import Final

from alerter.web.request import HttpError, Response, WebRequest

PREFIX: Final = "static/"
_CACHING: Final = "public, max-age=31536000, immutable"
_TYPES: Final = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    compressed: bytes
    content_type: str


class StaticFiles:
    """The files in `static/`, read once."""

    def __init__(self) -> None:
        self._by_name: dict[str, _File] = {}
        self._hashed: dict[str, str] = {}
        self._read(files("alerter.web") / "static", "")

    @property
    def names(self) -> Mapping[str, str]:
        """The name in a URL of each file, relative to the root."""
        return self._hashed

    def url(self, name: str) -> str:
        """Return the way to a file from the root.

        Raises:
            KeyError: There is no such file.
        """
        return self._hashed[name]

    def respond(self, request: WebRequest, name: str) -> Response:
        """Return a file.

        Raises:
            HttpError: There is none of this name.
        """
        found = self._by_name.get(name)
        if found is None:
            raise HttpError(404, "there is no such file")
        headers = [("Cache-Control", _CACHING), ("Vary", "Accept-Encoding")]
        if "gzip" in request.headers.get("accept-encoding", "") and len(found.compressed) < len(found.content):
            headers.append(("Content-Encoding", "gzip"))
            return Response(content=found.compressed, content_type=found.content_type, headers=headers)
        return Response(content=found.content, content_type=found.content_type, headers=headers)

    def _read(self, folder: Traversable, path: str) -> None:
        for each in folder.iterdir():
            if each.is_dir():
                self._read(each, f"{path}{each.name}/")
            elif PurePosixPath(each.name).suffix in _TYPES:
                self._add(f"{path}{each.name}", each.read_bytes())

    def _add(self, name: str, content: bytes) -> None:
        path = PurePosixPath(name)
        hashed = str(path.with_name(f"{path.stem}.{sha256(content).hexdigest()[:12]}{path.suffix}"))
        kind = _TYPES.get(path.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        self._hashed[name] = f"{PREFIX}{hashed}"
        self._by_name[hashed] = _File(content, gzip.compress(content, mtime=0), kind)
