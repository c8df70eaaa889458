"""From a file and the environment to a configuration, or to every problem at once."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from alerter.config import (
    ApiVersion,
    Config,
    ListenAddress,
    ReceiverConfig,
    Secret,
    ServiceConfig,
    Target,
    TenantConfig,
    find_config,
    load_config,
)
from alerter.config.types import MAX_LISTED
from alerter.config.urls import url_digest
from alerter.core.conditions import Growth, NoData, Threshold
from alerter.core.mute_windows import MuteWindow, WindowName
from alerter.core.outbox import TargetName
from alerter.core.review import ReportSchedule
from alerter.core.routes import Receiver, ReceiverName, Route
from alerter.core.rules import Level, Per, Rule, RuleName, Severity
from alerter.core.selectors import Selector
from alerter.core.series import Tenant
from alerter.errors import ConfigError
from alerter.redaction import Redactor

#: A user to whom nothing belongs.
SOMEBODY = 65534
TENANT = '[tenants.acme]\nclient_id = "id-0001"\nclient_secret = "secret-0001"\n'
RECEIVER = '[receivers.secops]\nurls = ["json://localhost"]\n'
STORM = (
    "each of 31 tenants is a message of its own: when all have news, it gets 30, the rest an hour later; "
    'group_wait = "1m" makes one message of them, or raise max_per_hour'
)
NIGHTS = '[mute_windows.nights]\nfrom = "18:00"\nto = "08:00"\n'
RULE = '[[rules]]\nname = "Backlog"\nwarning = { threshold = { above = 200 } }\n'

UNPROVEN = (
    "nothing proves that it is h.example who answers, and reads counts and alerts: add "
    "?sslmode=verify-full&sslrootcert=FILE, the file of the authority that signed its certificate"
)
TOO_OFTEN = "held counts change slowly, and Mimecast limits the rate of requests"
MAIL_ALONE = "everything ends in e-mail: the mail path that is watched must not be the only way to learn of it"
UNHEARD = "nobody is notified of failed polls during that time: silence would not mean that all is well"
OPEN_TO_ALL = (
    "anyone who reaches this address can read tenants and counts: put a login or a firewall before it"
    " (for /metrics, a token: alerter web-token NAME --scope metrics)"
)
LIES_OPEN = "a secret stands in a file that everyone may read: chmod o-r, or write ${NAME}"

ENVIRONMENT = {
    "EMPTY": " ",
    "SECRET": "secret-0002",
    "MANY_DIGITS": "9" * 5000,
    "SLACK_URL": "slack://secret-0002",
    "HOME": "/root",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, so that files have short names."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(
    text: str, environ: Mapping[str, str] | None = None, *, mode: int = 0o600, redactor: Redactor | None = None
) -> Config:
    """Return what a file with this text holds."""
    path = Path("rules.toml")
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return load_config(path, environ or {}, redactor=redactor)


def problems_of(text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """Return every problem that is reported of a file with this text."""
    with pytest.raises(ConfigError) as caught:
        load(text, environ)
    return [str(problem) for problem in caught.value.problems]


def broken_files() -> Sequence[object]:
    """Return the table of wrong files: the sentence, the file, and its problems."""
    table = (Path(__file__).parent / "broken.txt").read_text(encoding="utf-8")
    cases = []
    for case in table.split("\n### ")[1:]:
        sentence, *lines = case.partition("\n# ====")[0].splitlines()
        text = "\n".join(line for line in lines if not line.startswith(">>> "))
        problems = [line.removeprefix(">>> ") for line in lines if line.startswith(">>> ")]
        cases.append(pytest.param(text, problems, id=sentence))
    return cases


@pytest.mark.parametrize(("text", "problems"), broken_files())
def test_a_wrong_file_gets_all_of_its_problems_said(text: str, problems: list[str]) -> None:
    """Every mistake is reported at once, with file, line, key, what was found and what was expected, and no secret."""
    lacking = ("" if "[tenants" in text else TENANT) + ("" if "[receivers" in text else RECEIVER)

    found = problems_of(f"{text.rstrip()}\n{lacking}", ENVIRONMENT)

    assert found == problems
    assert not any("secret-0002" in problem for problem in found)


def tenant_number(number: int) -> str:
    """Return one of many tenants, with keys of its own."""
    return TENANT.replace("acme", f"acme-{number:02}").replace('client_id = "', f'client_id = "{number:02}-')


def test_an_empty_file_lacks_a_tenant_and_a_receiver() -> None:
    """A file with nothing in it says what is needed at least."""
    assert problems_of("") == [
        "rules.toml: tenants: missing: expected at least one, such as [tenants.acme]",
        "rules.toml: receivers: missing: expected at least one, such as [receivers.secops]",
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"a = 1\nb = '\xff'", "rules.toml:2: expected UTF-8 text, found the byte 0xff", id="not UTF-8"),
        pytest.param(b"\xff\xfea\x00", "rules.toml:1: expected UTF-8 text, found the byte 0xff", id="UTF-16"),
        pytest.param(
            b"a = " + b"[" * 5000, "rules.toml: expected TOML, found lists or tables nested too deeply", id="too deep"
        ),
        pytest.param(
            b"[service]\nretention = '",
            'rules.toml:2: expected TOML, found an error: expected "\'"',
            id="a text that is never closed",
        ),
    ],
)
def test_what_is_no_toml_is_said_so(content: bytes, problem: str) -> None:
    """A file that cannot even be parsed gets one problem, with the line if it is known."""
    Path("rules.toml").write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        load_config(Path("rules.toml"), {})

    assert [str(each) for each in caught.value.problems] == [problem]


def test_a_number_that_is_too_long_for_python_is_an_error_of_the_file() -> None:
    """A number of thousands of digits is refused like any other mistake."""
    (problem,) = problems_of("[service]\nretention = " + "1" * 5000)

    assert problem.startswith("rules.toml: expected TOML, found an error: exceeds the limit")


def test_a_mark_before_the_first_character_is_no_error() -> None:
    """Some editors begin a file with a byte order mark."""
    assert load("\ufeff" + TENANT + RECEIVER + RULE).warnings == ()


def test_a_file_that_does_not_exist_is_said_so() -> None:
    """The error names the file, and the command that writes one."""
    with pytest.raises(ConfigError) as caught:
        load_config(Path("missing.toml"), {})

    assert str(caught.value) == "missing.toml: there is no such file; `alerter init` writes one to start from"


def test_a_folder_is_no_configuration(folder: Path) -> None:
    """What cannot be read is said with the system's reason."""
    (folder / "rules.toml").mkdir()

    with pytest.raises(ConfigError) as caught:
        load_config(Path("rules.toml"), {})

    assert str(caught.value) == "rules.toml: cannot be read: is a directory"


