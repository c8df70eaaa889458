"""The configuration: one TOML file and the environment in, a frozen `Config` or every problem at once out.

`load` is the way through it: `lines` finds places, `variables` fills in `${NAME}`, `schema` knows each table's keys,
`tables` turns tables into parts, `references` holds the parts against each other, `problems` words what is wrong.
"""

from alerter.config.load import find_config, find_database, load_config
from alerter.config.model import (
    REGIONS,
    Address,
    ApiVersion,
    Config,
    Keys,
    OAuthKeys,
    ReceiverConfig,
    Secret,
    ServiceConfig,
    SigningKeys,
    Target,
    TenantConfig,
)
from alerter.config.validate import ENDS_IN_MAIL
from alerter.config.variables import LIES_OPEN, is_readable_by_everyone, toml_text

__all__ = [
    "ENDS_IN_MAIL",
    "LIES_OPEN",
    "REGIONS",
    "Address",
    "ApiVersion",
    "Config",
    "Keys",
    "OAuthKeys",
    "ReceiverConfig",
    "Secret",
    "ServiceConfig",
    "SigningKeys",
    "Target",
    "TenantConfig",
    "find_config",
    "find_database",
    "is_readable_by_everyone",
    "load_config",
    "toml_text",
]
