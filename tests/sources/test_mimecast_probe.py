"""What a real call to Mimecast tells besides the counts: how fast it is, how the clocks differ, how much is allowed."""

import json
import socket
from datetime import timedelta

import pytest

from alerter.core.series import Snapshot
from alerter.errors import Cause, SourceError
from alerter.sources.mimecast import FetchReport, RateLimit
from tests.raw_servers import RawServer, read_request
from tests.sources.test_mimecast import (
    NOON,
    SIGNING,
    Source,
    http_bytes,
    saying,
    summary,
)

DATE = "Date: Mon, 02 Mar 2026 12:00:00 GMT"


def probed(*replies: bytes, ahead: timedelta = timedelta()) -> FetchReport:
    """Return the probe of a server that answers one reply after the other."""
    with RawServer(saying(*replies)) as server:
        return Source(server.url, keys=SIGNING, now=NOON + ahead).fetch_with_report()


def good(*headers: str) -> bytes:
    """Return a good answer with more headers."""
    return http_bytes(json.dumps(summary()).encode(), *headers)


def test_a_good_call_is_measured() -> None:
    """The probe is the poll itself, and what its answer told on the way."""

    def play(connection: socket.socket) -> None:
        read_request(connection)
        source.seconds.now += 0.19
        connection.sendall(
            good(DATE, "X-RateLimit-Limit: 800", "X-RateLimit-Remaining: 640", "X-RateLimit-Reset: 5000")
        )

    with RawServer(play) as server:
        source = Source(server.url, keys=SIGNING)
        probe = source.fetch_with_report()

    assert isinstance(probe.outcome, Snapshot)
    assert probe.outcome.counts == {"Graymail": 7}
    assert probe.latency is not None
    assert round(probe.latency.total_seconds(), 3) == 0.19
    assert probe.clock_skew == timedelta()
    assert probe.rate_limit == RateLimit(limit=800, remaining=640, resets_in=timedelta(seconds=5))


def test_a_refusal_is_measured_as_well() -> None:
    """Keys may be wrong because the clock is: both must be seen."""
    refusal = {
        "fail": [{"errors": [{"code": "err_xdk_invalid_signature", "message": "0004"}]}],
        "meta": {"status": 401},
    }

    probe = probed(http_bytes(json.dumps(refusal).encode(), DATE, status="401 No"), ahead=-timedelta(minutes=17))

    assert isinstance(probe.outcome, SourceError)
    assert probe.outcome.cause is Cause.CLOCK_SKEW
    assert probe.clock_skew == -timedelta(minutes=17)
    assert probe.latency is not None
    assert probe.rate_limit is None


def test_without_an_answer_nothing_is_measured() -> None:
    """Nobody is there: the cause is all there is, also where an earlier call was answered."""
    with RawServer(saying(good(DATE))) as server:
        source = Source(server.url, keys=SIGNING)
        source.fetch_with_report()

    probe = source.fetch_with_report()

    assert isinstance(probe.outcome, SourceError)
    assert probe == FetchReport(outcome=probe.outcome)
    assert probe.outcome.cause is Cause.UNREACHABLE


@pytest.mark.parametrize(
    ("headers", "allowance"),
    [
        pytest.param([], None, id="none"),
        pytest.param(["X-RateLimit-Limit: 800"], None, id="half of it"),
        pytest.param(["X-RateLimit-Limit: many", "X-RateLimit-Remaining: 3"], None, id="no number"),
        pytest.param(["X-RateLimit-Limit: 800", "X-RateLimit-Remaining: -1"], None, id="less than nothing"),
        pytest.param(
            ["X-RateLimit-Limit: 50", "X-RateLimit-Remaining: 0"],
            RateLimit(limit=50, remaining=0, resets_in=None),
            id="no word of the end",
        ),
        pytest.param(
            ["X-RateLimit-Limit: 50", "X-RateLimit-Remaining: 49", f"X-RateLimit-Reset: {int(NOON.timestamp()) + 90}"],
            RateLimit(limit=50, remaining=49, resets_in=timedelta(seconds=90)),
            id="the end as an epoch",
        ),
    ],
)
def test_an_allowance_is_read_where_there_is_one(headers: list[str], allowance: RateLimit | None) -> None:
    """Whatever a server says of its rate limit, in either unit; nonsense is nothing, and spoils no poll."""
    probe = probed(good(DATE, *headers))

    assert probe.rate_limit == allowance
    assert isinstance(probe.outcome, Snapshot)


def test_a_server_without_a_clock_shows_no_skew() -> None:
    """Not every proxy keeps the date."""
    assert probed(good()).clock_skew is None