def test_one_tenant_and_one_receiver_are_enough(folder: Path) -> None:
    """Everything else has a default."""
    config = load(TENANT + RECEIVER, {})

    assert config.path == Path("rules.toml")
    assert config.service == ServiceConfig(
        database=f"sqlite:///{folder}/alerter.db",
        poll_interval=timedelta(minutes=5),
        retention=timedelta(days=400),
        downsample_after=timedelta(days=90),
        timezone=ZoneInfo("UTC"),
        console_url="https://login.mimecast.com",
    )
    assert dict(config.tenants) == {
        Tenant("acme"): TenantConfig(
            name=Tenant("acme"),
            client_id=Secret("id-0001"),
            client_secret=Secret("secret-0001"),
            poll_interval=timedelta(minutes=5),
            timezone=ZoneInfo("UTC"),
        )
    }
    assert config.receivers == (
        ReceiverConfig(
            receiver=Receiver(name=ReceiverName("secops"), targets=(url_digest("json://localhost"),)),
            targets=(Target(name=TargetName("secops/json"), url=Secret("json://localhost")),),
        ),
    )
    assert config.routes == ()
    assert [rule.name for rule in config.rules] == ["No data"]


def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one given, variables come from the real environment."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setenv("ALERTER_TEST_ZONE", "Europe/London")
    Path("rules.toml").write_text(TENANT + RECEIVER + '[service]\ntimezone = "${ALERTER_TEST_ZONE}"\n')

    config = load_config(Path("rules.toml"))

    assert config.service.timezone == ZoneInfo("Europe/London")


def test_every_setting_arrives() -> None:
    """Each key of the file ends up in its place."""
    config = load(
        """
[service]
database = "sqlite:////var/lib/alerter/alerter.db"
poll_interval = "2m"
retention = "52w1d"
downsample_after = "30d"
timezone = "Europe/London"
console_url = "https://console.example/held"

[tenants.legacy]
api = "1.0"
region = "eu"
app_id = " id-0001 "
app_key = "key-0001"
access_key = "access-0001"
secret_key = "c2VjcmV0"
poll_interval = "1h"

[tenants.here]
base_url = "http://127.0.0.1:8025/"
client_id = "id-0002"
client_secret = "secret-0002"
labels = { customer = " Acme Ltd ", tier = "gold" }
timezone = "America/New_York"
muted = true

[receivers.secops]
urls = ["json://localhost"]
repeat_interval = "1d"
send_resolved = false
max_per_hour = 5
fallback = "mail"
group_wait = "30s"
weekly_report = { day = " Fri", at = "16:30", timezone = "America/New_York" }

[receivers.mail]
urls = ["mailtos://mail.example?to=a@b.example"]

[[routes]]
receivers = ["secops", "mail", "secops"]
severity = ["critical", "info"]
tenants = ["leg*"]
reasons = ["!Spam*"]
rules = ["B*"]
mute_windows = ["nights", "weekends", "nights"]

[mute_windows.nights]
days = ["mon-wed", "Thu"]
from = "18:00"
to = "08:00"

[mute_windows.weekends]
days = ["fri-mon", "sat"]
from = "00:00"
to = "00:00"
timezone = "America/New_York"

[mute_windows.lunch]
from = "12:00"
to = "13:00"
tenants = ["he*"]

[[rules]]
name = "Busy"
tenants = ["here"]
reasons = ["*", "!Graymail*"]
per = "all"
runbook = "https://wiki.example/held-mail"
mute_windows = ["lunch"]
for = "10m"
keep_firing_for = "1h30m"
info = { threshold = { below = 1 }, for = "0s", keep_firing_for = "5m" }
critical = { threshold = { above = 9, clear_at = 8 }, growth = { over = "1h", by = 5, percent = 50, floor = 1 } }

[[rules]]
name = "No answer"
tenants = ["here"]
warning = { no_data = { after = "10m" } }
"""
    )

    assert config.service == ServiceConfig(
        database="sqlite:////var/lib/alerter/alerter.db",
        poll_interval=timedelta(minutes=2),
        retention=timedelta(days=365),
        downsample_after=timedelta(days=30),
        timezone=ZoneInfo("Europe/London"),
        console_url="https://console.example/held",
    )
    legacy, here = config.tenants.values()
    assert legacy == TenantConfig(
        name=Tenant("legacy"),
        api=ApiVersion.V1,
        region="eu",
        app_id=Secret("id-0001"),
        app_key=Secret("key-0001"),
        access_key=Secret("access-0001"),
        secret_key=Secret("c2VjcmV0"),
        poll_interval=timedelta(hours=1),
        timezone=ZoneInfo("Europe/London"),
    )
    assert (here.base_url, here.region, here.poll_interval) == ("http://127.0.0.1:8025", None, timedelta(minutes=2))
    assert (here.labels, here.muted) == ({"customer": "Acme Ltd", "tier": "gold"}, True)
    assert config.muted_tenants == {"here"}
    assert config.timezones == {"here": ZoneInfo("America/New_York")}
    assert config.receivers[0].receiver == Receiver(
        name=ReceiverName("secops"),
        repeat_interval=timedelta(days=1),
        send_resolved=False,
        max_per_hour=5,
        fallback=ReceiverName("mail"),
        group_wait=timedelta(seconds=30),
        weekly_report=ReportSchedule(day=4, at=time(16, 30), timezone=ZoneInfo("America/New_York")),
        targets=config.receivers[0].receiver.targets,
    )
    nights = MuteWindow(
        name=WindowName("nights"),
        days=frozenset({0, 1, 2, 3}),
        begins=time(18),
        ends=time(8),
        timezone=ZoneInfo("Europe/London"),
        is_local=True,
    )
    weekends = MuteWindow(
        name=WindowName("weekends"),
        days=frozenset({4, 5, 6, 0}),
        begins=time(0),
        ends=time(0),
        timezone=ZoneInfo("America/New_York"),
    )
    lunch = replace(
        nights,
        name=WindowName("lunch"),
        days=frozenset(range(7)),
        begins=time(12),
        ends=time(13),
        tenants=Selector(("he*",)),
    )
    assert list(config.mute_windows.values()) == [nights, weekends, lunch]
    assert dict(config.windows_by_rule) == {RuleName("Busy"): (lunch,)}
    assert config.routes == (
        Route(
            receivers=(ReceiverName("secops"), ReceiverName("mail")),
            severities=frozenset({Severity.CRITICAL, Severity.INFO}),
            tenants=Selector(("leg*",)),
            reasons=Selector(("!Spam*",)),
            rules=Selector(("B*",)),
            mute_windows=(nights, weekends),
        ),
    )
    busy, no_answer, built_in = config.rules
    assert busy == Rule(
        name=RuleName("Busy"),
        tenants=Selector(("here",)),
        reasons=Selector(("*", "!Graymail*")),
        per=Per.ALL,
        runbook="https://wiki.example/held-mail",
        levels={
            Severity.INFO: Level(conditions=(Threshold(below=1),), keep_firing_for=timedelta(minutes=5)),
            Severity.CRITICAL: Level(
                conditions=(
                    Threshold(above=9, clear_at=8),
                    Growth(over=timedelta(hours=1), by=5, percent=50, floor=1),
                ),
                for_=timedelta(minutes=10),
                keep_firing_for=timedelta(minutes=90),
            ),
        },
    )
    assert no_answer == Rule(
        name=RuleName("No answer"),
        tenants=Selector(("here",)),
        per=Per.TENANT,
        levels={Severity.WARNING: Level(conditions=(NoData(after=timedelta(minutes=10)),))},
    )
    assert (built_in.name, built_in.tenants) == ("No data", Selector(("legacy",)))


