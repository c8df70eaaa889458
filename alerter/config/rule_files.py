"""From a file of rules to a configuration that decides by them: what the file leaves open comes from elsewhere.

A candidate for new rules, or a file of tests, has neither accounts nor secrets. Whose mail is held, how often they are
polled and where their people work is said by the configuration that is installed, or by the tests; so is who is
notified, where the file says nothing of that.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from alerter.config.files import File, Files, Tree
from alerter.config.include import include, reach_in, read
from alerter.config.load import find_database
from alerter.config.models import Config, TenantConfig
from alerter.config.paths import load_credentials
from alerter.config.problems import Problems
from alerter.config.sections import is_name, read_sections
from alerter.config.variables import Variables
from alerter.errors import ConfigError
from alerter.redaction import Redactor

#: Who is notified where nothing names a receiver.
RECEIVER = "everyone"
#: What a file of rules may say.
SECTIONS = ("rules", "receivers", "routes", "mute_windows")
#: Where the history is where nothing says so.
DATABASE = "sqlite:///alerter.db"
#: What a file says of the history for which nothing is installed.
_OF_SERVICE = ("database", "poll_interval", "timezone", "retention", "downsample_after")
_KEYS = {"client_id": "none", "client_secret": "none"}
#: Stands for the tenants as long as nobody knows them.
_NOBODY = "nobody"


def load_rules(path: Path, *, installed: Config | None, tenants: Iterable[str] = ()) -> Config:
    """Return a configuration with the rules of a file; of its keys and URLs none is of any use.

    Args:
        path: The file; it needs neither tenants nor receivers.
        installed: The configuration that says everything else, its database too; None where there is none, and the
            file says it.
        tenants: Whose mail is held, where there is none.

    Raises:
        ConfigError: It cannot be read or is wrong; with every problem of it.
    """
    file = read(path)
    if installed is not None:
        config = build_rule_config(file, _rest_of(installed))
        return replace(config, service=installed.service)
    service = file.tables.get("service", {})
    if isinstance(service, dict):
        service = {key: service[key] for key in _OF_SERVICE if key in service}
        if isinstance(database := service.get("database", DATABASE), str):
            service["database"] = find_database(database, path, redactor=Redactor())
    return build_rule_config(file, {"service": service, "tenants": tenants_from_names(tenants or [_NOBODY])})


def tenants_from_names(tenants: Iterable[str]) -> Tree:
    """Return tenants of which nothing is known but their names, as a file has them."""
    return dict.fromkeys(tenants, _KEYS)


def build_rule_config(file: File, rest: Tree) -> Config:
    """Return the configuration that a file of rules and the rest of it make.

    Args:
        file: Its sections but for `SECTIONS` are of no concern.
        rest: `service` and `tenants`; and, for a file that has none of them, `receivers`, `routes` and `mute_windows`.

    Raises:
        ConfigError: The file's rules, receivers, routes or mute windows are wrong.
    """
    files = Files(file)
    problems = Problems(files)
    own = _filled_in(files, problems)
    tree = {**rest, **own}
    if "receivers" in own and "routes" not in own:
        # Other routes lead to others.
        tree.pop("routes", None)
    tree["receivers"] = _without_urls(tree.get("receivers"))
    sections = read_sections(tree, problems, state_folder=file.folder)
    if problems.errors:
        raise ConfigError(problems.errors)
    return sections.put_together(Path(file.name))


def _filled_in(files: Files, problems: Problems) -> dict[str, object]:
    """Return what files say of `SECTIONS`; nothing in them that decides depends on a variable: none is looked for."""
    variables = Variables(
        {},
        load_credentials(Path(files.main.name), {}),
        reach_in(files),
        problems,
        is_name=is_name,
        may_lack=lambda _: True,
    )
    include(files, variables, problems)
    return {key: variables.substitute(files.tree[key], (key,)) for key in SECTIONS if key in files.tree}


def _rest_of(installed: Config) -> Tree:
    """Return what a configuration says of everything but rules, without a secret."""
    files = Files(read(installed.path))
    sections = _filled_in(files, Problems(files))
    service = installed.service
    return {key: value for key, value in sections.items() if key != "rules"} | {
        "service": {
            "poll_interval": _text(service.poll_interval),
            "timezone": service.timezone.key,
            "retention": _text(service.retention),
            "downsample_after": _text(service.downsample_after),
        },
        "tenants": {name: _table_of(tenant) for name, tenant in installed.tenants.items()},
    }


def _table_of(tenant: TenantConfig) -> Tree:
    return _KEYS | {
        "poll_interval": _text(tenant.poll_interval),
        "timezone": tenant.timezone.key,
        "labels": dict(tenant.labels),
        "muted": tenant.muted,
    }


def _text(span: timedelta) -> str:
    return f"{int(span.total_seconds())}s"


def _without_urls(receivers: object) -> object:
    """Return the receivers, of which none is ever reached here."""
    nowhere = {"urls": ["json://localhost"]}
    if receivers is None:
        return {RECEIVER: nowhere}
    if not isinstance(receivers, dict):
        return receivers
    return {name: each | nowhere if isinstance(each, dict) else each for name, each in receivers.items()}
