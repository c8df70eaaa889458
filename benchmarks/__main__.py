"""Runs the benchmarks, all or those that are named, and prints the table that README quotes.

`python -m benchmarks [PART …] [--minutes N]`. On stderr it says how long each part takes, and what it saw besides.
"""

import argparse
import importlib
import platform
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.figures import Figure, Unavailable


class Part(NamedTuple):
    """A benchmark: the module and its function, what it measures, and how long that takes."""

    function: str
    what: str
    takes: str


PARTS = {
    "help": Part("processes.help_text", "`alerter --help`", "1 s"),
    "ready": Part("processes.ready", "start-up", "20 s"),
    "memory": Part("processes.memory", "resident memory", "20 s"),
    "webhook": Part("latency.webhook", "from Mimecast's answer to the webhook", "70 s"),
    "cycle": Part("cycles.cycle", "a cycle with a day and with two years of history", "30 s"),
    "sizes": Part("cycles.sizes", "a cycle of 50 to 500,000 series", "2 min"),
    "disk": Part("years.disk", "the file after a year", "1 min"),
    "backtest": Part("backtest.figures", "a year through four rules, and promtool", "3 min"),
    "rules": Part("detection.figures", "what the default rules find, and what they ring for", "2 min"),
    "scrape": Part("scrapes.scrape", "a scrape of half a million series", "20 s"),
    "page": Part("pages.figures", "the page with one tenant and with ten thousand, and its memory", "6 min"),
    "peers": Part("peers.side_by_side", "Prometheus and Alertmanager side by side", "5 min"),
    "peer-tenants": Part("peer_tenants.figures", "two hundred tenants beside Prometheus and Alertmanager", "8 min"),
    "leases": Part("leases.sharing", "ten thousand tenants shared by two instances", "20 s"),
    "peer-disk": Part("peers.disk", "two weeks of samples on the disk, beside Prometheus", "1 min"),
    "hangs": Part("hangs.figures", "two thousand tenants of which a fifth begin to hang", "11 min"),
    "hangs-many": Part("hangs.figures_of_many", "ten thousand of them", "15 min"),
    "tenants": Part("tenants.figures", "ten thousand tenants over TLS", "14 min, or less with --minutes"),
}


def main() -> None:
    """Measure, and print one row per figure."""
    arguments = _arguments()
    figures: list[Figure] = []
    troubles: list[str] = []
    for name in arguments.parts or PARTS:
        begun = time.monotonic()
        try:
            figures += _measured(name, arguments.minutes)
        except Unavailable as why:
            print(f"{name}: left out: {why}", file=sys.stderr)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the figures of the other parts are worth having
            troubles.append(f"{name} failed: {type(error).__name__}: {error}")
        print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr)
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.machine()}\n")
    print("| what | measured | promised | floor in the same run | ratio |")
    print("|---|---|---|---|---|")
    for figure in figures:
        print(figure.row())
    troubles += [f"a promise is not kept: {figure.what}" for figure in figures if not figure.is_kept]
    if troubles:
        sys.exit("\n".join(troubles))


def _arguments() -> argparse.Namespace:
    listed = "\n".join(f"  {name:10} {part.what}: {part.takes}" for name, part in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=f"Parts:\n{listed}", formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", type=_known, help="all of them unless named")
    parser.add_argument("--minutes", type=float, default=10, help="how long `tenants` goes on; 10 unless given")
    return parser.parse_args()


def _known(name: str) -> str:
    if name not in PARTS:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(PARTS)}, got {name!r}")
    return name


def _measured(name: str, minutes: float) -> Sequence[Figure]:
    """Return the figures of a part, whose libraries are loaded only now: those of one are no load for another."""
    module, _, function = PARTS[name].function.partition(".")
    measure: Callable[..., list[Figure]] = getattr(importlib.import_module(f"benchmarks.{module}"), function)
    return measure(minutes) if name == "tenants" else measure()


main()
