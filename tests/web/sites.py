"""A page over a real database, asked as WSGI asks: no socket, no browser."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from alerter.config import Config, ReceiverConfig, Secret, ServiceConfig, Target, TenantConfig
from alerter.config.models import WebConfig
from alerter.core.outbox import TargetName
from alerter.core.rules import Rule, with_no_data_rules
from alerter.core.series import HoldReason, Snapshot, Tenant
from alerter.errors import Cause, SourceError
from alerter.health import Health
from alerter.jobs.poll import poll
from alerter.service.alerting_config import build_alerting_config
from alerter.storage import Store
from alerter.web.context import SiteSources
from alerter.web.pages import WebApp
from alerter.web.site import Site
from tests.builders import NOON, a_level, a_receiver, a_rule
from tests.web.services import Seconds, sources_of

INTERVAL = timedelta(minutes=5)


@dataclass
class Response:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


@dataclass
class Scripted:
    """A source that answers with what it is told, or fails."""

    tenant: str
    counts: Mapping[str, int] | None
    at: datetime

    def fetch(self) -> Snapshot:
        """Return the counts."""
        if self.counts is None:
            raise SourceError(Cause.KEYS_EXPIRED, "HTTP 401: expired")
        return Snapshot(
            tenant=Tenant(self.tenant),
            taken_at=self.at,
            counts={HoldReason(reason): count for reason, count in self.counts.items()},
        )


@dataclass
class World:
    """A service with a page: its database, its clock, and what its actions did."""

    store: Store
    config: Config
    clock: datetime = NOON
    seconds: Seconds = field(default_factory=Seconds)
    deliveries_asked: int = 0
    tests_sent: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.health = Health(self.seconds)
        self.site = Site(
            SiteSources(
                store=self.store,
                config=lambda: self.config,
                alerting=lambda: build_alerting_config(self.config),
                health=self.health,
                problems=lambda: (),
                clock=lambda: self.clock,
                seconds=self.seconds,
                started_at=lambda: NOON,
                deliver=self._deliver,
                send_test=self._test,
                redact=lambda text: text.replace("sekrit", "***"),
            )
        )
        self.pages = WebApp(
            sources_of(self.health), hosts=lambda: ("localhost", "alerts.example"), site=self.site.respond
        )

    def _deliver(self) -> None:
        self.deliveries_asked += 1

    def _test(self, receiver: str) -> Mapping[TargetName, str | None]:
        self.tests_sent.append(receiver)
        return {TargetName(f"{receiver}/slack"): None}

    def with_web(self, web: WebConfig) -> "World":
        """Return this world with another `[web]`."""
        self.config = replace(self.config, web=web)
        return self

    def poll(self, counts: Mapping[str, int] | None, *, tenant: str = "acme", minutes: float = 0) -> None:
        """Poll a tenant, some minutes after noon."""
        at = NOON + timedelta(minutes=minutes)
        source = Scripted(tenant, counts, at)
        poll(Tenant(tenant), source, self.store, build_alerting_config(self.config), clock=lambda: at)

    def ask(
        self,
        path: str = "/",
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        peer: str = "127.0.0.1",
        form: Mapping[str, str] | None = None,
        body: bytes = b"",
        content_type: str = "",
    ) -> Response:
        """Return the response to a request; a form comes from the page itself unless headers say otherwise."""
        path, _, query = path.partition("?")
        if form is not None:
            body, content_type = urlencode(form).encode(), "application/x-www-form-urlencoded"
        sent = {"Host": "localhost:9464"} | ({"Sec-Fetch-Site": "same-origin"} if method != "GET" else {})
        sent |= dict(headers or {})
        environ: dict[str, object] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REMOTE_ADDR": peer,
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": content_type,
            **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in sent.items() if value},
        }
        found: list[tuple[str, list[tuple[str, str]]]] = []
        chunks = self.pages(environ, lambda status, fields: found.append((status, fields)))  # type: ignore[arg-type]
        status, fields = found[0]
        return Response(int(status[:3]), dict(fields), b"".join(chunks))


def a_config(
    *tenants: str,
    rules: tuple[Rule, ...] | None = None,
    web: WebConfig | None = None,
    labels: Mapping[str, str] | None = None,
) -> Config:
    """Return a configuration of tenants with a rule that fires above 100 (warning) and 500 (critical)."""
    zone = ZoneInfo("Europe/London")
    found = rules if rules is not None else (a_rule(warning=a_level(above=100), critical=a_level(above=500)),)
    settings = {
        Tenant(name): TenantConfig(
            name=Tenant(name),
            client_id=Secret("id"),
            client_secret=Secret("sekrit-0001"),
            poll_interval=INTERVAL,
            timezone=zone,
            labels=labels or {},
        )
        for name in tenants or ("acme",)
    }
    return Config(
        path=Path("alerter.toml"),
        service=ServiceConfig(
            database="sqlite://",
            poll_interval=INTERVAL,
            retention=timedelta(days=400),
            downsample_after=timedelta(days=90),
            timezone=zone,
            console_url="https://login.mimecast.com",
        ),
        tenants=settings,
        receivers=(
            ReceiverConfig(
                receiver=a_receiver("secops"),
                targets=(Target(name=TargetName("secops/slack"), url=Secret("slack://sekrit-token")),),
            ),
        ),
        routes=(),
        rules=with_no_data_rules(found, dict.fromkeys(settings, INTERVAL)),
        web=web or WebConfig(),
    )