@pytest.mark.parametrize(
    ("key", "selected"),
    [
        pytest.param('tenant_labels = { tier = "gold" }', ["acme", "globex"], id="a value, in any case"),
        pytest.param(
            'tenant_labels = { tier = ["gold", "silver"] }', ["acme", "globex", "initech"], id="any of several"
        ),
        pytest.param('tenant_labels = { tier = "g*", site = "uk" }', ["acme"], id="each label, as a glob"),
        pytest.param(
            'tenant_labels = { site = "!uk" }', ["globex", "initech", "umbrella"], id="none has another value"
        ),
        pytest.param('tenants = ["!acme"]\ntenant_labels = { tier = "gold" }', ["globex"], id="name and label"),
        pytest.param("tenant_labels = { }", ["acme", "globex", "initech", "umbrella"], id="nothing"),
    ],
)
def test_rules_routes_and_mute_windows_select_tenants_by_label(key: str, selected: list[str]) -> None:
    """As in Alertmanager: every label that is named must match, and a label that is missing is an empty one."""
    labels = {
        "acme": 'tier = "gold", site = "uk"',
        "globex": 'tier = "Gold"',
        "initech": 'tier = "silver"',
        "umbrella": "",
    }
    tenants = "".join(TENANT.replace("acme", name) + f"labels = {{ {written} }}\n" for name, written in labels.items())

    config = load(f'{tenants}{RECEIVER}{RULE}{key}\n[[routes]]\nreceivers = ["secops"]\n{key}\n{NIGHTS}{key}\n')

    window = config.mute_windows[WindowName("nights")]
    for selector in (config.rules[0].tenants, config.routes[0].tenants, window.tenants):
        assert [name for name in labels if selector.matches(name)] == selected
        assert selector.matches("*") is ("labels = { }" in key)


def test_a_rule_about_no_data_may_have_the_name_of_the_built_in_one() -> None:
    """Whoever changes when missing data is told keeps the name under which it is known."""
    config = load(TENANT + RECEIVER + '[[rules]]\nname = "No data"\nwarning = { no_data = { after = "5m" } }\n')

    assert [rule.name for rule in config.rules] == ["No data"]
    assert config.rules[0].levels[Severity.WARNING].conditions == (NoData(after=timedelta(minutes=5)),)


@pytest.mark.parametrize(
    ("written", "environ", "database"),
    [
        pytest.param("sqlite:///a.db", {}, "sqlite:///{folder}/a.db", id="beside the configuration"),
        pytest.param(
            "sqlite:///a.db", {"STATE_DIRECTORY": "/var/lib/alerter"}, "sqlite:////var/lib/alerter/a.db",
            id="in the state directory",
        ),
        pytest.param(
            "sqlite:///a.db", {"STATE_DIRECTORY": "/one:/two"}, "sqlite:////one/a.db",
            id="in the first of several state directories",
        ),
        pytest.param(
            "sqlite:////srv/a.db", {"STATE_DIRECTORY": "/one"}, "sqlite:////srv/a.db", id="an absolute path stays"
        ),
        pytest.param("sqlite:///a%20b%25.db", {}, "sqlite:///{folder}/a b%25.db", id="percent signs stay quoted"),
        pytest.param(
            "postgresql://u:secret-0001@db.example/alerter", {}, "postgresql://u:secret-0001@db.example/alerter",
            id="a server",
        ),
        pytest.param(
            "postgresql+psycopg:///alerter", {}, "postgresql+psycopg:///alerter", id="a server behind a socket"
        ),
    ],
)  # fmt: skip
def test_the_database_has_an_absolute_place(written: str, environ: dict[str, str], database: str, folder: Path) -> None:
    """It does not depend on the folder in which a command is started."""
    config = load(TENANT + RECEIVER + f'[service]\ndatabase = "{written}"\n', environ)

    assert config.service.database == database.format(folder=folder)


def test_a_relative_database_stands_beside_a_configuration_elsewhere(folder: Path) -> None:
    """What counts is the folder of the file, not the present one."""
    (folder / "etc").mkdir()
    path = folder / "etc" / "alerter.toml"
    path.write_text(TENANT + RECEIVER)

    config = load_config(Path("etc/alerter.toml"), {})

    assert config.service.database == f"sqlite:///{folder}/etc/alerter.db"


def test_targets_are_named_after_receiver_and_scheme() -> None:
    """Logs and tables name a target without its URL, and the second one of a kind by a number."""
    urls = [
        "slack://TokenA/TokenB/TokenC",
        "https://hooks.slack.com/services/T0/B0/abc",
        "workflows://host:443/id/sig",
        "https://prod-1.westeurope.logic.azure.com:443/workflows/id/triggers/manual/paths/invoke?sig=abc",
        "https://x.environment.api.powerplatform.com/powerautomate/automations/direct/workflows/id/triggers/manual",
        "MAILTOS://mail.example?to=a@b.example",
        "https://discord.com/api/webhooks/1/a",
        "https://hooks.example/x",
    ]

    config = load(TENANT + f"[receivers.secops]\nurls = {urls}\n")

    assert [target.name for target in config.receivers[0].targets] == [
        "secops/slack", "secops/slack-2", "secops/workflows", "secops/workflows-2", "secops/workflows-3",
        "secops/mailtos", "secops/discord", "secops/https",
    ]  # fmt: skip
    assert [target.url for target in config.receivers[0].targets] == urls


