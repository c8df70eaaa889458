"""The page: what requests cost with one tenant and with ten thousand, what a visit weighs, and its memory.

Requests are made as WSGI makes them, in CPU time, which neighbours on the machine disturb least. The floor is the same
request of an unchanged page, which is answered without a query, in the same run.
"""

import gzip
import io
import re
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from statistics import median, quantiles
from urllib.request import Request, urlopen

from sqlalchemy import event
from sqlalchemy.engine import Engine

from alerter.config import Config, load_config
from alerter.core.series import HoldReason, Snapshot, Tenant
from alerter.health import Health
from alerter.jobs.poll import poll_many
from alerter.service.alerting_config import build_alerting_config
from alerter.storage import Store
from alerter.web.context import SiteSources
from alerter.web.pages import WebApp
from alerter.web.site import Site
from alerter.web.sources import DatabaseCounts, MetricsInput
from benchmarks import histories
from benchmarks.cycles import NOW, REASONS, TENANT, Answer, store_with_history
from benchmarks.figures import Figure
from benchmarks.peers import OWN_RULES
from benchmarks.processes import Daemon, resident, world

TENANTS = 10_000
REQUESTS = 200
VISITS = 1_000
#: Polls in one commit, as the daemon's.
GROUP = 50
CONFIG = """
[service]
poll_interval = "5m"
{listen}
[receivers.hook]
urls = ["json://127.0.0.1:9"]
{rules}
"""
TENANT_CONFIG = '[tenants.{name}]\nclient_id = "i"\nclient_secret = "s-{name}"\nlabels = {{ tier = "{tier}" }}\n'
#: Every screen but `/backtest`; `{t}` is a tenant, `{r}` one of its hold reasons.
SCREENS = (
    "/", "/tenants", "/tenants?sort=held", "/tenants?q=7&sort=name", "/tenants/{t}", "/tenants/{t}/reasons/{r}",
    "/tenants/{t}/reasons/{r}?span=1y", "/alerts", "/alerts?state=all", "/silences", "/explain?tenant={t}&reason={q}",
    "/notifications", "/rules", "/rules/Backlog", "/about", "/wall", "/api/v1/status", "/api/v1/tenants",
)  # fmt: skip


class Browser:
    """Asks a site, and measures."""

    def __init__(self, site: WebApp) -> None:
        self._site = site

    def ask(self, path: str, etag: str = "") -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of a response."""
        path, _, query = path.partition("?")
        found: list[tuple[str, list[tuple[str, str]]]] = []
        environ: dict[str, object] = {
            "REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": query, "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "localhost", "HTTP_ACCEPT_ENCODING": "gzip", "HTTP_IF_NONE_MATCH": etag,
            "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(),
        }  # fmt: skip
        body = b"".join(self._site(environ, lambda status, headers: found.append((status, headers))))  # type: ignore[arg-type] # as WSGI calls it
        status, headers = found[0]
        return int(status[:3]), dict(headers), body

    def cost(self, path: str, etag: str = "") -> float:
        """Return the CPU time of a request in milliseconds."""
        begun = time.process_time()
        status, _, _ = self.ask(path, etag)
        taken = (time.process_time() - begun) * 1000
        if status not in (200, 304):
            raise RuntimeError(f"expected a page at {path}, found status {status}")
        return taken

    def wire_bytes(self, path: str) -> tuple[int, int]:
        """Return how many bytes a first visit takes, and in how many requests."""
        _, _, page = self.ask(path)
        text = gzip.decompress(page).decode()
        files = re.findall(r'(?:src|href)="\./(static/[^"]+)"', text)
        return len(page) + sum(len(self.ask(f"/{each}")[2]) for each in files), 1 + len(files)


def figures() -> list[Figure]:
    """Measure one tenant with 400 days, ten thousand with fifty reasons, and the memory of the daemon."""
    with tempfile.TemporaryDirectory() as folder:
        small = list(_small(Path(folder)))
        large = list(_large(Path(folder)))
    return [*small, *large, *_memory()]


def _small(folder: Path) -> Iterator[Figure]:
    store = store_with_history(folder / "one.db", timedelta(days=400), interval=timedelta(minutes=5))
    histories.keep(store, downsample_after=timedelta(days=90), now=NOW)
    with closing(store), _browser(store, _config(folder, [TENANT])) as browser:
        cost, floor = _costs(browser, [TENANT])
        yield Figure(what=f"95 % of {REQUESTS} requests, one tenant with 50 reasons and 400 days", measured=cost,
                     promised=50, floor=floor, floor_what="unchanged, without a query", unit="ms")  # fmt: skip
        wire_bytes, requests = browser.wire_bytes("/")
        page = len(browser.ask("/")[2])
        yield Figure(what=f"a first visit, in {requests} requests", measured=wire_bytes / 1000, promised=60,
                     floor=page / 1000, floor_what="the page alone", unit="kB")  # fmt: skip


def _large(folder: Path) -> Iterator[Figure]:
    names = [Tenant(f"tenant-{number:05}") for number in range(TENANTS)]
    config = _config(folder, names)
    with closing(Store(f"sqlite:///{folder}/many.db")) as store:
        store.upgrade()
        _fill(store, config, names)
        with _browser(store, config) as browser:
            cost, floor = _costs(browser, names)
            yield Figure(what=f"95 % of {REQUESTS} requests, {TENANTS:,} tenants with 50 reasons", measured=cost,
                         promised=300, floor=floor, floor_what="unchanged, without a query", unit="ms")  # fmt: skip
            size = len(browser.ask("/tenants")[2])
            yield Figure(what="a page of a hundred tenants", measured=size / 1000, promised=15,
                         floor=len(browser.ask("/about")[2]) / 1000, floor_what="`/about`", unit="kB")  # fmt: skip


def _costs(browser: Browser, names: Sequence[Tenant]) -> tuple[float, float]:
    """Return the 95th percentile of requests for all screens in random order, and the median of unchanged ones."""
    rng = Random(5)
    paths = []
    for each in SCREENS * (REQUESTS // len(SCREENS) + 1):
        tenant, reason = rng.choice(names), rng.choice(REASONS)
        paths.append(each.format(t=tenant, r=reason, q=reason.replace(" ", "+")))
    rng.shuffle(paths)
    times = [browser.cost(path) for path in paths]
    unchanged = []
    for path in ("/silences", "/rules", "/about"):
        etag = browser.ask(path)[1]["ETag"]
        with _no_query():
            unchanged += [browser.cost(path, etag) for _ in range(20)]
    return quantiles(times, n=20)[-1], median(unchanged)


@contextmanager
def _no_query() -> Iterator[None]:
    """Make sure that no statement is executed."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    if seen:
        raise RuntimeError(f"an unchanged page was answered with {len(seen)} statements: {seen[0]}")


