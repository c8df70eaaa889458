"""The tables of the file as models: frozen, from one declaration for each setting, and without a secret in any text."""

from datetime import timedelta
from typing import Annotated, Any, get_args, get_origin
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from alerter.config.models import MuteWindowConfig, RouteConfig, Section, ServiceConfig, TenantConfig, WebConfig
from alerter.config.rule_models import RECEIVER, RULE
from alerter.config.sections import is_secret
from alerter.config.types import Secret
from alerter.core.series import Tenant

TABLES: dict[str, type[Section]] = {
    "service": ServiceConfig,
    "web": WebConfig,
    "tenants": TenantConfig,
    "receivers": RECEIVER,
    "routes": RouteConfig,
    "rules": RULE,
    "mute_windows": MuteWindowConfig,
}


def has_secret(hint: Any) -> bool:  # noqa: ANN401 - a type form
    """Say whether a type form has a secret in it."""
    parts = get_args(hint)[:1] if get_origin(hint) is Annotated else get_args(hint)
    return hint is Secret or any(map(has_secret, parts))


@pytest.mark.parametrize("section", [*TABLES])
def test_whatever_is_a_secret_is_hidden_by_its_place(section: str) -> None:
    """A new secret is one field: nobody can forget that no text may show it."""
    table = TABLES[section]
    at = (section,) if section in {"service", "web"} else (section, "x")

    secret = {name for name, field in table.model_fields.items() if has_secret(field.annotation)}

    # A database is one only where it names a server.
    assert secret | ({"database"} if section == "service" else set()) == {
        name for name in table.model_fields if is_secret((*at, name))
    }


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
