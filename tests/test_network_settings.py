"""What the environment says of proxies and authorities, and what is wrong with it."""

import ssl
from collections.abc import Callable, Mapping
from pathlib import Path

import certifi
import pytest

from alerter.network_settings import (
    Setting,
    authorities_setting,
    doubts,
    fault_on_the_way,
    proxy_address,
    proxy_setting,
    why_untrusting,
    why_unusable,
)

EXPECTED = "expected a proxy such as http://proxy.example:3128"
SECRET = "pa55word-0001"


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"HTTPS_PROXY": "a"}, "HTTPS_PROXY", id="in capitals"),
        pytest.param({"HTTPS_PROXY": "a", "https_proxy": "b"}, "https_proxy", id="in small letters it comes first"),
        pytest.param({"HTTPS_PROXY": "a", "https_proxy": ""}, None, id="and takes back what is in capitals"),
        pytest.param({"ALL_PROXY": "a"}, "ALL_PROXY", id="that for all"),
        pytest.param({"ALL_PROXY": "a", "HTTPS_PROXY": "b"}, "HTTPS_PROXY", id="that for one scheme first"),
        pytest.param({"HTTP_PROXY": "a"}, None, id="one for another scheme"),
    ],
)
def test_the_variable_that_counts_is_that_which_the_library_takes(environ: Mapping[str, str], name: str | None) -> None:
    """Small letters before capitals, the scheme before all."""
    found = proxy_setting("https", environ)

    assert (found.name if found else None) == name


