"""The dead man's switch outside: it is pinged while all is well, and raises the alarm when the pings stop.

Rules, in the order of their weight:

1. Never in the way. `record_cycle` takes note and returns; one thread of its own pings, with one word in its queue.
2. A ping says how the whole service is: well only if no tenant is overdue and every newest cycle was completed.
   Otherwise it says failure, with the cause; where nothing ends any more, it says nothing, and that is the alarm.
3. At most one ping in `MIN_GAP`, whatever the number of tenants. A failed cycle that was not said yet is never
   replaced by a good one, and a ping that was not taken is tried again.
4. The URL is a secret: no text, log or exception that leaves this module holds any of it.

How failure is said depends on the service. Healthchecks (docs/signaling_failures), Better Stack and most others take
`/fail` after the path, and a POST whose body is shown; Uptime Kuma (`/api/push/TOKEN`) has `status=down&msg=…`, and
Cronitor's telemetry API `state=fail&message=…`, both as a GET. All of it was read on 2026-11-25. Opsgenie's heartbeats
know silence alone, and want a key in a header.
"""

import logging
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import requests
import urllib3

from alerter import __version__
from alerter.errors import DeliveryError
from alerter.health import PingOutcome
from alerter.network.deadline import HeldSession, RequestDeadline, proxies_for, without_netrc
from alerter.network.dialer import Dialer
from alerter.network.proxies import is_of_proxy, proxy_failure
from alerter.network_settings import fault_on_the_way

log = logging.getLogger(__name__)

#: Seconds between two pings. Healthchecks.io ignores more than five a minute of one check.
MIN_GAP: Final = 30.0
#: Characters of a cause: enough for a person, and Uptime Kuma has it in the URL.
MAX_CAUSE: Final = 1000
MAX_CAUSE_IN_URL: Final = 200
ALL_IS_WELL: Final = "every newest cycle was completed"

