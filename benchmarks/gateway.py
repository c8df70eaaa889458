"""A Mimecast for thousands of tenants: one lean process over TLS, that answers after a while and notes each question.

It behaves by stages, of which each SIGUSR1 begins the next (`STAGES`): it answers everybody, then (after one in
which nothing changes) not every fifth tenant any more, then nobody, then everybody, and at last nobody again.

The simulator checks every header and has a thread for each connection; this has to cost little beside what is
measured, and checks no more than whose question it is. The same process takes the messages.
"""

import asyncio
import json
import random
import signal
import ssl
import sys
import time
from array import array
from pathlib import Path
from typing import cast

#: The share of samples that differ from the one before, on a typical day.
CHANGED = 0.016
#: Of so many changes one is a wave that a rule finds.
WAVES = 1 / 2_000
TOKEN_SECONDS = 1799
#: The share of tenants that get an answer, by stage.
STAGES = (1.0, 1.0, 0.8, 0.0, 1.0, 0.0)
#: The tenants (of five) that hang while the share is less than 1, (of twenty) that are rate limited, and (of a hundred)
#: whose host has a name that does not resolve.
SILENT, LIMITED, LOST = 4, 1, 2
#: In each stage a tenant of this number, counted from the last one, has a wave that a rule finds.
WAVE_HELD = 5_000
HOOK = "/hook"
SECRET = "benchmark-secret"  # noqa: S105 - opens nothing but this
_NAMES = [
    "Default Outbound URL Protect Definition", "Block Dangerous File Types", "Moderate Spam Detection", "Graymail",
    "PCI - Credit Card Numbers",
]  # fmt: skip


def client_of(number: int) -> str:
    """Return a tenant's client id."""
    return f"client-{number:05}"


def is_healthy(number: int) -> bool:
    """Say whether a tenant is answered in every stage but those in which nobody is."""
    return number % 5 < SILENT and number % 20 != LIMITED and number % 100 != LOST


def everybody_file(notes: Path) -> Path:
    """Return which file is there as soon as every tenant was asked for."""
    return notes.with_suffix(".everybody")


