"""The meaning of an exception of the HTTP libraries: an exception in, a `RequestError` out.

The libraries wrap one another's exceptions three and four deep, and their texts quote addresses, header values and
whatever a server sent; so the whole chain is searched, and only its meaning goes on.
"""

import http.client
import socket
import ssl
from collections.abc import Callable

import requests
import urllib3
from urllib3.exceptions import HTTPError

from alerter.errors import Cause
from alerter.network.dialer import Unanswered
from alerter.network.proxies import is_of_proxy, is_system, links, proxy_failure, tunnel_answer
from alerter.network_settings import fault_of_authorities, fault_on_the_way
from alerter.sources.mimecast.request_error import RequestError, RetryAction

#: What Mimecast speaks; http is for this machine alone, to which no proxy leads.
_SCHEME = "https"


def classify_exception(error: BaseException) -> RequestError:
    """Return what an exception of the HTTP libraries means, found in the chain that they wrap it into."""
    if is_of_proxy(error):
        return _proxy(error)
    chain = tuple(links(error))
    for kinds, fault in _FAULT_BY_KIND:
        for link in chain:
            if isinstance(link, kinds):
                return fault(link)
    return _broken(error)


def _proxy(link: BaseException) -> RequestError:
    if fault := fault_on_the_way(_SCHEME):
        return RequestError(Cause.UNREACHABLE, fault)
    remedy = RetryAction.NONE if tunnel_answer(link) else RetryAction.RETRY
    return RequestError(Cause.UNREACHABLE, proxy_failure(link, _SCHEME), remedy=remedy)


def _dns(link: BaseException) -> RequestError:
    is_passing = isinstance(link, OSError) and link.errno == socket.EAI_AGAIN
    reason = link.strerror if isinstance(link, OSError) and link.strerror else "no such name"
    return RequestError(
        Cause.DNS,
        f"the host name does not resolve: {reason}",
        remedy=RetryAction.RETRY if is_passing else RetryAction.NONE,
    )


def _certificate(link: BaseException) -> RequestError:
    if fault := fault_of_authorities():
        return RequestError(Cause.TLS, fault)
    reason = str(getattr(link, "verify_message", "")) or "it does not verify"
    return RequestError(Cause.TLS, f"the certificate is refused: {reason}")


def _tls(link: BaseException) -> RequestError:
    if fault := fault_of_authorities():
        return RequestError(Cause.TLS, fault)
    reason = getattr(link, "reason", None)
    return RequestError(Cause.TLS, f"no TLS connection: {reason if isinstance(reason, str) else type(link).__name__}")


def _timeout(link: BaseException) -> RequestError:
    unanswered = next((each for each in links(link) if isinstance(each, Unanswered)), None)
    said = "no connection or no answer in time" if unanswered is None else f"no connection: {unanswered.strerror}"
    return RequestError(Cause.TIMEOUT, said, remedy=RetryAction.RETRY)


def _broken(link: BaseException) -> RequestError:
    """Return what the operating system says of a connection, where it says anything."""
    system = next((inner for inner in links(link) if is_system(inner)), None)
    if system is None:
        return _unknown(link)
    if "CA certificate bundle" in str(system):
        return RequestError(Cause.TLS, fault_of_authorities() or "the file of trusted authorities does not exist")
    strerror = system.strerror if isinstance(system, OSError) else None
    reason = strerror.lower() if strerror else "it broke"
    return RequestError(Cause.UNREACHABLE, f"no connection to the host: {reason}", remedy=RetryAction.RETRY)


def _disconnected(_: BaseException) -> RequestError:
    return RequestError(Cause.UNREACHABLE, "the host closed the connection without an answer", remedy=RetryAction.RETRY)


def _cut_off(_: BaseException) -> RequestError:
    return RequestError(Cause.UNREACHABLE, "the answer was cut off", remedy=RetryAction.RETRY)


def _not_http(link: BaseException) -> RequestError:
    return RequestError(Cause.WRONG_HOST, f"the host does not speak HTTP as it should ({type(link).__name__})")


def _address(_: BaseException) -> RequestError:
    if fault := fault_on_the_way(_SCHEME):
        return RequestError(Cause.UNREACHABLE, fault)
    return RequestError(Cause.WRONG_HOST, "base_url cannot be used as an address")


def _proxy_setting(_: BaseException) -> RequestError:
    fault = fault_on_the_way(_SCHEME)
    return RequestError(Cause.UNREACHABLE, fault or "the proxy setting of the environment cannot be used")


def _unknown(error: BaseException) -> RequestError:
    if isinstance(error, requests.RequestException | HTTPError | OSError):
        return RequestError(
            Cause.UNREACHABLE, f"no connection to the host ({type(error).__name__})", remedy=RetryAction.RETRY
        )
    return RequestError(Cause.NOT_UNDERSTOOD, f"the answer breaks the HTTP library ({type(error).__name__})")


#: Tried in this order against every link of the chain: the inner cause decides, not the wrapper.
_FAULT_BY_KIND: tuple[tuple[tuple[type[BaseException], ...], Callable[[BaseException], RequestError]], ...] = (
    (
        (requests.exceptions.InvalidProxyURL, requests.exceptions.InvalidSchema, urllib3.exceptions.ProxySchemeUnknown),
        _proxy_setting,
    ),
    ((socket.gaierror,), _dns),
    ((ssl.SSLCertVerificationError,), _certificate),
    ((ssl.SSLError, requests.exceptions.SSLError, urllib3.exceptions.SSLError), _tls),
    # before the timeouts, whose subclass it is: a refused connection is none
    ((urllib3.exceptions.NewConnectionError,), _broken),
    ((TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError), _timeout),
    ((http.client.RemoteDisconnected,), _disconnected),
    ((http.client.IncompleteRead, urllib3.exceptions.IncompleteRead), _cut_off),
    ((http.client.HTTPException, urllib3.exceptions.InvalidHeader), _not_http),
    ((requests.exceptions.InvalidURL, urllib3.exceptions.LocationValueError), _address),
)