SECRETS = """
[service]
database = "postgresql://alerter:database-0001@db.example/alerter"
heartbeat_url = "https://hc.example/ping/heartbeat-0006?create=1"
heartbeat_headers = { Authorization = "GenieKey header-0007", X-Key = "header-0008" }
[tenants.acme]
client_id = "id-0001"
client_secret = "client-secret-0001"
[tenants.legacy]
api = "1.0"
region = "eu"
app_id = "id-0002"
app_key = "app-key-0002"
access_key = "access-key-0002"
secret_key = "c2VjcmV0LTAwMDI="
[receivers.secops]
urls = [
  "slack://T0000001/B0000001/slack-token-0003",
  "mailtos://postmaster:mail%2Dpassword@mail.example?from=a@b.example&to=c@d.example",
  "https://prod-1.logic.azure.com/workflows/workflow-0004/triggers/manual/paths/invoke?sig=signature-0005&sv=1.0",
]
"""


def test_no_secret_is_in_the_representation() -> None:
    """Whatever prints a configuration or a part of it shows no key and no URL."""
    redactor = Redactor()
    config = load(SECRETS, redactor=redactor)

    shown = repr(config)

    assert "0001" not in shown
    assert redactor.redacted(shown) == shown
    assert repr(config.receivers[0].targets[0]) == "Target(name='secops/slack', url=Secret('***'))"


SECRET_TEXTS = [
    "id-0001", "client-secret-0001", "id-0002", "app-key-0002", "access-key-0002", "c2VjcmV0LTAwMDI=", "database-0001",
    "T0000001", "B0000001", "slack-token-0003", "mail%2Dpassword", "mail-password", "workflow-0004", "signature-0005",
    "heartbeat-0006", "GenieKey header-0007", "header-0007", "header-0008",
]  # fmt: skip


@pytest.mark.parametrize("mistake", ["", "[mistake]\n", "[tenants.wrong]\napi = 1.0\n"])
def test_a_log_knows_what_to_leave_out(mistake: str) -> None:
    """Every key, and what in URLs is secret on its own, is redacted; also if something else is wrong."""
    redactor = Redactor()
    with suppress(ConfigError):
        load(SECRETS + mistake, redactor=redactor)

    assert [redactor.redacted(secret) for secret in SECRET_TEXTS] == ["[redacted]"] * len(SECRET_TEXTS)
    shown = "workflows triggers manual 1.0 mail.example c@d.example postgresql://alerter@db.example/alerter"
    assert redactor.redacted(shown) == shown


def test_a_secret_in_the_wrong_place_is_not_shown_because_it_stands_in_the_right_one_too() -> None:
    """A key was pasted twice, and the second time into another setting: the error says where, not what."""
    problems = problems_of(TENANT + RECEIVER + '[service]\ntimezone = "my secret-0001"\n')

    assert problems == [
        "rules.toml:7: service.timezone: expected a time zone such as \"Europe/London\", found 'my [redacted]'",
    ]


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        pytest.param(
            '"${Zs9ZGtQcmrBVBNSy}"', "expected the name of a variable, found text of 16 characters", id="a name"
        ),
        pytest.param('"${file:keys/Zs9ZGtQcmrBVBNSy}"', "expected the path of a file, found text of 21", id="a file"),
    ],
)
def test_a_secret_in_place_of_its_variable_is_not_shown(written: str, problem: str) -> None:
    """Somebody took the braces for quotes."""
    (found,) = problems_of(TENANT.replace('"secret-0001"', written) + RECEIVER)

    assert problem in found
    assert "Zs9ZGtQcmrBVBNSy" not in found


def test_a_secret_in_place_of_a_setting_is_not_shown() -> None:
    """Left and right of the equals sign were mixed up."""
    (problem,) = problems_of(TENANT + 'Zs9ZGtQcmrBVBNSy = "client_secret"\n' + RECEIVER)

    assert problem.startswith("rules.toml:4: tenants.acme.text of 16 characters: unknown key; allowed here: api,")


def test_a_literal_secret_in_the_wrong_place_is_not_shown() -> None:
    """What looks like a token or is long is told by its length."""
    problems = problems_of(
        TENANT + RECEIVER + '[service]\ntimezone = "Zs9ZGtQcmrBVBNSy"\nretention = "' + "x" * 41 + '"\n'
    )

    assert problems == [
        'rules.toml:7: service.timezone: expected a time zone such as "Europe/London", found text of 16 characters',
        'rules.toml:8: service.retention: expected a duration such as "10m", found text of 41 characters',
    ]


@pytest.mark.parametrize(
    ("written", "address"),
    [
        pytest.param("127.0.0.1:9464", ListenAddress("127.0.0.1", 9464), id="IPv4"),
        pytest.param("[::1]:9464", ListenAddress("::1", 9464), id="IPv6"),
        pytest.param("[::]:1", ListenAddress("::", 1), id="every address"),
        pytest.param("unix:/run/alerter/web.sock", ListenAddress("", 0, "/run/alerter/web.sock"), id="a Unix socket"),
        pytest.param("localhost:65535", ListenAddress("127.0.0.1", 65535), id="by name"),
        pytest.param(" 127.0.0.1:9464 ", ListenAddress("127.0.0.1", 9464), id="with spaces around it"),
    ],
)
def test_what_is_listened_on_is_an_address_and_a_port(written: str, address: ListenAddress) -> None:
    """As people write it, and as messages name it."""
    config = load(f'[service]\nlisten = "{written}"\n[web]\npage = false\n' + TENANT + RECEIVER)

    assert config.service.listen == address
    assert str(address) in {"unix:/run/alerter/web.sock", "127.0.0.1:9464", "[::1]:9464", "[::]:1", "127.0.0.1:65535"}


