"""Every kind of secret that a configuration can hold, each marked, and the configuration that holds them."""

from base64 import b64encode
from dataclasses import dataclass
from urllib.parse import quote

from tests.canaries.marks import Canary, canary

CLIENT_ID = canary("client_id", "cid+/=%41&{}")
CLIENT_SECRET = canary("client_secret", "{}\"\\n%zz'<x>")
APP_ID = canary("app_id")
APP_KEY = canary("app_key", "key-{}")
ACCESS_KEY = canary("access_key", "mYt+{}=/")
_SECRET_KEY = canary("secret_key")
SECRET_KEY = Canary(name="secret_key", core=_SECRET_KEY.core, text=b64encode(f"k {_SECRET_KEY.core}".encode()).decode())
#: What the echoing Mimecast hands out.
TOKEN = canary("token", "eyJ.{}.x")
#: What the simulator hands out begins with this.
SIMULATED_TOKENS = Canary(name="simulated token", core="simulated-token-", text="simulated-token-", has_halves=False)

SLACK_TEAM = canary("slack_team")
SLACK_TOKEN = canary("slack_token", "{}abcdef")
TEAMS_WORKFLOW = canary("teams_workflow")
TEAMS_SIGNATURE = canary("teams_signature", "{}-_x")
PAGERDUTY_KEY = canary("pagerduty_key", "{}ab")
OPSGENIE_KEY = canary("opsgenie_key", "0b3f9c1e-{}")
TELEGRAM_TOKEN = canary("telegram_token", "AA{}abcdefghijklmno")
MAIL_PASSWORD = canary("mail_password", "p/@:{}%&+")
#: A login cannot carry it, and says so.
ODD_MAIL_PASSWORD = canary("odd_mail_password", "{}ü")
HOOK_PASSWORD = canary("hook_password", "{}#?")
HOOK_PATH = canary("hook_path", "in/{}")
HOOK_HEADER = canary("hook_header", "{}")
DATABASE_PASSWORD = canary("database_password", "{}@/")
HEARTBEAT_PATH = canary("heartbeat_path")
PROXY_PASSWORD = canary("proxy_password", "{}:")

KEYS = (CLIENT_ID, CLIENT_SECRET, APP_ID, APP_KEY, ACCESS_KEY, SECRET_KEY)
ALL = (
    *KEYS, TOKEN, SIMULATED_TOKENS, SLACK_TEAM, SLACK_TOKEN, TEAMS_WORKFLOW, TEAMS_SIGNATURE, PAGERDUTY_KEY,
    OPSGENIE_KEY, TELEGRAM_TOKEN, MAIL_PASSWORD, ODD_MAIL_PASSWORD, HOOK_PASSWORD, HOOK_PATH, HOOK_HEADER,
    DATABASE_PASSWORD, HEARTBEAT_PATH, PROXY_PASSWORD,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where the servers of a test listen on loopback.

    Attributes:
        mimecast: An API of Mimecast's.
        hook: A web hook without TLS.
        tls_hook: One with TLS.
        smtp: A mail server.
        proxy: A way to the services outside.
    """

    mimecast: int
    hook: int
    tls_hook: int
    smtp: int
    proxy: int


def credentials(ports: Ports) -> dict[str, str]:
    """Return every secret of the configuration by the name of its variable."""
    mail = "from=a@mail.example&to=b@mail.example"
    return {
        **{key.name.upper(): key.text for key in KEYS},
        "HEARTBEAT_URL": f"http://127.0.0.1:{ports.hook}/{HEARTBEAT_PATH.text}",
        "SLACK_URL": f"https://hooks.slack.com/services/T{SLACK_TEAM.core}/B{SLACK_TEAM.core}/{SLACK_TOKEN.text}",
        "SLACK_APPRISE_URL": f"slack://bot@T{SLACK_TEAM.core}/B{SLACK_TEAM.core}/{SLACK_TOKEN.text}/#alerts",
        "TEAMS_URL": (
            f"https://prod-1.westeurope.logic.azure.com:443/workflows/{TEAMS_WORKFLOW.text}/triggers/manual/paths/invoke"
            f"?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={TEAMS_SIGNATURE.text}"
        ),
        "PAGERDUTY_URL": f"pagerduty://{PAGERDUTY_KEY.text}@{PAGERDUTY_KEY.core[::-1]}{PAGERDUTY_KEY.core}",
        "OPSGENIE_URL": f"opsgenie://{OPSGENIE_KEY.text}/someone",
        "TELEGRAM_URL": f"tgram://123456789:{TELEGRAM_TOKEN.text}/12345678",
        "MAIL_URL": f"mailto://alerts:{quote(MAIL_PASSWORD.text, safe='')}@127.0.0.1:{ports.smtp}?{mail}",
        "ODD_MAIL_URL": f"mailto://alerts:{quote(ODD_MAIL_PASSWORD.text, safe='')}@127.0.0.1:{ports.smtp}?{mail}",
        "HOOK_URL": f"json://u:{quote(HOOK_PASSWORD.text, safe='')}@127.0.0.1:{ports.hook}/{HOOK_PATH.text}"
        f"?+X-Api-Key={HOOK_HEADER.text}",
        "TLS_HOOK_URL": f"jsons://u:{quote(HOOK_PASSWORD.text, safe='')}@localhost:{ports.tls_hook}/{HOOK_PATH.text}",
    }


def configuration(ports: Ports, *, scheme: str = "http", database: str = "sqlite:///alerter.db") -> str:
    """Return a configuration that polls two tenants every ten seconds and tells every kind of target."""
    urls = ", ".join(
        f'"${{{name}}}"' for name in credentials(ports) if name.endswith("_URL") and name != "HEARTBEAT_URL"
    )
    base_url = f"{scheme}://127.0.0.1:{ports.mimecast}"
    return f"""
[service]
database      = "{database}"
poll_interval = "10s"
heartbeat_url = "${{HEARTBEAT_URL}}"

[tenants.acme]
base_url      = "{base_url}"
client_id     = "${{CLIENT_ID}}"
client_secret = "${{CLIENT_SECRET}}"

[tenants.legacy]
api        = "1.0"
base_url   = "{base_url}"
app_id     = "${{APP_ID}}"
app_key    = "${{APP_KEY}}"
access_key = "${{ACCESS_KEY}}"
secret_key = "${{SECRET_KEY}}"

[receivers.all]
urls = [{urls}]

[[rules]]
name    = "Backlog"
warning = {{ threshold = {{ above = 0 }} }}
"""
