"""The configuration: one TOML file and the environment in, a frozen `Config` or every problem at once out.

`load` is the way through it: `toml_lines` finds places, `variables` fills in `${NAME}`, `models` and `rule_models` are
the tables, `sections` reads them, `validate` holds them against each other, `problems` words what is wrong.
"""

from alerter.config.advice import ENDS_IN_MAIL
from alerter.config.load import find_config, find_database, load_config
from alerter.config.models import (
    REGIONS,
    ApiVersion,
    Config,
    ReceiverConfig,
    ServiceConfig,
    Target,
    TenantConfig,
    WebConfig,
)
from alerter.config.types import Secret
from alerter.config.urls import ListenAddress
from alerter.config.variables import WORLD_READABLE, is_readable_by_everyone, toml_text

__all__ = [
    "ENDS_IN_MAIL",
    "REGIONS",
    "WORLD_READABLE",
    "ApiVersion",
    "Config",
    "ListenAddress",
    "ReceiverConfig",
    "Secret",
    "ServiceConfig",
    "Target",
    "TenantConfig",
    "WebConfig",
    "find_config",
    "find_database",
    "is_readable_by_everyone",
    "load_config",
    "toml_text",
]