#: Of an answer so much is read: what matters in it is a word.
_ANSWER_BYTES: Final = 1000
#: Healthchecks.io says 200 also for a check that does not exist, and for pings that it ignores.
_REFUSALS: Final = ("(not found)", "(rate limited)")
_KUMA_PATH: Final = re.compile(r"/api/push/[^/]+/?")
_CRONITOR_HOSTS: Final = frozenset({"cronitor.link", "cronitor.io"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PingTimeouts:
    """How long a ping may take, in seconds: to connect, between two bytes, and as a whole.

    Only a name that does not resolve can take longer, as long as the system's resolver tries.
    """

    connect: float = 5.0
    read: float = 5.0
    total: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """One request to the service outside. Its URL is a secret."""

    method: str
    url: str = field(repr=False)
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def build_ping(url: str, trouble: str) -> Ping:
    """Return the ping that says what is wrong, or with an empty text that all is well.

    Args:
        url: As the service shows it; its query string stays as it is, but for what says the state.
        trouble: What is wrong: some lines of text.
    """
    parts = urlsplit(url)
    if _KUMA_PATH.fullmatch(parts.path):
        said = {"status": "down", "msg": _in_url(trouble)} if trouble else {"status": "up", "msg": "OK"}
        return Ping(method="GET", url=_with_query(url, said))
    if parts.hostname in _CRONITOR_HOSTS:
        said = {"state": "fail", "message": _in_url(trouble)} if trouble else {}
        return Ping(method="GET", url=_with_query(url, said))
    if not says_failure(url):
        return Ping(method="GET", url=url)
    path = parts.path.rstrip("/") + "/fail" if trouble else parts.path
    body = (trouble or ALL_IS_WELL)[:MAX_CAUSE].encode()
    return Ping(method="POST", url=urlunsplit(parts._replace(path=path)), body=body)


#: Heartbeats of Opsgenie, and of Jira Service Management after it, which know silence alone: `/fail` is no path there.
_SILENT_PATH: Final = re.compile(r"/(?:v2|jsm)/(?:[^/]+/)*heartbeats/(?:[^/]+/)?ping/?")


def says_failure(url: str) -> bool:
    """Return True if a service can be sent a failure; one that cannot is sent nothing then."""
    return _SILENT_PATH.fullmatch(urlsplit(url).path) is None


def _in_url(trouble: str) -> str:
    return " ".join(trouble.split())[:MAX_CAUSE_IN_URL]


def _with_query(url: str, said: dict[str, str]) -> str:
    """Return the URL with parameters in place of those of the same names."""
    parts = urlsplit(url)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in said]
    return urlunsplit(parts._replace(query=urlencode([*kept, *said.items()]))) if said else url


class Heartbeat:
    """Pings a dead man's switch after cycles, from a thread of its own.

    Args:
        url: Where to. A secret.
        trouble: Says what is wrong with the service; empty if nothing is. It is asked right before a ping.
        redact: Takes secrets out of a text.
        note: Called with the outcome of each ping.
        patience: How long a ping may take.
        least_gap: Seconds between two pings.
        headers: What goes with each ping. Secrets.
    """

    def __init__(
        self,
        url: str,
        *,
        trouble: Callable[[], str],
        redact: Callable[[str], str],
        note: Callable[[PingOutcome], None],
        patience: PingTimeouts | None = None,
        least_gap: float = MIN_GAP,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._url = url
        self._headers = headers or {}
        self._trouble_now = trouble
        self._redact = redact
        self._note = note
        self._patience = patience or PingTimeouts()
        self._least_gap = least_gap
        self._dialer = Dialer()
        self._word = threading.Condition()
        self._is_due = False
        self._trouble = ""
        self._closed = threading.Event()
        self._failures = 0
        # A daemon, so that a ping in flight holds no exit up.
        threading.Thread(target=self._run, name="heartbeat", daemon=True).start()

    def record_cycle(self, trouble: str = "") -> None:
        """Take note that a cycle was completed or, with what is wrong, that one could not be; return at once."""
        with self._word:
            self._is_due = True
            self._trouble = self._trouble or trouble
            self._word.notify()

    def close(self) -> None:
        """Ping no more: silence is what the service outside waits for. Returns at once."""
        self._closed.set()
        with self._word:
            self._word.notify()

    def _run(self) -> None:
        while not self._closed.is_set():
            trouble = self._next_word()
            if self._closed.is_set():
                return
            self._ping(trouble)
            self._closed.wait(self._least_gap)

    def _next_word(self) -> str:
        """Wait for a cycle to end; return what it, or one before it that was not said yet, had to complain of."""
        with self._word:
            self._word.wait_for(lambda: self._is_due or self._closed.is_set())
            trouble, self._trouble, self._is_due = self._trouble, "", False
        return trouble

    def _ping(self, trouble: str) -> None:
        try:
            said = self._redact(trouble or self._trouble_now())
            if said and not says_failure(self._url):
                return
            send(replace(build_ping(self._url, said), headers=self._headers), self._patience, self._dialer)
        except DeliveryError as error:
            self._failed(str(error))
            self.record_cycle(trouble)
        except Exception:
            # The thread goes on whatever happens: to ping no more would raise an alarm about the wrong thing.
            log.exception("internal error job=%s", "heartbeat")
            self._note(PingOutcome.FAILED)
        else:
            self._sent()

    def _sent(self) -> None:
        if self._failures:
            log.info("heartbeat ping succeeded again failures=%d", self._failures)
        self._failures = 0
        self._note(PingOutcome.SENT)

    def _failed(self, error: str) -> None:
        if not self._failures:
            log.warning("heartbeat ping failed: %s", error)  # Once, until a ping succeeds.
        self._failures += 1
        self._note(PingOutcome.FAILED)


def send(ping: Ping, patience: PingTimeouts, dialer: Dialer | None = None) -> None:
    """Send a ping.

    Args:
        ping: What is sent.
        patience: How long it may take.
        dialer: Connects; None for one that remembers nothing.

    Raises:
        DeliveryError: It was not taken, or not in time; the text holds nothing of the URL.
    """
    request_deadline = RequestDeadline()
    deadline = threading.Timer(patience.total, request_deadline.cut)
    deadline.daemon = True
    deadline.start()
    try:
        status, answer = _answer(ping, patience, HeldSession(request_deadline, dialer or Dialer()))
    except Exception as error:  # noqa: BLE001 - a server can make a library raise anything, with the URL in its text
        said = (
            _late(patience) if request_deadline.is_cut else _said_of(error, patience, scheme=urlsplit(ping.url).scheme)
        )
        raise DeliveryError(said) from None
    finally:
        deadline.cancel()
        request_deadline.release()
    if request_deadline.is_cut:
        raise DeliveryError(_late(patience))
    _check_answer(status, answer)


def _late(patience: PingTimeouts) -> str:
    return f"no complete answer within {patience.total:g} s"


def _answer(ping: Ping, patience: PingTimeouts, held: HeldSession) -> tuple[int, str]:
    has_password = "@" in urlsplit(ping.url).netloc
    with (
        held as session,
        session.request(
            ping.method,
            ping.url,
            data=ping.body,
            headers={
                "User-Agent": f"alerter/{__version__}",
                "Content-Type": "text/plain; charset=utf-8",
                **ping.headers,
                "Accept-Encoding": "identity",
                "Connection": "close",
            },
            auth=None if has_password else without_netrc,
            timeout=(patience.connect, patience.read),
            proxies=proxies_for(ping.url),
            stream=True,
            allow_redirects=False,
        ) as response,
    ):
        return response.status_code, response.raw.read(_ANSWER_BYTES, decode_content=False).decode(errors="replace")


def _check_answer(status: int, answer: str) -> None:
    if 300 <= status < 400:  # noqa: PLR2004 - the classes of HTTP
        raise DeliveryError(f"answered {status}, a redirect: write the address that it leads to")
    if not 200 <= status < 300:  # noqa: PLR2004 - as above
        raise DeliveryError(f"answered {status}, expected 200 to 299")
    refusal = next((words for words in _REFUSALS if words in answer), None)
    if refusal is not None:
        raise DeliveryError(f"answered {status}, but {refusal}")


def _said_of(error: Exception, patience: PingTimeouts, *, scheme: str) -> str:
    """Return what went wrong in our words: those of the libraries hold the URL."""
    is_of_setting = isinstance(error, _OF_SETTINGS) or "CA certificate bundle" in str(error)
    if is_of_setting and (fault := fault_on_the_way(scheme)):
        return fault
    if is_of_proxy(error):
        return proxy_failure(error, scheme)
    said = next((words for kind, words in _SAID if isinstance(error, kind)), f"not sent: {type(error).__name__}")
    return said.format(patience=patience)


#: What a proxy or a file of authorities may be to blame for that is not as it should be.
_OF_SETTINGS: Final = (
    requests.exceptions.ProxyError,
    requests.exceptions.SSLError,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    urllib3.exceptions.LocationValueError,
)
#: The first that fits counts: some of these errors are kinds of others.
_SAID: Final[tuple[tuple[type[Exception], str], ...]] = (
    (requests.exceptions.SSLError, "the TLS connection failed: check its certificate, and REQUESTS_CA_BUNDLE"),
    (requests.exceptions.ConnectTimeout, "no connection within {patience.connect:g} s"),
    (requests.exceptions.Timeout, "no answer within {patience.read:g} s"),
    (requests.exceptions.ConnectionError, "it cannot be reached, or cut the connection"),
)
