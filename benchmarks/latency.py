"""From Mimecast's answer to the webhook: how long a real daemon takes to keep, judge, tell and send.

A few tenants are polled as often as may be, and at each poll one of two things is wrong: each answer is news.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from pathlib import Path
from statistics import median

import requests

from benchmarks.figures import Figure
from benchmarks.processes import Daemon
from benchmarks.servers import serving

#: As often as alerter may poll at most.
INTERVAL_SECONDS = 10
TENANTS = 10
SECONDS = 60
PROBES = 200
CONFIGURATION = """
[service]
poll_interval = "{interval}s"
[receivers.hook]
urls         = ["json://127.0.0.1:{hook}"]
max_per_hour = 100000
[[rules]]
name    = "Backlog"
warning = {{ threshold = {{ above = 200 }} }}
"""
TENANT = '[tenants.{name}]\nbase_url = "http://127.0.0.1:{port}"\nclient_id = "{name}"\nclient_secret = "secret"\n'


class _Mimecast:
    """Accounts whose count is too high at every second poll.

    Attributes:
        answered_at: When each of them was last answered, in monotonic seconds.
    """

    def __init__(self) -> None:
        self.answered_at: dict[str, float] = {}
        self._is_high: dict[str, bool] = {}

    def answer(self, path: str, headers: Message, body: bytes) -> bytes:
        """Return a token, which is the tenant's name, or what is held."""
        if path == "/oauth/token":
            name = body.decode().partition("client_id=")[2].partition("&")[0]
            return json.dumps({"access_token": name, "token_type": "Bearer", "expires_in": 1799}).encode()
        name = str(headers["Authorization"]).removeprefix("Bearer ")
        self._is_high[name] = not self._is_high.get(name, False)
        rows = [{"policyInfo": "Block Dangerous File Types", "numberOfItems": 900 if self._is_high[name] else 9}]
        summary = json.dumps({"meta": {"status": 200}, "data": rows, "fail": []}).encode()
        self.answered_at[name] = time.monotonic()
        return summary


class _Hook:
    """Takes messages, and notes how long after an instant each came.

    Args:
        since: Returns the instant that a message is about, in monotonic seconds; None for one that does not count.
    """

    def __init__(self, since: Callable[[str], float | None]) -> None:
        self._since = since
        self.milliseconds: list[float] = []

    def answer(self, _path: str, _headers: Message, body: bytes) -> bytes:
        """Take one."""
        now = time.monotonic()
        since = self._since(body.decode())
        if since is not None:
            self.milliseconds.append((now - since) * 1000)
        return b"{}"


def webhook() -> list[Figure]:
    """Measure it for a minute, against a POST straight to the receiver."""
    mimecast = _Mimecast()
    hook = _Hook(lambda body: next((at for name, at in mimecast.answered_at.items() if name in body), None))
    with serving(mimecast.answer) as port, serving(hook.answer) as target, _daemon(port, target):
        time.sleep(SECONDS)
    if len(hook.milliseconds) < SECONDS:
        sys.exit(f"expected a message a second, got {len(hook.milliseconds)} in {SECONDS} s")
    floor = _straight()
    took = sorted(hook.milliseconds)
    return [
        Figure(
            what=f"from Mimecast's answer to the webhook, {which} of {len(took)}",
            measured=value,
            promised=promised,
            floor=floor,
            floor_what="`requests.post` straight to it",
            unit="ms",
        )
        for which, value, promised in (("half", median(took), 250), ("95 %", took[int(len(took) * 0.95)], 1000))
    ]


def _straight() -> float:
    """Return how long a message takes that is sent with nothing before it, in milliseconds."""
    begun = [0.0]
    hook = _Hook(lambda _: begun[0])
    with serving(hook.answer) as target:
        for _ in range(PROBES):
            begun[0] = time.monotonic()
            requests.post(f"http://127.0.0.1:{target}/", json={"message": "900 held"}, timeout=10)
    return median(hook.milliseconds)


@contextmanager
def _daemon(port: int, hook: int) -> Iterator[None]:
    """Run a daemon until the block has ended."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "rules.toml"
        names = [f"tenant-{number:02}" for number in range(TENANTS)]
        tenants = "".join(TENANT.format(name=name, port=port) for name in names)
        config.write_text(CONFIGURATION.format(interval=INTERVAL_SECONDS, hook=hook) + tenants)
        config.chmod(0o600)
        daemon = Daemon(config)
        try:
            yield
        finally:
            daemon.stop()