class Gateway:
    """What all connections share: what is held, and who asked when.

    Args:
        tenants: How many there are.
        reasons: How many hold reasons each has.
        latency: How long an answer takes, in seconds.
        notes: Where it is noted who asked when.
        limited: Whether one tenant in twenty is rate limited, for ever.
    """

    def __init__(self, tenants: int, reasons: int, latency: float, notes: Path, *, limited: bool = False) -> None:
        self._random = random.Random(1)
        self._held = [array("i", (self._random.randrange(150) for _ in range(reasons))) for _ in range(tenants)]
        names = [f"{_NAMES[number % len(_NAMES)]} {number}" for number in range(reasons)]
        self._rows = [f'{{"policyInfo": {json.dumps(name)}, "numberOfItems": ' for name in names]
        self.latency = latency
        self._notes = notes
        self._unmet = set(range(tenants))
        self._asked_by = array("i")
        self._asked_at = array("d")
        self._messages = self._refused = 0
        self._limited = limited
        self._stage = 0
        self._waves: dict[int, dict[str, float]] = {}

    def next_stage(self) -> None:
        """Begin the next stage, with a wave at one tenant that is answered in it."""
        self._stage += 1
        if self._share:
            tenant = len(self._held) - 2 - 5 * self._stage
            self._held[tenant][0] = WAVE_HELD
            self._waves[tenant] = {}

    @property
    def _share(self) -> float:
        return STAGES[min(self._stage, len(STAGES) - 1)]

    def is_silent(self, tenant: int) -> bool:
        """Say whether a tenant is not answered in this stage."""
        return tenant % 5 >= SILENT + 1 - 5 * (1 - self._share)

    def answer(self, path: str, head: str, body: bytes) -> bytes | None:
        """Return the answer to a POST, or None where there is to be none."""
        if path == "/oauth/token":
            text = body.decode()
            number = text.partition("client_id=client-")[2].partition("&")[0]
            if SECRET in text and number:
                grant = {"access_token": f"token-{number}-{time.time():.0f}", "expires_in": TOKEN_SECONDS}
                return _http(json.dumps(grant | {"token_type": "Bearer"}).encode())
        elif path == "/api/gateway/get-hold-summary-list":
            tenant, granted = head.partition("Authorization: Bearer token-")[2].partition("\r\n")[0].split("-")
            if self.is_silent(int(tenant)) or self._is_limited(int(tenant)):
                return _LIMIT if self._is_limited(int(tenant)) else None
            if time.time() < float(granted) + TOKEN_SECONDS:
                return _http(self._summary(int(tenant)))
        elif path == HOOK:
            self._take_message(body)
            return _http(b"ok")
        self._refused += 1
        return _http(b'{"fail": [{"code": "token_verification_failed", "message": "no"}]}', status="401 Unauthorized")

    def _is_limited(self, tenant: int) -> bool:
        return self._limited and tenant % 20 == LIMITED

    def _take_message(self, body: bytes) -> None:
        self._messages += 1
        for tenant, times in self._waves.items():
            if f"tenant-{tenant:05}".encode() in body:
                times.setdefault("told", time.time())

    def _summary(self, tenant: int) -> bytes:
        self._asked_by.append(tenant)
        self._asked_at.append(time.time())
        if tenant in self._waves:
            self._waves[tenant].setdefault("asked", time.time())
        if tenant in self._unmet:
            self._unmet.discard(tenant)
            if not self._unmet:
                everybody_file(self._notes).touch()
        held, chance = self._held[tenant], self._random.random
        for reason in range(len(held)):
            if chance() < CHANGED:
                wave = 400 if chance() < WAVES else 0
                held[reason] = max(0, held[reason] + self._random.randint(-5, 5) + wave)
        rows = ", ".join(f"{row}{count}}}" for row, count in zip(self._rows, held, strict=True) if count)
        return f'{{"meta": {{"status": 200}}, "data": [{rows}], "fail": []}}'.encode()

    def write_notes(self) -> dict[str, object]:
        """Write who asked for a hold summary, and then when they did; return how much there was of what."""
        with self._notes.open("wb") as file:
            self._asked_by.tofile(file)
            self._asked_at.tofile(file)
        return {"polls": len(self._asked_by), "messages": self._messages, "refused": self._refused} | {
            "waves": list(self._waves.values())
        }


def _http(body: bytes, status: str = "200 OK", more: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\n{more}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}X-RateLimit-Limit: 800\r\nX-RateLimit-Remaining: 799\r\n\r\n".encode() + body


_LIMIT = _http(b"{}", status="429 Too Many Requests", more="Retry-After: 60\r\n")


class _Connection(asyncio.Protocol):
    """Reads one question after the other, and answers each after a while."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what is written to."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer what is complete."""
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        text = head.decode("latin-1")
        length = int(text.lower().partition("content-length: ")[2].partition("\r\n")[0] or 0)
        if end and len(rest) >= length:
            self._received = rest[length:]
            answer = self._gateway.answer(text.split(" ", 2)[1], text, rest[:length])
            if answer is not None:
                asyncio.get_running_loop().call_later(self._gateway.latency, self._write, answer)

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


async def _serve(gateway: Gateway, certificate: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, gateway.next_stage)
    server = await loop.create_server(lambda: _Connection(gateway), "127.0.0.1", 0, ssl=context, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await stop.wait()
    server.close()
    print(json.dumps(gateway.write_notes()))


if __name__ == "__main__":
    _, given_tenants, given_reasons, given_latency, given_certificate, given_notes, *given_limits = sys.argv
    the_gateway = Gateway(
        int(given_tenants), int(given_reasons), float(given_latency), Path(given_notes), limited=bool(given_limits)
    )
    asyncio.run(_serve(the_gateway, given_certificate))