def test_a_path_on_this_machine_is_no_secret() -> None:
    """The place of an SQLite file may stand in a log."""
    redactor = Redactor()
    config = load(TENANT + RECEIVER, redactor=redactor)

    assert "alerter.db" in repr(config)
    assert redactor.redacted("alerter.db") == "alerter.db"


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        pytest.param(
            TENANT + RECEIVER,
            ["rules.toml: rules: there is no rule: nobody is alerted to anything but failed polls"],
            id="there is no rule",
        ),
        pytest.param(
            '[service]\npoll_interval = "30s"\n' + TENANT + RECEIVER + RULE,
            [f"rules.toml:2: service.poll_interval: expected 1m or more, found '30s': {TOO_OFTEN}"],
            id="polls are very frequent",
        ),
        pytest.param(
            '[service]\nheartbeat_url = "http://kuma.example/api/push/token"\n' + TENANT + RECEIVER + RULE,
            ["rules.toml:2: service.heartbeat_url: http shows the URL, which is a secret, to everybody on the way"],
            id="the heartbeat goes over the network in the clear",
        ),
        pytest.param(
            '[service]\nheartbeat_url = "http://[::1]:3001/api/push/token"\n' + TENANT + RECEIVER + RULE,
            [],
            id="the heartbeat stays on this machine",
        ),
        pytest.param(
            '[service]\ndatabase = "postgresql://u:secret-0009@h.example:1,localhost/d?sslmode=require"\n'
            + TENANT
            + RECEIVER
            + RULE,
            [
                f"rules.toml:2: service.database: {UNPROVEN}",
            ],
            id="anybody may answer in the database's place",
        ),
        pytest.param(
            '[service]\ndatabase = "postgresql://u@h.example/d?sslmode=verify-full"\n' + TENANT + RECEIVER + RULE,
            [],
            id="the database proves who it is",
        ),
        pytest.param(
            '[service]\ndatabase = "postgresql://u@/d?host=/run/postgresql"\n' + TENANT + RECEIVER + RULE,
            [],
            id="the database is on this machine",
        ),
        pytest.param(
            '[service]\nlisten = "0.0.0.0:9464"\n[web]\npage = false\n' + TENANT + RECEIVER + RULE,
            [f"rules.toml:2: service.listen: {OPEN_TO_ALL}"],
            id="every machine can read the metrics",
        ),
        pytest.param(
            '[service]\nlisten = "0.0.0.0:9464"\n[web]\npage = false\n'
            f'[web.tokens.prometheus]\nsha256 = "{"0" * 64}"\nscopes = ["metrics"]\n' + TENANT + RECEIVER + RULE,
            [],
            id="whoever has a token can read the metrics",
        ),
        pytest.param(
            '[service]\nlisten = "127.0.0.1:9464"\n' + TENANT + RECEIVER + RULE,
            [],
            id="this machine alone can read the metrics",
        ),
        pytest.param(
            TENANT + 'poll_interval = "59s"\n' + RECEIVER + RULE,
            [f"rules.toml:4: tenants.acme.poll_interval: expected 1m or more, found '59s': {TOO_OFTEN}"],
            id="a tenant's polls are very frequent",
        ),
        pytest.param(
            RULE + 'tenants = ["acne"]\n' + TENANT + RECEIVER,
            ["rules.toml:4: rules[Backlog].tenants: selects none of the tenants: 'acme'"],
            id="a rule looks at no tenant",
        ),
        pytest.param(
            RULE + 'tenant_labels = { tier = "gold" }\n' + TENANT + RECEIVER,
            ["rules.toml:4: rules[Backlog].tenant_labels: selects none of the tenants: 'acme'"],
            id="a rule looks at no tenant, by label",
        ),
        pytest.param(
            RULE + 'tenants = ["acne"]\n' + "".join(tenant_number(number) for number in range(13)) + RECEIVER,
            [
                "rules.toml:4: rules[Backlog].tenants: selects none of the tenants: "
                + ", ".join(f"'acme-{number:02}'" for number in range(10))
                + " and 3 more"
            ],
            id="a rule looks at none of many tenants",
        ),
        pytest.param(
            RULE + "".join(tenant_number(number) for number in range(31)) + RECEIVER,
            ["rules.toml:97: receivers.secops: " + STORM],
            id="one message for each of more tenants than messages in an hour",
        ),
        pytest.param(
            RULE
            + "".join(tenant_number(number) for number in range(40))
            + RECEIVER
            + '[[routes]]\nreceivers = ["secops"]\ntenants = ["!acme-0*"]\n',
            [],
            id="as many tenants as messages in an hour",
        ),
        pytest.param(
            RULE + "".join(tenant_number(number) for number in range(31)) + RECEIVER + 'group_wait = "1m"\n',
            [],
            id="one message for many tenants",
        ),
        pytest.param(
            RULE + '[[routes]]\nreceivers = ["secops"]\ntenants = ["acne"]\n' + TENANT + RECEIVER,
            ["rules.toml:6: routes[#1].tenants: selects none of the tenants: 'acme'"],
            id="a route takes no tenant's alerts",
        ),
        pytest.param(
            RULE + '[[routes]]\nreceivers = ["secops"]\nrules = ["Backlogs"]\n' + TENANT + RECEIVER,
            [
                "rules.toml:4: routes: no route takes warning of rule 'Backlog': nobody is notified of it",
                "rules.toml:4: routes: no route takes critical of rule 'No data': nobody is notified of it",
                "rules.toml:6: routes[#1].rules: no alert can come this way: it matches none of the rules",
            ],
            id="a route takes no rule's alerts",
        ),
        pytest.param(
            RULE + '[[routes]]\nreceivers = ["secops"]\nrules = ["Backlog"]\nseverity = ["info"]\n' + TENANT + RECEIVER,
            [
                "rules.toml:4: routes: no route takes warning of rule 'Backlog': nobody is notified of it",
                "rules.toml:4: routes: no route takes critical of rule 'No data': nobody is notified of it",
                "rules.toml:7: routes[#1].severity: no alert can come this way: it matches none of the rules",
            ],
            id="a route takes a severity that its rules do not have",
        ),
        pytest.param(
            RULE + '[[routes]]\nreceivers = ["secops"]\nseverity = ["critical"]\n' + TENANT + RECEIVER,
            ["rules.toml:4: routes: no route takes warning of rule 'Backlog': nobody is notified of it"],
            id="missing data is critical without any rule",
        ),
        pytest.param(
            RULE
            + '[[routes]]\nreceivers = ["b"]\n[receivers.b]\nurls = ["json://b"]\nfallback = "c"\n'
            + '[receivers.c]\nurls = ["json://c"]\n'
            + TENANT
            + RECEIVER,
            ["rules.toml:14: receivers.secops: no route names it: it gets no alerts"],
            id="a receiver is neither in a route nor a fallback",
        ),
        pytest.param(
            RULE
            + '[[routes]]\nreceivers = ["secops"]\n[receivers.b]\nurls = ["json://b"]\nweekly_report = {}\n'
            + TENANT
            + RECEIVER,
            [],
            id="a receiver that gets nothing but a weekly report",
        ),
        pytest.param(
            RULE
            + '[receivers.b]\nurls = ["pagerduty://KEY@APIKEY"]\nweekly_report = { day = "tue" }\n'
            + TENANT
            + RECEIVER,
            [
                (
                    "rules.toml:6: receivers.b.weekly_report: no report is sent: on-call services get none, for "
                    "nothing would close the incident"
                )
            ],
            id="a weekly report for an on-call service",
        ),
        pytest.param(
            RULE + TENANT + '[receivers.secops]\nurls = ["json://a", "json://b", "json://a"]\n',
            ["rules.toml:8: receivers.secops.urls[#3]: the same URL again: it gets every message twice"],
            id="a URL stands twice",
        ),
        pytest.param(
            RULE
            + TENANT
            + "[receivers.secops]\nurls = [\n"
            + '"mailgun://u@m.example/K?to=a@b.example,c@b.example",\n"mailto://m.example?pgp=sign&to=a@b.e&cc=c@b.e",\n'
            + '"mailgun://u@m.example/K/a@b.example/c@b.example",\n"slack://A/B/C/#a/#b",\n'
            + '"mailgun://u%40m.example/K?to=a@b.example",\n"slack://A/B/C/#a",\n'
            + '"mailtos://u:p@m.example/a@b.example/c@b.example?cc=d@b.example",\n'
            + '"smtp2go://u:p%2Fw@m.example/K/a@b.example",\n"mailtos://u:p%2Fw%40x%2F@m.example?to=a@b.example",\n'
            + '"slack://a%2F%23b:c%2F%23d@A/B/C/#a",\n]\n',
            [
                f"rules.toml:{line}: receivers.secops.urls[#{line - 8}]: one URL for several: "
                "when one of them refuses a message, all get it again"
                for line in (9, 10, 11, 12)
            ],
            id="a URL has several addressees",
        ),
        pytest.param(
            RULE + TENANT + '[receivers.mail]\nurls = ["mailtos://m.example?to=a@b.example", "ses://x@y/z/a/b"]\n',
            [f"rules.toml:7: receivers: {MAIL_ALONE}"],
            id="every receiver is a mailbox",
        ),
        pytest.param(
            RULE + TENANT + RECEIVER + '[receivers.mail]\nurls = ["mailtos://m.example?to=a@b.example"]\n',
            [],
            id="one of the receivers is no mailbox",
        ),
        pytest.param(
            RULE
            + TENANT
            + RECEIVER
            + '[receivers.mail]\nurls = ["mailtos://m.example?to=a@b.example"]\n'
            + '[[routes]]\nreceivers = ["mail"]\n[[routes]]\nreceivers = ["secops"]\nseverity = ["critical"]\n',
            [f"rules.toml:12: routes[#1].receivers: {MAIL_ALONE}"],
            id="a route ends in mailboxes alone",
        ),
        pytest.param(
            RULE
            + TENANT
            + RECEIVER
            + '[receivers.mail]\nurls = ["mailtos://m.example?to=a@b.example"]\n'
            + '[[routes]]\nreceivers = ["mail"]\nseverity = ["critical"]\n[[routes]]\nreceivers = ["secops"]\n',
            [],
            id="a route ends in mailboxes, but another takes everything elsewhere",
        ),
        pytest.param(
            TENANT + RECEIVER + RULE + 'mute_windows = ["nights"]\n' + NIGHTS,
            [],
            id="a rule has a mute window",
        ),
        pytest.param(
            TENANT + RECEIVER + RULE + '[[routes]]\nreceivers = ["secops"]\nmute_windows = ["nights"]\n' + NIGHTS,
            [],
            id="a route has a mute window",
        ),
        pytest.param(
            TENANT + RECEIVER + RULE + NIGHTS,
            ["rules.toml:9: mute_windows.nights: neither a rule nor a route names it: it mutes nothing"],
            id="nothing uses a mute window",
        ),
        pytest.param(
            TENANT + RECEIVER + RULE + 'mute_windows = ["nights"]\n' + NIGHTS.replace("18:00", "08:00"),
            ["rules.toml:10: mute_windows.nights: it never ends: what uses it notifies nobody"],
            id="a mute window never ends",
        ),
        pytest.param(
            TENANT + RECEIVER + RULE + 'mute_windows = ["nights"]\n' + NIGHTS + 'tenants = ["globex"]\n',
            ["rules.toml:13: mute_windows.nights.tenants: selects none of the tenants: 'acme'"],
            id="a mute window is for nobody",
        ),
        pytest.param(
            TENANT
            + RECEIVER
            + '[[rules]]\nname = "Deaf"\nmute_windows = ["nights"]\nwarning = { no_data = { after = "1h" } }\n'
            + NIGHTS,
            [f"rules.toml:8: rules[Deaf].mute_windows: {UNHEARD}"],
            id="a rule about missing data has a mute window",
        ),
    ],
)
def test_what_is_legal_but_unwise_is_a_warning(text: str, warnings: list[str]) -> None:
    """A sound configuration loads, and says what its user may not have meant."""
    config = load(text)

    assert [str(warning) for warning in config.warnings] == warnings


