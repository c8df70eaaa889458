"""A hundred thousand mutated answers: each is a snapshot that was proven, or a failed poll, and never anything else."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice

import pytest

from alerter.core.series import Tenant
from alerter.errors import Cause, SourceError
from alerter.sources.mimecast import Limits, MimecastSource, SigningKeys
from alerter.sources.mimecast.request_error import HttpResponse, RequestError
from alerter.sources.mimecast.responses import parse_hold_summary, parse_token
from tests.builders import NOON, span
from tests.faults.mutants import Mutant, mutants, proven

KEYS = SigningKeys(app_id="app-id", app_key="app-key", access_key="access-key", secret_key="c2VjcmV0LWtleQ==")
SNAPSHOT = "snapshot"


def evaluated(mutant: Mutant) -> dict[str, int] | Cause:
    """Return what is held by an answer, or why it is none."""
    try:
        counts = parse_hold_summary(
            HttpResponse(status=mutant.status, headers=mutant.headers, body=mutant.body), now=NOON
        )
    except RequestError as fault:
        return fault.cause
    return {str(reason): count for reason, count in counts.items()}


def check_mutants(number: int, *, seed: int) -> Counter[str]:
    """Judge so many answers, and hold each snapshot to the second opinion; return how many of each kind there were."""
    kinds: Counter[str] = Counter()
    for mutant in islice(mutants(seed), number):
        outcome = evaluated(mutant)
        if isinstance(outcome, dict):
            assert outcome == proven(mutant), mutant
        kinds[SNAPSHOT if isinstance(outcome, dict) else outcome] += 1
    return kinds


def test_a_mutated_answer_is_a_proven_snapshot_or_a_failed_poll() -> None:
    """Three thousand answers, cut, torn, doubled and bent: never another exception, never an unproven zero."""
    kinds = check_mutants(3_000, seed=1)

    assert kinds[SNAPSHOT] > 300
    assert kinds[Cause.NOT_UNDERSTOOD] > 300
    assert len(kinds) > 6


@pytest.mark.slow
def test_a_hundred_thousand_mutated_answers_are_proven_snapshots_or_failed_polls() -> None:
    """The same for a hundred thousand."""
    kinds = check_mutants(100_000, seed=2)

    assert kinds[SNAPSHOT] > 10_000


def test_a_good_answer_is_never_refused() -> None:
    """What the second opinion proves, and no stated limit forbids, is a snapshot: the judge is not merely strict."""
    good = [mutant for mutant in islice(mutants(3), 2_000) if is_plainly_good(mutant)]

    assert len(good) > 200
    assert [evaluated(mutant) for mutant in good] == [proven(mutant) for mutant in good]


def is_plainly_good(mutant: Mutant) -> bool:
    """Say whether an answer is proven, and within the limits of names, counts, pages and content types."""
    held = proven(mutant)
    return (
        held is not None
        and mutant.headers == {"content-type": "application/json"}
        and b"next" not in mutant.body
        and all(name.isprintable() and len(name) <= 1000 for name in held)
        and all(count <= 2**53 for count in held.values())
        and not mutant.body.lstrip().startswith(b"<")
        and b'"0000' not in mutant.body
    )


def test_a_mutated_token_is_a_token_or_a_failed_poll() -> None:
    """The answer to the request for a token may be anything as well."""
    granted = 0
    good = b'{"access_token": "abc", "token_type": "Bearer", "expires_in": 1799, '
    for mutant in islice(mutants(4), 1_000):
        body = good + mutant.body.lstrip(b"{")
        with suppress(RequestError):
            parse_token(HttpResponse(status=mutant.status, headers=mutant.headers, body=body), now=NOON)
            granted += 1

    assert granted > 50


@contextmanager
def answering(current: list[Mutant]) -> Iterator[str]:
    """Serve the last of the answers, whoever asks for whatever; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        """Sends an answer as it is."""

        def do_POST(self) -> None:
            """Answer."""
            self.rfile.read(int(self.headers["Content-Length"]))
            mutant = current[-1]
            self.wfile.write(b"HTTP/1.1 %d Whatever\r\n" % mutant.status)
            for name, value in {**mutant.headers, "content-length": str(len(mutant.body))}.items():
                self.wfile.write(f"{name}: {value}\r\n".encode())
            self.wfile.write(b"\r\n" + mutant.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_mutated_answer_over_http_is_a_proven_snapshot_or_a_failed_poll() -> None:
    """The same through the whole way: three hundred answers over a real connection, with every header they carry."""
    kinds: Counter[str] = Counter()
    current: list[Mutant] = []
    limits = Limits(timeout=span("10s"), max_wait=span("0s"), retry_wait=span("0s"))
    with answering(current) as address:
        for mutant in islice(mutants(5), 300):
            current.append(mutant)
            # A new one each time: one that was told to wait would rightly not ask again.
            source = MimecastSource(
                tenant=Tenant("acme"),
                base_url=address,
                keys=KEYS,
                clock=lambda: NOON,
                monotonic=time.monotonic,  # noqa: TID251 - real deadlines
                stop=threading.Event(),
                limits=limits,
            )
            try:
                snapshot = source.fetch()
            except SourceError as error:
                kinds[error.cause] += 1
            else:
                assert dict(snapshot.counts) == proven(mutant), mutant
                kinds[SNAPSHOT] += 1

    assert kinds[SNAPSHOT] > 30
    assert kinds[Cause.NOT_UNDERSTOOD] > 30
