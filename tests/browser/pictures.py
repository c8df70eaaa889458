"""The documentation's pictures of the page: real screens of a made-up week, as Chromium shows them.

`python -m tests.browser.pictures`, which `make screenshots` calls, draws them anew. Bytes differ from one Chromium
to the next, so that no test compares them; one test says that each picture is there and shown.
"""

import math
import random
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from alerter.core.outbox import TargetName
from alerter.core.series import Tenant
from alerter.jobs.deliver import deliver
from alerter.storage import Store
from alerter.web.server import HttpServer
from tests.builders import NOON, a_level, a_rule
from tests.fakes import RecordingNotifier
from tests.web.sites import INTERVAL, World, a_config

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FOLDER = Path(__file__).parents[2] / "docs/pictures"
WEEK, DAY = timedelta(days=7), timedelta(days=1)
#: What a hold reason usually holds at noon on a working day.
USUAL: Mapping[str, int] = {
    "Graymail": 310,
    "Spam Scanning": 64,
    "Impersonation Protection": 12,
    "Block Dangerous File Types": 31,
    "DLP - Payment Cards (Outbound)": 6,
    "Suspicious Message Structure": 9,
}
RULES = (a_rule(reasons=("*", "!Graymail"), warning=a_level(above=200, clear_at=100), critical=a_level(above=500)),)
CUSTOMERS = tuple(f"customer-{number:02}" for number in range(40))


@dataclass(frozen=True)
class Shot:
    """A picture.

    Attributes:
        path: The screen.
        size: Its width and height.
        tenants: Whose week it is of.
        is_dark: Whether it has dark colours.
    """

    path: str
    size: tuple[int, int]
    tenants: tuple[str, ...] = ("acme",)
    is_dark: bool = False


SHOTS: Mapping[str, Shot] = {
    "page": Shot("/", (1200, 560)),
    "page-reason": Shot("/tenants/acme/reasons/Impersonation%20Protection?span=1d", (1200, 620)),
    "page-alert": Shot("/alerts/{alert}", (390, 760), is_dark=True),
    "page-tenants": Shot("/", (1000, 600), CUSTOMERS),
}


def main() -> None:
    """Draw all of them."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - a tool of `make browser`

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for tenants in dict.fromkeys(shot.tenants for shot in SHOTS.values()):
            with _served(tenants) as (world, url):
                for name, shot in SHOTS.items():
                    if shot.tenants == tenants:
                        _take(browser, world, url, shot, FOLDER / f"{name}.png")


def _take(browser: "Browser", world: World, url: str, shot: Shot, file: Path) -> None:
    width, height = shot.size
    page = browser.new_page(
        viewport={"width": width, "height": height}, color_scheme="dark" if shot.is_dark else "light"
    )
    page.clock.set_fixed_time(world.clock)
    page.goto(url + _filled(shot.path, world), wait_until="networkidle")
    page.screenshot(path=file)
    page.close()


def _filled(path: str, world: World) -> str:
    with world.store.read() as reader:
        worst = max(reader.alerts.load_live(), key=lambda alert: alert.key.severity.rank)
    return path.format(alert=worst.key.id)


@contextmanager
def _served(names: tuple[str, ...]) -> Iterator[tuple[World, str]]:
    """Yield a service after a week, and where its page is."""
    with tempfile.TemporaryDirectory() as folder, closing(Store(f"sqlite:///{folder}/alerter.db")) as store:
        store.upgrade()
        world = World(store, a_config(*names, rules=RULES))
        span = WEEK if len(names) == 1 else DAY
        for number, name in enumerate(names):
            _play(world, name, number, span)
        world.clock = NOON + span
        deliver(store, RecordingNotifier(), {TargetName("secops/slack"): "json://slack"}, clock=lambda: world.clock)
        world.health.set_tenants(dict.fromkeys(map(Tenant, names), INTERVAL))
        with closing(HttpServer("127.0.0.1", 0)) as port:
            port.serve(world.pages, has_forms=True)
            yield world, f"http://127.0.0.1:{port.number}"


def _play(world: World, name: str, number: int, span: timedelta) -> None:
    """Poll a tenant for a time; the first one has an incident at its end, and of the others some cannot be polled."""
    chance = random.Random(number)  # noqa: S311 - to draw the same again
    scale = 1.0 if name == "acme" else chance.uniform(0.1, 2.5)
    step = INTERVAL if span == WEEK else 3 * INTERVAL
    is_lost, is_ill = number % 17 == 5, number % 13 == 0
    for poll in range(span // step + 1):
        left = span - poll * step
        counts: Mapping[str, int] | None = {
            reason: _count(usual * scale, poll * step, chance) for reason, usual in USUAL.items()
        }
        if is_ill and left < timedelta(hours=3):
            rise = 1 - left / timedelta(hours=3)
            counts = {**(counts or {}), "Impersonation Protection": int(12 + 600 * rise**2)}
        if is_lost and left < timedelta(hours=2):
            counts = None
        world.poll(counts, tenant=name, minutes=poll * step / timedelta(minutes=1))


def _count(usual: float, since: timedelta, chance: random.Random) -> int:
    """Return what is held after a time: more by day and on working days, and never quite the same."""
    at = NOON + since
    hour = at.hour + at.minute / 60
    by_day = 0.25 + 0.75 * math.exp(-(((hour - 14) / 4.5) ** 2))
    return max(0, round(usual * by_day * (0.4 if at.weekday() > 4 else 1) * chance.uniform(0.97, 1.03)))


if __name__ == "__main__":
    main()
