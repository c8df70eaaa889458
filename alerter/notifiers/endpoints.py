"""The host that a service of Apprise sends to, as far as its object says so.

A part of the notifier, which alone makes such objects. Of most services the "host" of the URL is a token: it is
believed only where every form of the URL has a host in that place.
"""

import sys
from typing import Any
from urllib.parse import urlsplit

from apprise.plugins.base import NotifyBase
from apprise.plugins.email.base import NotifyEmail
from apprise.plugins.email.smtp import SMTP_DEFAULT_PORTS, SMTPSecureMode
from apprise.plugins.opsgenie import OPSGENIE_API_LOOKUP, NotifyOpsgenie
from apprise.plugins.pagerduty import PAGERDUTY_API_LOOKUP, NotifyPagerDuty
from apprise.plugins.slack import NotifySlack, SlackMode

from alerter.network.probe import HTTP_PORT, HTTPS_PORT, Endpoint, TlsMode

_SECURITY_BY_MODE = {
    SMTPSecureMode.SSL: TlsMode.TLS,
    SMTPSecureMode.STARTTLS: TlsMode.STARTTLS,
    SMTPSecureMode.INSECURE: TlsMode.NONE,
}


def apprise_endpoint(service: NotifyBase) -> Endpoint | None:
    """Return where a service sends to over HTTP or SMTP; None where that cannot be known, or is something else."""
    if isinstance(service, NotifyEmail):
        return _mail_server(service)
    address = _address(service)
    if address is not None:
        return _of_address(address, verifies=bool(service.verify_certificate))
    if not (_speaks_http(service) and _is_named_by_url(service) and service.host):
        return None
    is_secure = bool(service.secure) or not service.protocol  # some have no insecure form
    return Endpoint(
        host=str(service.host),
        port=int(service.port or (HTTPS_PORT if is_secure else HTTP_PORT)),
        security=TlsMode.TLS if is_secure else TlsMode.NONE,
        verifies=bool(service.verify_certificate),
    )


def _mail_server(service: Any) -> Endpoint:  # noqa: ANN401 - Apprise's plugin, whose attributes have no types
    return Endpoint(
        host=str(service.smtp_host),
        port=int(service.port or SMTP_DEFAULT_PORTS[service.secure_mode]),
        security=_SECURITY_BY_MODE[service.secure_mode],
        is_mail=True,
        verifies=bool(service.verify_certificate),
    )


def _address(service: Any) -> str | None:  # noqa: ANN401 - the same
    """Return the address of a service that is somewhere, whatever the URL says."""
    if isinstance(service, NotifyPagerDuty):
        return PAGERDUTY_API_LOOKUP[str(service.region_name)]
    if isinstance(service, NotifyOpsgenie):
        return OPSGENIE_API_LOOKUP[str(service.region_name)]
    if isinstance(service, NotifySlack):
        return str(service.api_url if service.mode == SlackMode.BOT else service.webhook_url)
    address = getattr(service, "notify_url", None)
    return address if isinstance(address, str) else None


def _of_address(address: str, *, verifies: bool) -> Endpoint | None:
    parts = urlsplit(address)
    is_known = parts.hostname and "{" not in parts.hostname and parts.scheme in {"http", "https"}
    return Endpoint.of_url(address, verifies=verifies) if is_known else None


def _speaks_http(service: NotifyBase) -> bool:
    """Say whether the module of Apprise's own plugin has the library that it would need."""
    plugins = (each.__module__ for each in type(service).__mro__ if each.__module__.startswith("apprise.plugins."))
    return hasattr(sys.modules[next(plugins)], "requests")


def _is_named_by_url(service: NotifyBase) -> bool:
    """Say whether each form of the service's URL has its host in the host's place."""
    templates: tuple[str, ...] = service.templates
    return bool(templates) and all("{host}" in template for template in templates)