def test_a_secret_in_a_file_that_everyone_may_read_is_a_warning() -> None:
    """The warning names the first secret that stands in the file itself."""
    config = load(TENANT.replace("id-0001", "${CLIENT_ID}") + RECEIVER + RULE, {"CLIENT_ID": "id-0001"}, mode=0o644)

    assert [str(warning) for warning in config.warnings] == [f"rules.toml:3: tenants.acme.client_secret: {LIES_OPEN}"]


@pytest.mark.parametrize(
    ("url", "is_open"),
    [
        pytest.param("json://127.0.0.1:8025/inbox", False, id="this machine, without a login"),
        pytest.param("jsons://[::1]/alerts", False, id="its IPv6 address"),
        pytest.param("json://me:word@127.0.0.1/inbox", True, id="a login"),
        pytest.param("json://127.0.0.1/inbox?+X-Key=value", True, id="a header"),
        pytest.param("json://127.0.0.1/T0123ABCDEF", True, id="a token in the path"),
        pytest.param("json://alerts.example/inbox", True, id="another machine, whose path may be secret"),
    ],
)
def test_a_receiver_on_this_machine_without_a_login_is_no_secret(url: str, *, is_open: bool) -> None:
    """Who tries alerter with a receiver of their own on loopback reads no warning that has nothing to warn of."""
    text = TENANT.replace("id-0001", "${A}").replace("secret-0001", "${A}") + f'[receivers.own]\nurls = ["{url}"]\n'

    warnings = [str(each) for each in load(text + RULE, {"A": "id-0001"}, mode=0o644).warnings]

    assert any(LIES_OPEN in each for each in warnings) is is_open