@pytest.mark.parametrize(
    ("value", "why"),
    [
        pytest.param("http://proxy.example:3128", "", id="as it should be"),
        pytest.param(f"http://alerter:{SECRET}@proxy.example:3128/", "", id="with a password"),
        pytest.param("https://proxy.example", "", id="by TLS"),
        pytest.param("proxy.example:3128", "", id="a dotted host without a scheme is taken for http"),
        pytest.param("proxy:3128", f"{EXPECTED}, found no scheme", id="a host without a dot is taken for a scheme"),
        pytest.param("http:/proxy.example:3128", f"{EXPECTED}, found no scheme", id="a slash is missing"),
        pytest.param("htp://proxy.example:1", f"{EXPECTED}, found the scheme 'htp'", id="misspelt"),
        pytest.param("ftp://proxy.example:1", f"{EXPECTED}, found the scheme 'ftp'", id="a scheme of no proxy"),
        pytest.param(f"{SECRET}@x://y", f"{EXPECTED}, found another scheme", id="a scheme that may be a password"),
        pytest.param("http://proxy.example:99999", "found a port that is none", id="a port that is too high"),
        pytest.param("http://proxy.example:port", "found a port that is none", id="a port that is no number"),
        pytest.param("http://proxy.example:0", "found a port that is none", id="port 0"),
        pytest.param("http://[::1:9", "found a port that is none", id="a bracket is missing"),
        pytest.param("http://", "found no host in it", id="no host"),
        pytest.param("http://proxy..example:1", "found a host whose name has an empty part", id="two dots"),
        pytest.param(f"http://{'a' * 64}:1", "or one that is too long", id="a part of 64 characters"),
        pytest.param(f"http://{'a.' * 40_000}:1", "or one that is too long", id="a name of 80,000 characters"),
        pytest.param("http://:3128", "found no host in it", id="a port alone"),
        pytest.param("http://%zz:1", "characters that are in no name", id="an escape in the host"),
        pytest.param("http://%PROXY%:3128", "characters that are in no name", id="a variable of Windows"),
        pytest.param("http://${PROXY}:3128", "characters that are in no name", id="a variable that nothing filled in"),
        pytest.param("http://<proxy>:3128", "characters that are in no name", id="a placeholder"),
        pytest.param(r"\\proxy\share", "characters that are in no name", id="a path of Windows"),
        pytest.param(" http://proxy.example:1", "found space around it", id="space before it"),
        pytest.param("http://proxy.example:1\n", "found space around it", id="a line break behind it"),
        pytest.param('"http://proxy.example:1"', "found quotes in it", id="quotes that a shell would have taken away"),
        pytest.param(f"http://a:{SECRET}#@proxy.example:1", "'#' %23", id="a password that ends the address"),
        pytest.param(f"http://a:{SECRET}/x@proxy.example:1", "'/' %2F", id="a password with a slash"),
        pytest.param("http://wpad.example/proxy.pac", "found a script that chooses one", id="a .pac file"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_told_without_its_password(value: str, why: str) -> None:
    """What was found and what was expected."""
    said = why_unusable(Setting(name="HTTPS_PROXY", value=value))

    assert (why in said) if why else not said
    assert SECRET not in said
    assert SECRET not in repr(Setting(name="HTTPS_PROXY", value=value))


def test_a_proxy_of_socks_needs_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is no part of an installation; where it is there, it is used."""
    setting = Setting(name="ALL_PROXY", value="socks5h://proxy.example:1080")
    monkeypatch.setattr("alerter.network_settings.find_spec", lambda _: None)
    without = why_unusable(setting)
    monkeypatch.setattr("alerter.network_settings.find_spec", lambda _: object())

    assert without == "a proxy of SOCKS needs the package PySocks, which is not installed: pip install PySocks"
    assert why_unusable(setting) == ""


def _absent(path: Path) -> str:
    return f"names {path}, which does not exist"


def _empty(path: Path) -> str:
    path.touch()
    return f"names {path}, which holds no certificate in PEM form"


def _text(path: Path) -> str:
    path.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n")
    return f"names {path}, which holds no certificate in PEM form"


def _binary(path: Path) -> str:
    pem = Path(certifi.where()).read_text().partition("-----END CERTIFICATE-----")
    path.write_bytes(ssl.PEM_cert_to_DER_cert(pem[0][pem[0].index("-----BEGIN") :] + pem[1]))
    return f"names {path}, which holds no certificate in PEM form"


def _folder(path: Path) -> str:
    path.mkdir()
    (path / "ca.pem").touch()
    return f"names {path}, a folder without certificates as OpenSSL looks them up"


def _good_file(path: Path) -> str:
    path.write_bytes(Path(certifi.where()).read_bytes())
    return ""


def _good_folder(path: Path) -> str:
    path.mkdir()
    (path / "0a1b2c3d.0").touch()
    return ""


@pytest.mark.parametrize("make", [_absent, _empty, _text, _binary, _folder, _good_file, _good_folder])
def test_authorities_of_which_none_can_be_used_are_told(tmp_path: Path, make: Callable[[Path], str]) -> None:
    """What the variable names, and what is wrong with it; the first that is set counts."""
    expected = make(tmp_path / "ca")
    environ = {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": str(tmp_path / "ca")}

    setting = authorities_setting(environ)

    assert setting is not None
    assert setting.name == "CURL_CA_BUNDLE"
    assert (f"CURL_CA_BUNDLE {expected}" in why_untrusting(setting)) if expected else not why_untrusting(setting)
    assert bool(fault_on_the_way("https", environ)) is bool(expected)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        pytest.param({}, [], id="nothing is set"),
        pytest.param({"HTTPS_PROXY": "http://p.example:1", "NO_PROXY": "*"}, [], id="all is well"),
        pytest.param(
            {"NO_PROXY": "localhost,.example.com, 10.0.0.0/8,[::1],a.example:8080,"}, [], id="exceptions that fit"
        ),
        pytest.param({"HTTPS_PROXY": "htp://x"}, ["HTTPS_PROXY cannot be used: "], id="a proxy that cannot be used"),
        pytest.param(
            {"HTTPS_PROXY": "http://p.example"}, ["HTTPS_PROXY names no port: p.example:80 is used"], id="no port"
        ),
        pytest.param(
            {"http_proxy": "http://p.example:1"}, ["HTTP_PROXY is set without HTTPS_PROXY: "], id="only for http"
        ),
        pytest.param(
            {"https_proxy": "http://p.example:1", "HTTPS_PROXY": "http://q.example:1"},
            ["https_proxy and HTTPS_PROXY differ: https_proxy counts"],
            id="two spellings",
        ),
        pytest.param(
            {"no_proxy": "https://a.example,*.b.example,c.example;d.example,e.example f.example,g.example/x"},
            [
                "no_proxy has 'https://a.example', which fits no host: expected a host name without a scheme",
                "no_proxy has '*.b.example', which fits no host: expected .example.com for all of a domain",
                "no_proxy has 'c.example;d.example', which fits no host: expected commas between hosts",
                "no_proxy has 'e.example f.example', which fits no host: expected commas between hosts",
                "no_proxy has 'g.example/x', which fits no host: expected a host name without a path",
            ],
            id="exceptions that fit nothing",
        ),
        pytest.param(
            {"REQUESTS_CA_BUNDLE": "/nowhere/ca.pem", "SSL_CERT_FILE": "/nowhere/mail.pem"},
            [
                "REQUESTS_CA_BUNDLE names /nowhere/ca.pem, which does not exist",
                "SSL_CERT_FILE names /nowhere/mail.pem, which does not exist; mail servers are verified by it",
            ],
            id="authorities that are not there",
        ),
    ],
)
def test_what_is_odd_is_told_before_it_fails(environ: Mapping[str, str], said: list[str]) -> None:
    """One sentence for each setting."""
    found = [doubt for doubt in doubts(environ) if doubt]

    assert len(found) == len(said)
    assert all(text.startswith(beginning) for text, beginning in zip(found, said, strict=True)), found


def test_the_address_of_a_proxy_is_no_secret() -> None:
    """It is named where the proxy fails, without name and password."""
    setting = Setting(name="HTTPS_PROXY", value=f"https://alerter:{SECRET}@proxy.example")

    assert proxy_address(setting) == "proxy.example:443"
