"""What in a URL is secret."""

import pytest

from alerter.redaction import is_token, url_parts, url_passwords, url_secrets


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        pytest.param(
            "slack://T0000001/B0000001/slack-token-0003",
            {"T0000001", "/B0000001/slack-token-0003", "B0000001", "slack-token-0003"},
            id="Slack",
        ),
        pytest.param(
            "https://hooks.slack.com/services/T0000001/B0000001/Zs9ZGtQcmrBVBNSy",
            {"/services/T0000001/B0000001/Zs9ZGtQcmrBVBNSy", "T0000001", "B0000001", "Zs9ZGtQcmrBVBNSy"},
            id="Slack's own address",
        ),
        pytest.param(
            "https://p1.logic.azure.com:443/workflows/flow-00004/triggers/manual/paths/invoke?api=2016&sig=a%2Fb&sv=1.0",
            {"/workflows/flow-00004/triggers/manual/paths/invoke", "flow-00004", "a%2Fb"},
            id="Teams",
        ),
        pytest.param(
            "mailtos://alerts:p%40ss@mail.example:587?from=a@b.example&to=c@d.example&smtp=x.example",
            {"p%40ss", "alerts:p@ss", "alerts\0p@ss"},
            id="a mailbox",
        ),
        pytest.param("mailtos://a:b@c@mail.example/d@e.example", {"b@c", "a:b@c", "a\0b@c"}, id="a password with an @"),
        pytest.param("pagerduty://Int3grationKey@Ap1KeyOfIt", {"Int3grationKey", "Ap1KeyOfIt"}, id="PagerDuty"),
        pytest.param("tgram://123456789:AAHdqTcvCH1vGWJx/42", {"123456789", "AAHdqTcvCH1vGWJx"}, id="Telegram"),
        pytest.param(
            "jsons://host.example/in?+X-Api-Key=abcd&:field=efgh&-get=ijkl&apikey=mnop&verify=no",
            {"abcd", "efgh", "ijkl", "mnop"},
            id="headers and parameters that are handed on",
        ),
        pytest.param(
            "https://hc.example/0b3f9c1e-aaaa-bbbb-cccc-0123456789ab",
            {"/0b3f9c1e-aaaa-bbbb-cccc-0123456789ab", "0b3f9c1e-aaaa-bbbb-cccc-0123456789ab"},
            id="a heartbeat",
        ),
        pytest.param(
            "https://host.example/SG.Abcdefgh1234.xyz",
            {"/SG.Abcdefgh1234.xyz", "SG.Abcdefgh1234.xyz"},
            id="a token of parts",
        ),
        pytest.param("json://localhost:8080/hook", set(), id="nothing secret"),
        pytest.param("Zs9ZGtQcmrBVBNSy", {"Zs9ZGtQcmrBVBNSy"}, id="a token in place of a URL"),
        pytest.param("secops", set(), id="a word in place of a URL"),
    ],
)
def test_a_url_has_secrets(url: str, secrets: set[str]) -> None:
    """Each part that libraries repeat without the rest is one; hosts and mail addresses are none."""
    assert set(url_secrets(url)) == secrets


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        pytest.param("postgresql://alerter:database-0001@db.example/alerter", {"database-0001"}, id="a server"),
        pytest.param("postgresql://h/d?user=u&password=p4ss&sslpassword=q4ss", {"p4ss", "q4ss"}, id="in parameters"),
        pytest.param("sqlite:////var/lib/alerter/alerter.db", set(), id="a file"),
        pytest.param("alerter.db", set(), id="no URL"),
    ],
)
def test_a_database_has_a_password(url: str, secrets: set[str]) -> None:
    """Names of hosts and databases say where it is; they may be shown."""
    assert set(url_passwords(url)) - {""} == secrets


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        pytest.param("json://me:pw@host.example:80/a/b?c=d", {"me", "pw", "80", "a", "b", "c", "d"}, id="a host"),
        pytest.param("slack://T0000001/B0000001", {"T0000001", "B0000001"}, id="a token in place of a host"),
    ],
)
def test_a_url_has_parts(url: str, parts: set[str]) -> None:
    """All but the scheme and the name of a host."""
    assert url_parts(url) == parts


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        pytest.param("Zs9ZGtQc", True, id="letters and digits"),
        pytest.param("abcdefghijklmnop", True, id="longer than words are"),
        pytest.param("workflows", False, id="a word"),
        pytest.param("a@b.example1", False, id="an address"),
        pytest.param("two words 12345", False, id="several words"),
    ],
)
def test_a_token_is_told_from_a_word(*, text: str, verdict: bool) -> None:
    """Words stay readable; what no one would say is a token."""
    assert is_token(text) is verdict
