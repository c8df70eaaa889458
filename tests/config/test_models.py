"""The tables of the file as models: frozen, from one declaration for each setting, and without a secret in any text."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from alerter.config.models import KEYS_BY_API, ServiceConfig, TenantConfig
from alerter.config.sections import TABLES, allowed_keys, is_secret
from alerter.config.toml_lines import KeyPath
from alerter.core.series import Tenant


def test_whatever_is_a_secret_is_hidden_by_its_place() -> None:
    """A secret is one by the type of its field: nobody can forget that no text may show it."""
    keys = [(section, key) for section, table in TABLES.items() for key in allowed_keys(table)]
    places = {(section, key) for section, key in keys if is_secret(path(section, key))}

    assert places == {
        ("service", "database"),
        ("service", "heartbeat_url"),
        ("service", "heartbeat_headers"),
        *(("tenants", key) for keys in KEYS_BY_API.values() for key in keys),
        ("receivers", "urls"),
    }
    assert is_secret(("receivers", "secops", "urls", 0))
    assert not is_secret(("tenants",))


def path(section: str, key: str) -> KeyPath:
    """Return where a key of a section stands, in the table of that name where it has several."""
    return (section, key) if section in {"service", "web"} else (section, "x", key)


def test_nothing_can_be_changed() -> None:
    """What was validated stays so."""
    service = ServiceConfig(database="sqlite://")

    with pytest.raises(ValidationError, match="frozen"):
        service.retention = timedelta(days=2)


def test_a_tenant_takes_from_the_service_what_it_does_not_say() -> None:
    """What it says itself stays, also where that is the same."""
    zone = ZoneInfo("Europe/London")
    service = ServiceConfig(database="sqlite://", poll_interval=timedelta(minutes=2), timezone=zone)
    tenant = TenantConfig(name=Tenant("acme"), poll_interval=timedelta(minutes=9))

    completed = tenant.completed(service)

    assert (completed.poll_interval, completed.timezone) == (timedelta(minutes=9), zone)
    assert completed.host == "global"


def test_all_of_the_history_is_kept_for_a_while_or_as_long_as_there_is_any() -> None:
    """For ninety days, or less where it is not kept for so long."""
    kept = [ServiceConfig(database="sqlite://", retention=timedelta(days=days)).downsample_after for days in (60, 400)]

    assert kept == [timedelta(days=60), timedelta(days=90)]
