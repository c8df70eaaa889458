"""The meaning of a connection to a target that got only so far."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from ipaddress import ip_address

from alerter.doctor.findings import NOTHING, Finding, Group, Measured, Outcome
from alerter.network.probe import Endpoint, ProbeResult, ProbeStage, TlsMode

#: A certificate that ends sooner should have been renewed by whatever renews it.
CERTIFICATE_MARGIN = timedelta(days=14)
#: Mail that leaves through these is mail that the gateway may hold.
WATCHED_DOMAIN = ".mimecast.com"

_ADVICE = {
    ProbeStage.NAME: "Check the URL for a slip of the pen, and this machine's DNS.",
    ProbeStage.CONNECTION: "Check firewall, proxy and network, and the port in the URL.",
    ProbeStage.PROXY: "Check HTTPS_PROXY and HTTP_PROXY; NO_PROXY names the hosts that need none.",
    ProbeStage.GREETING: "Check the port: 587 greets at once, 465 only after TLS, which ?mode=ssl asks for.",
    ProbeStage.TLS: "Check port and kind: mailtos:// is STARTTLS, with ?mode=ssl TLS at once; json:// has no TLS.",
    ProbeStage.CERTIFICATE: (
        "If it comes from an authority of your own, or from a proxy that inspects TLS, this machine must know that "
        "authority: SSL_CERT_FILE for mail, REQUESTS_CA_BUNDLE for all else."
    ),
}
#: What is known better by what is wrong with a certificate, in OpenSSL's words.
_ADVICE_BY_COMPLAINT = {
    "expired": "Its administrator must renew the certificate.",
    "not yet valid": "Check this machine's clock; otherwise its owner must replace the certificate.",
    "mismatch": "Use the name that the certificate is for, or have it reissued for this one.",
}


def assess_contact(subject: str, endpoint: Endpoint, found: ProbeResult, *, now: datetime) -> Iterator[Finding]:
    """Yield what it means that a connection got so far."""
    via = f" through the proxy {found.proxy}" if found.proxy else ""
    if found.failed_at is ProbeStage.PROXIED:
        yield receiver_finding(
            subject, Outcome.NOT_APPLICABLE, f"{endpoint}: {found.detail}, which alerter cannot look through"
        )
        return
    if found.failed_at is not None:
        text = f"{endpoint}{via}: {found.failed_at}: {found.detail}"
        yield receiver_finding(subject, Outcome.FAILED, text, _advice(found))
        return
    troubles = [
        *_secrecy(subject, endpoint),
        *_certificate(subject, endpoint, found, now=now),
        *_way(subject, endpoint),
    ]
    if not troubles:
        good_for = f", its certificate is good for {_days_left(found, now=now)} days" if _has_end(found) else ""
        text = f"{endpoint}{via}: the name resolves, it answers{good_for}"
        yield receiver_finding(subject, Outcome.OK, text, measured=_measured(found, now=now))
    yield from troubles


def _advice(found: ProbeResult) -> str:
    if found.failed_at is ProbeStage.CERTIFICATE:
        for complaint, advice in _ADVICE_BY_COMPLAINT.items():
            if complaint in found.detail:
                return advice
    return _ADVICE[found.failed_at or ProbeStage.CONNECTION]


def _secrecy(subject: str, endpoint: Endpoint) -> Iterator[Finding]:
    if endpoint.security is TlsMode.NONE and not _is_here(endpoint.host):
        text = f"{endpoint}: without TLS anybody on the way can read and change what is sent"
        advice = "Use the form of the URL that ends in s, such as jsons:// or mailtos://."
        yield receiver_finding(subject, Outcome.WARNING, text, advice)
    elif endpoint.security is not TlsMode.NONE and not endpoint.verifies:
        text = f"{endpoint}: verify=no, so that anybody on the way can pretend to be it"
        advice = "Take verify=no out of the URL. An authority of your own can be made known: SSL_CERT_FILE for mail, "
        yield receiver_finding(subject, Outcome.WARNING, text, f"{advice}REQUESTS_CA_BUNDLE for all else.")


def _certificate(subject: str, endpoint: Endpoint, found: ProbeResult, *, now: datetime) -> Iterator[Finding]:
    if found.certificate_ends_at is not None and found.certificate_ends_at - now < CERTIFICATE_MARGIN:
        text = f"{endpoint}: its certificate ends in {_days_left(found, now=now)} days"
        advice = "Have it renewed before: no message will be sent there afterwards."
        yield receiver_finding(subject, Outcome.WARNING, text, advice, measured=_measured(found, now=now))


def _way(subject: str, endpoint: Endpoint) -> Iterator[Finding]:
    if endpoint.is_mail and f".{endpoint.host}".endswith(WATCHED_DOMAIN):
        text = f"{endpoint}: it is sent through Mimecast, which is what is watched: it may be held itself"
        advice = "Send it past the gateway, or to Slack, Teams or a pager as well."
        yield receiver_finding(subject, Outcome.WARNING, text, advice)


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _has_end(found: ProbeResult) -> bool:
    return found.certificate_ends_at is not None


def _days_left(found: ProbeResult, *, now: datetime) -> int:
    return (found.certificate_ends_at - now).days if found.certificate_ends_at is not None else 0


def _measured(found: ProbeResult, *, now: datetime) -> dict[str, float]:
    return {"certificate_days_left": _days_left(found, now=now)} if _has_end(found) else {}


def receiver_finding(
    subject: str, outcome: Outcome, text: str, advice: str = "", measured: Measured = NOTHING
) -> Finding:
    """Return a finding about a target, or another way out."""
    return Finding(group=Group.RECEIVERS, subject=subject, outcome=outcome, text=text, advice=advice, measured=measured)
