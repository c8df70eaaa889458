"""Runs every benchmark and prints the table that README quotes."""

import platform
import sqlite3
import sys

from benchmarks import cycles, processes, scrapes, years
from benchmarks.figures import Figure  # noqa: TC001 - one import style for scripts


def main() -> None:
    """Measure, and print one row per figure."""
    figures: list[Figure] = [
        processes.help_text(),
        processes.ready(),
        processes.memory(),
        *cycles.cycle(),
        *cycles.sizes(),
        *years.disk(),
        scrapes.scrape(),
    ]
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.machine()}\n")
    print("| what | measured | promised | floor in the same run | ratio |")
    print("|---|---|---|---|---|")
    for figure in figures:
        print(figure.row())
    if any(not figure.is_kept for figure in figures):
        sys.exit("a promise is not kept")


main()
