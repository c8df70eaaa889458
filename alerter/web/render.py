"""Templates: Jinja2 with every value escaped, every name on one line, and no value that may be missing."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from alerter.core.selectors import shown
from alerter.core.series import ALL_REASONS, ALL_TENANTS
from alerter.humanize import duration_text
from alerter.storage.encoding import build_digest

#: A name that is longer, or that a path could not carry, stands in it as its digest.
MAX_KEY_CHARACTERS: Final = 80


def url_key(name: str) -> str:
    """Return what stands for a name in a path: itself, percent-encoded, or its digest.

    WSGI decodes `%2F` before anybody sees it, and browsers fold `.` and `..`.
    """
    is_plain = len(name) <= MAX_KEY_CHARACTERS and "/" not in name and name.isprintable() and name.strip(".") != ""
    return quote(name, safe="") if is_plain else build_digest(name)


def trusted(svg: str) -> Markup:
    """Return a drawing of `core.charts`, which escapes what it is made of, as it is."""
    return Markup(svg)  # noqa: S704 - see above


class Renderer:
    """Fills in templates.

    Args:
        static: Returns the way from the root to a static file.
    """

    def __init__(self, static: Callable[[str], str]) -> None:
        self._static = static
        self._environment = Environment(
            loader=PackageLoader("alerter.web", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters.update(
            shown=lambda value: shown(str(value)),
            reason=lambda value: "all hold reasons" if value == ALL_REASONS else shown(str(value)),
            tenant=lambda value: "all tenants" if value == ALL_TENANTS else shown(str(value)),
            key=url_key,
            count=lambda value: f"{value:,}",
            span=duration_text,
            iso=_iso,
            local=_local,
        )

    def render(self, template: str, values: Mapping[str, Any], *, root: str, zone: tzinfo) -> bytes:
        """Return a page.

        Args:
            template: Its file.
            values: What it shows.
            root: The way from the page to the root.
            zone: In which its times are read.
        """
        common = {"root": root, "static": lambda name: root + self._static(name), "zone_info": zone}
        return self._environment.get_template(template).render({**common, **values}).encode()


@pass_context
def _local(context: Context, at: datetime) -> str:
    return local_text(at, context["zone_info"])


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def local_text(at: datetime, zone: tzinfo) -> str:
    """Return an instant as a page shows it, to the minute."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}"
