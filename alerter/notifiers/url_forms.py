"""Forms of the URLs of the services that most people use: how to write one that Apprise did not take. No I/O.

Apprise says which part it missed, in words of its own and sometimes with the part in them; a person needs to see how
the whole is written. Nothing of the URL is in what is returned, except its scheme.
"""

from collections.abc import Collection
from difflib import get_close_matches
from types import MappingProxyType

_MAIL = (
    "mailtos://USER:PASSWORD@smtp.example.com?from=ADDRESS&to=ADDRESS; in USER and PASSWORD write @ as %40, "
    "/ as %2F and : as %3A"
)
_SLACK = (
    "the URL of an incoming webhook as Slack shows it, https://hooks.slack.com/services/T…/B…/…, "
    "or slack://BOT_TOKEN/#channel"
)
_TEAMS = "the URL of a webhook of the Workflows app as Teams shows it, https://….logic.azure.com/workflows/…?…&sig=…"
_DISCORD = "the URL of a webhook as Discord shows it, https://discord.com/api/webhooks/NUMBER/TOKEN"
#: How the URL of a service is written, by its scheme.
FORMS = MappingProxyType(
    {
        "mailto": _MAIL,
        "mailtos": _MAIL,
        "slack": _SLACK,
        "workflow": _TEAMS,
        "workflows": _TEAMS,
        "discord": _DISCORD,
        "pagerduty": "pagerduty://INTEGRATION_KEY@API_KEY, or pagerduty://INTEGRATION_KEY@API_KEY/SOURCE/COMPONENT",
        "opsgenie": "opsgenie://API_KEY, or opsgenie://API_KEY/@USER/#TEAM; add ?region=eu for the European service",
        "tgram": "tgram://BOT_TOKEN/CHAT_ID, where the token is NUMBER:TEXT as BotFather shows it",
        "ntfy": "ntfys://ntfy.sh/TOPIC, or ntfys://USER:PASSWORD@HOST/TOPIC",
        "ntfys": "ntfys://ntfy.sh/TOPIC, or ntfys://USER:PASSWORD@HOST/TOPIC",
        "json": "jsons://HOST/PATH, or json://HOST:PORT/PATH without TLS",
        "jsons": "jsons://HOST/PATH, or json://HOST:PORT/PATH without TLS",
        "gchat": "gchat://WORKSPACE/KEY/TOKEN, or the URL of a webhook as Google Chat shows it",
        "mmost": "mmosts://HOST/TOKEN, with the token of an incoming webhook",
        "mmosts": "mmosts://HOST/TOKEN, with the token of an incoming webhook",
        "pover": "pover://USER_KEY@APP_TOKEN",
    }
)
#: Beginnings of webhooks that are pasted as a service shows them.
_PASTED = (("hooks.slack", "slack"), (".logic.azure.com", "workflows"), (".powerplatform.com", "workflows"),
           ("discord.com", "discord"), ("discordapp.com", "discord"))  # fmt: skip


def expected_form(url: str, scheme: str) -> str:
    """Return how a URL of that service is written; empty where that is not known here.

    Args:
        url: What Apprise did not take.
        scheme: How it begins.
    """
    host = url.partition("://")[2].partition("/")[0].lower()
    pasted = next((name for part, name in _PASTED if part in host), "") if scheme in {"http", "https"} else ""
    return FORMS.get(pasted or scheme, "")


def unknown_scheme_text(scheme: str, known: Collection[str]) -> str:
    """Return what is wrong with a URL that begins as none that Apprise knows."""
    if scheme in {"http", "https"}:
        return f"expected a URL of a service that Apprise knows, found '{scheme}://'; a webhook of yours is jsons://HOST/PATH"
    close = get_close_matches(scheme, known, n=1, cutoff=0.7)
    hint = f", did you mean '{close[0]}://'?" if close else ""
    return f"expected a URL of a service that Apprise knows, found one that begins with '{scheme}://'{hint}"
