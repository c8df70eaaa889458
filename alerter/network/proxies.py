"""Proxies that let nothing through: an exception of the HTTP libraries in, words out.

The libraries wrap one another's exceptions three and four deep, and blame the host that was asked for; so the whole
chain is searched, and the proxy is named by the setting that it comes from.
"""

import http.client
import re
import socket
import ssl
from collections.abc import Iterator
from traceback import walk_tb

import requests
import urllib3
from requests.utils import get_environ_proxies, select_proxy

from alerter.network_settings import proxy_address, proxy_setting


def proxy_name(scheme: str) -> str:
    """Return what a proxy is called at the begin of a sentence: by its setting and address, never with its password."""
    setting = proxy_setting(scheme)
    return "the proxy" if setting is None else f"the proxy of {setting.name}, {proxy_address(setting)},"


def proxy_to(host: str, scheme: str) -> str:
    """Return what the proxy is called that leads to a host; empty where none does."""
    url = f"{scheme}://{host}/"
    return proxy_name(scheme) if select_proxy(url, get_environ_proxies(url)) else ""


def proxy_failure(error: BaseException, scheme: str) -> str:
    """Return why a proxy let nothing through: of the innermost that is known."""
    if answer := tunnel_answer(error):
        return f"{proxy_name(scheme)} {answer_text(answer)}"
    return f"{proxy_name(scheme)} {_why(error)}"


def answer_text(status: str) -> str:
    """Return that a proxy answered itself, in place of the host that was asked for."""
    wants = ": it wants a user name and a password" if status == "407" else ""
    return f"answers HTTP {status}{wants}"


def tunnel_answer(error: BaseException) -> str:
    """Return the status with which a proxy refused to lead on; empty where it gave none."""
    texts = [str(each) for each in links(error) if type(each) is OSError]
    found = re.search(TUNNEL_REFUSED, " ".join(texts))
    return found[1] if found else ""


#: http.client's words.
TUNNEL_REFUSED = r"Tunnel connection failed: (\d{3})"


def is_of_proxy(error: BaseException) -> bool:
    """Say whether a request came no further than to a proxy: until that has answered, nobody else is there."""
    kinds = (requests.exceptions.ProxyError, urllib3.exceptions.ProxyError)
    return any(isinstance(each, kinds) or _is_of_tunnel(each) for each in links(error))


def is_system(link: BaseException) -> bool:
    """Say whether the system itself raised it; the exceptions of requests are OSErrors too."""
    return isinstance(link, OSError) and not isinstance(link, requests.RequestException)


def links(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and everything that it wraps, in whichever way, outermost first."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        link = waiting.pop(0)
        if isinstance(link, BaseException) and id(link) not in seen:
            seen.add(id(link))
            yield link
            waiting += [*link.args, getattr(link, "reason", None), link.__cause__, link.__context__]


def _is_of_tunnel(link: BaseException) -> bool:
    return any(frame.f_code.co_name == "_tunnel" for frame, _ in walk_tb(link.__traceback__))


def _why(error: BaseException) -> str:
    chain = tuple(links(error))
    for kinds, text in _WHY:
        if any(isinstance(each, kinds) for each in chain):
            return text
    system = next((each for each in chain if is_system(each)), None)
    strerror = system.strerror if isinstance(system, OSError) else None
    return f"cannot be reached: {strerror.lower()}" if strerror else "lets nothing through"


#: What each kind of exception means on the way to a proxy; the first that is found counts.
_WHY: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((socket.gaierror, urllib3.exceptions.NameResolutionError), "has a name that does not resolve"),
    ((ssl.SSLCertVerificationError,), "shows a certificate that is refused"),
    ((ssl.SSLError,), "speaks no TLS: write http:// and not https:// before its name"),
    ((ConnectionRefusedError,), "refuses the connection"),
    ((TimeoutError, urllib3.exceptions.TimeoutError), "does not answer"),
    ((http.client.RemoteDisconnected,), "closes the connection without an answer"),
    ((http.client.HTTPException,), "does not speak HTTP as it should"),
)