def test_a_file_without_secrets_may_be_read_by_everyone() -> None:
    """A configuration that takes its secrets from variables can lie open."""
    text = TENANT.replace("id-0001", "${A}").replace("secret-0001", "${A}") + RECEIVER.replace("json://", "${A}://")

    config = load(text + RULE + '[service]\ndatabase = "sqlite:///a.db"\n', {"A": "json"}, mode=0o644)

    assert config.warnings == ()


def test_the_configuration_is_looked_for_in_order(folder: Path) -> None:
    """The option comes first, then $ALERTER_CONFIG, then the usual places."""
    (folder / "rules.toml").touch()

    assert find_config(Path("option.toml"), {"ALERTER_CONFIG": "variable.toml"}) == Path("option.toml")
    assert find_config(None, {"ALERTER_CONFIG": "variable.toml"}) == Path("variable.toml")
    assert find_config(None, {}) == Path("rules.toml")


@pytest.fixture
def usual(folder: Path) -> Path:
    """The configuration of a service; and one in the folder where somebody stands."""
    usual = folder / "etc" / "rules.toml"
    usual.parent.mkdir()
    usual.touch()
    (folder / "rules.toml").touch(mode=0o644)
    return usual


def test_that_another_than_the_usual_one_is_used_is_said(usual: Path, folder: Path) -> None:
    """Where there is one as well, and nobody has just named it; a link to the usual one is no other."""
    said: list[str] = []

    find_config(None, {}, say=said.append, usual=usual)
    find_config(None, {"ALERTER_CONFIG": "rules.toml"}, say=said.append, usual=usual)
    find_config(Path("rules.toml"), {}, say=said.append, usual=usual)
    find_config(None, {}, say=said.append, usual=folder / "absent")
    (folder / "rules.toml").unlink()
    (folder / "rules.toml").symlink_to(usual)
    find_config(None, {}, say=said.append, usual=usual)

    assert said == [
        f"{folder}/rules.toml is used and not {usual}: it is in this folder",
        f"{folder}/rules.toml is used and not {usual}: $ALERTER_CONFIG names it",
    ]


def test_root_passes_over_what_another_may_have_written(usual: Path, folder: Path) -> None:
    """It says so, with the reason and the option that uses it all the same; others use what is in their folder."""
    (folder / "rules.toml").chmod(0o666)
    said: list[str] = []

    assert find_config(None, {}, say=said.append, uid=0, usual=usual) == usual
    assert find_config(None, {}, uid=SOMEBODY, usual=usual) == Path("rules.toml")
    (why,) = said
    assert why.startswith(f"{usual} is used; {folder}/rules.toml is passed over, for ")
    assert why.endswith("only what nobody else can change; --config rules.toml uses it all the same")


def test_root_uses_what_is_named_whoever_wrote_it(usual: Path, folder: Path) -> None:
    """By the option or the variable; and where there is no usual one, the error says what is passed over."""
    (folder / "rules.toml").chmod(0o666)
    named = Path("rules.toml")

    assert find_config(named, {}, uid=0, usual=usual) == named
    assert find_config(None, {"ALERTER_CONFIG": "rules.toml"}, uid=0, usual=usual) == named
    with pytest.raises(
        ConfigError, match=r"no .*absent; .*rules.toml is passed over, for .* --config PATH names another"
    ):
        find_config(None, {}, uid=0, usual=folder / "absent")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("which", ["rules.toml", "tenants.d/acme.toml", "secret", "tenants.d"])
def test_who_was_not_asked_reads_nothing_of_anothers(folder: Path, which: str) -> None:
    """A press of TAB: neither the file, nor what it includes, nor a file of a secret, nor what lies in their folder."""
    (folder / "tenants.d").mkdir()
    (folder / "tenants.d" / "acme.toml").write_text(TENANT)
    (folder / "secret").write_text("postgresql://alerter:secret@db/alerter")
    more = 'include = ["tenants.d/*.toml"]\n[service]\ndatabase = "${file:secret}"\n'
    path = folder / "rules.toml"
    path.write_text(more + RECEIVER)
    os.chown(folder / which, SOMEBODY, -1)

    with pytest.raises(ConfigError, match="belongs to"):
        load_config(path, {"A": "json"}, may_lack_secrets=True, only_own=True)
    assert load_config(path, {"A": "json"}, may_lack_secrets=True).tenants


@contextmanager
def shut_out_of(folder: Path) -> Iterator[None]:
    """Be a user who may not look into a folder; root may look into any, and is somebody else meanwhile."""
    folder.chmod(0o700 if os.geteuid() == 0 else 0)
    try:
        if os.geteuid() == 0:
            os.seteuid(SOMEBODY)
        yield
    finally:
        os.seteuid(os.getuid())
        folder.chmod(0o700)


def test_a_folder_that_may_not_be_looked_into_has_no_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs a command as another user may stand in a folder of their own: that is no bug."""
    monkeypatch.delenv("ALERTER_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)

    with shut_out_of(tmp_path), pytest.raises(ConfigError, match="no configuration"):
        find_config(None, usual=Path("absent"))


def test_without_any_configuration_the_places_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever starts without a file learns where it may be, and which command writes one."""
    monkeypatch.delenv("ALERTER_CONFIG", raising=False)

    with pytest.raises(ConfigError) as caught:
        find_config(None, usual=Path("etc/rules.toml"))

    assert str(caught.value) == (
        "rules.toml: no configuration: $ALERTER_CONFIG is not set, and there is no rules.toml or etc/rules.toml; "
        "`alerter init` writes one to start from, --config PATH names another"
    )


def test_who_only_looks_gets_a_whole_configuration_without_any_secret() -> None:
    """Each kind of key and URL may be unknown, and what is unknown redacts nothing; the database must be known."""
    text = """
[service]
heartbeat_url = "${PING}"
[tenants.acme]
client_id = "${ID}"
client_secret = "${SECRET}"
[tenants.legacy]
api = "1.0"
region = "eu"
app_id = "${A}"
app_key = "${B}"
access_key = "${C}"
secret_key = "${D}"
[receivers.secops]
urls = ["${SLACK}", "mailtos://me:${PASSWORD}@host?to=you@example.com", "${TEAMS}"]
"""
    path = Path("rules.toml")
    path.write_text(text + RULE)
    redactor = Redactor()

    config = load_config(path, {}, redactor=redactor, may_lack_secrets=True)

    assert [*config.tenants] == ["acme", "legacy"]
    [receiver] = config.receivers
    assert [(target.name, target.is_unknown) for target in receiver.targets] == [
        ("secops/absent", True), ("secops/mailtos", False), ("secops/absent-2", True),
    ]  # fmt: skip
    assert (
        redactor.redacted("a tenant is absent, me and you@example.com") == "a tenant is absent, me and you@example.com"
    )
    path.write_text(text.replace("[service]", '[service]\ndatabase = "postgresql://u:${DB}@host/x"') + RULE)
    with pytest.raises(ConfigError, match=r"rules\.toml:3: service\.database: DB is not set"):
        load_config(path, {}, may_lack_secrets=True)


