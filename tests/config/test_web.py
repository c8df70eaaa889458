"""`[web]`: what is taken, and what would let strangers in."""

from pathlib import Path

import pytest

from alerter.config import Config, load_config
from alerter.config.models import PageAccess, Scope, WebToken
from alerter.errors import ConfigError

REST = (
    '[tenants.acme]\nclient_id = "id-0001"\nclient_secret = "secret-0001"\n'
    '[receivers.secops]\nurls = ["json://localhost"]\n'
)
HASH = "$2b$12$" + "a" * 53


def load(folder: Path, web: str, *, listen: str = "127.0.0.1:9464") -> Config:
    """Return what a file with this `[web]` holds."""
    path = folder / "alerter.toml"
    path.write_text(f'[service]\nlisten = "{listen}"\n[web]\n{web}\n{REST}')
    path.chmod(0o600)
    return load_config(path, {"HASH": HASH})


def test_everything_that_can_be_said_is_taken(tmp_path: Path) -> None:
    """As the documentation shows it."""
    web = load(
        tmp_path,
        'operators = ["alice"]\nhosts = ["Alerter.Example"]\nuser_header = "X-Forwarded-User"\n'
        'trusted_proxies = ["127.0.0.1", "unix"]\nusers = { alice = "${HASH}" }\n'
        f'[web.tokens.bot]\nsha256 = "{"AB" * 32}"\nscopes = ["read", "ack"]',
    ).web

    assert (web.page, web.access, web.operators, web.hosts) == (True, PageAccess.READ, ("alice",), ("alerter.example",))
    assert (web.user_header, web.trusted_proxies) == ("X-Forwarded-User", ("127.0.0.1", "unix"))
    assert web.users == {"alice": HASH}
    assert HASH not in repr(web)
    assert web.tokens == {"bot": WebToken(sha256="ab" * 32, scopes=(Scope.READ, Scope.ACK))}


@pytest.mark.parametrize(
    ("web", "listen", "words"),
    [
        pytest.param("", "0.0.0.0:9464", "would be open to everybody", id="an open page"),
        pytest.param(
            'access = "operate"\nopen_to_everybody = true', "0.0.0.0:9464", "loopback", id="everybody may act"
        ),
        pytest.param('user_header = "X-User"', "127.0.0.1:1", "'trusted_proxies'", id="a header of anybody"),
        pytest.param('trusted_proxies = ["127.0.0.1"]', "127.0.0.1:1", "'user_header'", id="a proxy without a header"),
        pytest.param('user_header = "X User"\ntrusted_proxies = ["::1"]', "127.0.0.1:1", "X-Forwarded", id="no header"),
        pytest.param(
            'trusted_proxies = ["proxy"]\nuser_header = "X"', "127.0.0.1:1", "IP address", id="a proxy's name"
        ),
        pytest.param('operators = ["alice"]', "127.0.0.1:1", "sign in", id="operators who cannot sign in"),
        pytest.param(
            'operators = ["alice"]\nusers = { bob = "${HASH}" }',
            "127.0.0.1:1",
            "alice",
            id="an operator who is no user",
        ),
        pytest.param('users = { alice = "hunter2" }', "127.0.0.1:1", "web-password", id="a password in plain"),
        pytest.param(
            f'users = {{ alice = "$2b$04${"a" * 53}" }}', "127.0.0.1:1", "10 to 14", id="a hash that is soon broken"
        ),
        pytest.param('hosts = ["https://x/"]', "127.0.0.1:1", "names such as", id="a URL as a host"),
        pytest.param('access = "all"', "127.0.0.1:1", '"operate"', id="an access that there is not"),
        pytest.param('[web.tokens.bot]\nsha256 = "x"\nscopes = ["read"]', "127.0.0.1:1", "64 hex", id="no digest"),
        pytest.param(
            f'[web.tokens.bot]\nsha256 = "{"a" * 64}"\nscopes = ["root"]', "127.0.0.1:1", "silence", id="no scope"
        ),
        pytest.param("", "unix:web.sock", "absolute path", id="a relative socket"),
    ],
)
def test_what_would_let_strangers_in_is_refused(tmp_path: Path, web: str, listen: str, words: str) -> None:
    """With what was expected, and never with a secret."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, web, listen=listen)

    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "a" * 53 not in str(caught.value)


@pytest.mark.parametrize(
    "web",
    ["page = false", "open_to_everybody = true", 'users = { alice = "${HASH}" }'],
)
def test_an_address_that_others_reach_needs_a_decision(tmp_path: Path, web: str) -> None:
    """No page, or one for everybody, or one with a way to sign in."""
    assert load(tmp_path, web, listen="0.0.0.0:9464").service.listen is not None