def _config(folder: Path, names: Sequence[Tenant]) -> Config:
    path = folder / f"{len(names)}.toml"
    tenants = "".join(
        TENANT_CONFIG.format(name=name, tier=("gold", "silver")[index % 2]) for index, name in enumerate(names)
    )
    path.write_text(CONFIG.format(listen="", rules=OWN_RULES) + tenants)
    path.chmod(0o600)
    return load_config(path)


@contextmanager
def _browser(store: Store, config: Config) -> Iterator[Browser]:
    health, alerting = Health(time.monotonic), build_alerting_config(config)
    site = Site(
        SiteSources(
            store=store, config=lambda: config, alerting=lambda: alerting, health=health, problems=lambda: (),
            clock=lambda: NOW, seconds=time.monotonic, started_at=lambda: NOW, deliver=lambda: None,
            send_test=lambda _receiver: {}, redact=lambda text: text,
        )
    )  # fmt: skip
    sources = MetricsInput(
        health=health, problems=lambda: (), stored=lambda: DatabaseCounts(alerts={}, backlog_by_target={}), labels=dict,
        started_at=lambda: NOW,
    )  # fmt: skip
    with closing(site):
        yield Browser(WebApp(sources, hosts=lambda: ("localhost",), site=site.respond))


def _fill(store: Store, config: Config, names: Sequence[Tenant]) -> None:
    """Poll every tenant twice: in one of fifty something fires."""
    alerting, rng = build_alerting_config(config), Random(7)
    for ago in (timedelta(minutes=6), timedelta(minutes=1)):
        for first in range(0, len(names), GROUP):
            at = NOW - ago
            answers = [
                (name, Answer(Snapshot(tenant=name, taken_at=at, counts=_counts(rng))))
                for name in names[first : first + GROUP]
            ]
            poll_many(answers, store, alerting, clock=lambda at=at: at)  # type: ignore[misc] # mypy infers no type


def _counts(rng: Random) -> dict[HoldReason, int]:
    held = {reason: rng.randrange(90) if rng.random() < 0.1 else 0 for reason in REASONS}  # noqa: PLR2004 - most hold nothing
    if rng.random() < 0.02:  # noqa: PLR2004 - one of fifty
        held[rng.choice(REASONS)] = rng.randrange(200, 900)
    return held


def _memory() -> Iterator[Figure]:
    """Compare the daemon with the page after many requests with one that has no page."""
    without = _daemon_memory("page = false", lambda _: None)
    with_page = _daemon_memory("", _visit)
    yield Figure(what=f"memory of the page after {VISITS:,} requests", measured=with_page - without, promised=6,
                 floor=without, floor_what="the daemon without it", unit="MiB")  # fmt: skip


def _daemon_memory(web: str, use: Callable[[str], None]) -> float:
    with world() as config:
        text = config.read_text()
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        config.write_text(f'[service]\nlisten = "127.0.0.1:{port}"\n[web]\n{web}\n{text}')
        daemon = Daemon(config)
        daemon.wait_for("poll succeeded")
        use(f"http://127.0.0.1:{port}")
        mebibytes = resident(daemon.process.pid)
        daemon.stop()
    return mebibytes


def _visit(url: str) -> None:
    paths = [each.format(t="acme", r="Definition%201", q="Definition+1") for each in SCREENS]

    def look(start: int) -> None:
        for number in range(start, VISITS, 2):
            with urlopen(Request(f"{url}{paths[number % len(paths)]}", headers={"Accept-Encoding": "gzip"})) as found:  # noqa: S310 - of our own daemon
                found.read()

    threads = [threading.Thread(target=look, args=(each,)) for each in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