LEGACY = """[tenants.{}]
api        = "1.0"
region     = "eu"
app_id     = "app"
app_key    = "key"
access_key = "{}"
secret_key = "c2VjcmV0"
"""


def test_the_keys_of_an_account_under_two_tenants_are_a_warning() -> None:
    """One account would be counted twice, and the other one be watched by nobody; no key is shown."""
    legacy = LEGACY.format("one", "a") + LEGACY.format("two", "b") + LEGACY.format("three", "a")
    config = load(TENANT + TENANT.replace("acme", "globex") + legacy + RECEIVER + RULE, {})

    first, second = map(str, config.warnings)
    assert first.startswith("rules.toml:5: tenants.globex.client_id: the same as that of 'acme' (line 1): one account ")
    assert first.endswith("that of 'globex' perhaps not at all; give it its own keys, or remove one of them")
    assert second.startswith("rules.toml:26: tenants.three.access_key: the same as that of 'one' (line 7): one ")


def test_of_many_tenants_with_the_same_keys_some_are_named() -> None:
    """A program that fills in a template wrote them."""
    config = load("".join(TENANT.replace("acme", f"acme-{number:02}") for number in range(14)) + RECEIVER + RULE, {})

    shared = [str(each) for each in config.warnings if "keys" in str(each)]
    assert len(shared) == 1 + MAX_LISTED
    assert shared[0] == "rules.toml:1: tenants.acme-00: 3 more tenants have the same keys"


def test_keys_that_nobody_could_read_are_not_the_same(folder: Path) -> None:
    """Whoever looks without secrets knows nothing of them."""
    text = (TENANT + TENANT.replace("acme", "globex")).replace("id-0001", "${ABSENT}") + RECEIVER + RULE
    (folder / "rules.toml").write_text(text)
    (folder / "rules.toml").chmod(0o600)

    assert load_config(folder / "rules.toml", {}, may_lack_secrets=True).warnings == ()


@pytest.mark.parametrize(
    "url",
    [
        "slack://T/B/C,slack://D/E/F",
        "slack://T/B/C, https://hooks.slack.com/services/T/B/C",
        "slack://T/B/C discord://1/2",
        "slack://T/B/C\\ndiscord://1/2",
        "slack://T/B/C;discord://1/2",
        "mailtos://a:b@c.example?to=d@e.example,mailtos://f@g.example",
    ],
)
def test_several_urls_in_one_text_are_refused(url: str) -> None:
    """From a variable as well; none of them is shown."""
    written = f'[receivers.secops]\nurls = ["{url}"]\n'
    from_variable = '[receivers.secops]\nurls = ["${URLS}"]\n'
    expected = 'expected one URL in each text, found several: write urls = ["…", "…"], with a text for each'

    assert problems_of(TENANT + written, {}) == [f"rules.toml:5: receivers.secops.urls[#1]: {expected}"]
    assert problems_of(TENANT + from_variable, {"URLS": url.replace("\\n", "\n")}) == [
        f"rules.toml:5: receivers.secops.urls[#1]: {expected}"
    ]


@pytest.mark.parametrize(
    "url", ["mailtos://a:b@c.example?to=d@e.example,f@g.example", "json://host/?x=https://y.example"]
)
def test_one_url_may_name_others(url: str) -> None:
    """Several addressees, and a URL as a parameter."""
    assert load(TENANT + RULE + f'[receivers.secops]\nurls = ["{url}"]\n', {}).receivers


def test_each_of_several_globs_that_matches_nothing_is_a_warning() -> None:
    """A misspelt tenant or rule, also where another glob of the same list matches."""
    routes = '[[routes]]\nreceivers = ["secops"]\nrules = ["Backlog", "Surgee"]\ntenants = ["*", "!acmee"]\n'
    rule = RULE.replace('"Backlog"', '"Surge"\ntenants = ["acme", "globex*"]')
    window = NIGHTS + 'tenants = ["acme", "acmee"]\n'
    used = routes + 'mute_windows = ["nights"]\n' + '[[routes]]\nreceivers = ["secops"]\n'

    config = load(TENANT + RECEIVER + RULE + rule + used + window, {})

    assert [str(each).partition(": ")[2] for each in config.warnings] == [
        "rules[Surge].tenants[#2]: 'globex*' matches none of the tenants",
        "routes[#1].rules[#2]: 'Surgee' matches none of the rules, did you mean 'Surge'?",
        "routes[#1].tenants[#2]: '!acmee' matches none of the tenants, did you mean 'acme'?",
        "mute_windows.nights.tenants[#2]: 'acmee' matches none of the tenants, did you mean 'acme'?",
    ]


def picture_problem(url: str) -> str:
    """Return why a URL takes no picture."""
    return "it takes none" if url.startswith("json:") else ""


@pytest.mark.parametrize(
    ("receiver", "warnings"),
    [
        pytest.param('urls = ["json://a"]\n', [], id="nobody wants pictures"),
        pytest.param('urls = ["ntfy://a"]\ncharts = true\n', [], id="they can be sent"),
        pytest.param(
            'urls = ["json://a", "json://b"]\ncharts = true\n',
            ["rules.toml:9: receivers.secops.charts: messages go without a picture: it takes none"],
            id="nothing takes them",
        ),
        pytest.param(
            'urls = ["ntfy://a", "json://b"]\ncharts = true\n',
            ["rules.toml:8: receivers.secops.urls[#2]: messages to it go without a picture: it takes none"],
            id="one target takes none",
        ),
    ],
)
def test_a_picture_that_cannot_go_along_is_a_warning(receiver: str, warnings: list[str], tmp_path: Path) -> None:
    """The message goes all the same."""
    path = tmp_path / "rules.toml"
    path.write_text(f"{RULE}{TENANT}[receivers.secops]\n{receiver}", encoding="utf-8")
    path.chmod(0o600)

    config = load_config(path, {}, check_picture=picture_problem)

    assert [str(each).rpartition("/")[2] for each in config.warnings] == warnings
    assert config.receivers[0].receiver.charts == ("charts" in receiver)
