"""The random search: tests that draw their values, over and over with other values, until the time is over.

    python -m tests.random_search --minutes 10 tests/core

`make test` gives these tests the same values in every run. What fails here is printed, to be added to its test as an
`@example`.
"""

import argparse
import sys
from itertools import cycle, pairwise
from pathlib import Path
from time import monotonic  # noqa: TID251 - it ends by the real clock

import click
import pytest

ROOT = Path(__file__).parent.parent


class Rounds:
    """Repeats the tests of a session in their order; a plugin of pytest."""

    def __init__(self, *, seconds: float) -> None:
        self._end = monotonic() + seconds
        self.count = 0

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests instead of pytest's own loop, at least once each, until one fails or the time is over."""
        for item, following in pairwise(cycle(session.items)):
            self.count += 1
            is_last = monotonic() > self._end and self.count >= len(session.items)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None if is_last else following)
            if is_last or session.shouldfail:
                break
        return True


def main() -> None:
    """Search for a while; the exit code is pytest's."""
    parser = argparse.ArgumentParser(prog="python -m tests.random_search", description="Try tests with random values.")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="some tests; all that draw values by default")
    parser.add_argument("--minutes", type=float, default=10, metavar="N", help="how long (10)")
    given = parser.parse_args()
    rounds = Rounds(seconds=60 * given.minutes)
    options = [
        "-q",
        "-x",
        "-m",
        "hypothesis and not slow",
        "--hypothesis-profile=random",
        "--timeout=3600",
        "-o",
        "console_output_style=classic",
    ]
    code = pytest.main([*options, *(given.paths or _files())], plugins=[rounds])
    click.echo(f"{rounds.count} tests, each with values of its own")
    sys.exit(code)


def _files() -> list[str]:
    """Return the files with such tests, so that no other one is collected."""
    paths = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(path) for path in paths if "from hypothesis" in path.read_text(encoding="utf-8")]


if __name__ == "__main__":
    main()
