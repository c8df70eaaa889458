"""What comes from outside may be anything: it is read or refused, in a bounded time, and nothing breaks.

The files of `import` have tests of the same kind beside their reader, and answers with a single mistake in them have
`tests/faults/mutants.py`.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerter.cli import COMMANDS, cli
from alerter.config.load import load_config
from alerter.config.rule_tests import load_tests
from alerter.errors import ConfigError
from alerter.simulator.scenario import Scenario
from alerter.simulator.server import Simulator
from alerter.sources.mimecast.rate_limits import clock_skew, rate_limit, rate_limit_reset, retry_after
from alerter.sources.mimecast.request_error import HttpResponse, RequestError
from alerter.sources.mimecast.responses import parse_hold_summary, parse_token
from tests.bounded import MAX_SECONDS, bounded
from tests.builders import NOON
from tests.commands import RunCommand, a_configuration, runner

_SETTINGS = settings(max_examples=150)


# -- answers and tokens

#: What a parser reads first, and what it stumbles over.
_WORDS = st.sampled_from(
    [
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b":",
        b",",
        b"\\u",
        b"\\ud800",
        b"1e999",
        b"-",
        b"NaN",
        b"null",
        b"true",
        b"\xff\xfe",
        b'"data"',
        b'"fail"',
        b'"meta"',
        b'"status"',
        b"200",
        b'"policyInfo"',
        b'"numberOfItems"',
        b'"access_token"',
        b'"expires_in"',
        b'"pagination"',
        b'"next"',
        b'"totalCount"',
        b'"message"',
        b'"errors"',
        b"\x00",
        b"\xc3\xbc",
        b"<",
        b"9" * 999,
    ]
)
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "meta",
                    "data",
                    "fail",
                    "status",
                    "pagination",
                    "next",
                    "totalCount",
                    "pageSize",
                    "policyInfo",
                    "message",
                    "numberOfItems",
                    "errors",
                    "code",
                    "retryable",
                    "access_token",
                    "token_type",
                    "expires_in",
                    "error",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=25,
)
_BODIES = (
    st.binary(max_size=300)
    | st.lists(_WORDS, max_size=60).map(b"".join)
    | st.builds(lambda word, times: word * times, _WORDS, st.sampled_from([1_000, 100_000]))
    | _JSON.map(lambda value: json.dumps(value).encode())
)
_HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "retry-after", "date", "x-ratelimit-reset", "x-ratelimit-remaining", "location"]),
    st.text(max_size=40) | st.integers().map(str) | st.text("0123456789.eE+-:, GMTMon", max_size=5_000),
    max_size=4,
)
_ANSWERS = st.builds(
    HttpResponse,
    status=st.sampled_from([200, 201, 302, 400, 401, 403, 418, 429, 500, 503]),
    headers=_HEADERS,
    body=_BODIES,
)


def read_answer(answer: HttpResponse) -> None:
    """Read an answer in every way in which one is read."""
    with bounded():
        for read in (parse_hold_summary, parse_token):
            try:
                read(answer, now=NOON)
            except RequestError as fault:
                said = fault.detail
            else:
                said = ""
            assert said.isprintable()
        for wait in (retry_after, rate_limit_reset, rate_limit, clock_skew):
            wait(answer, now=NOON)


@_SETTINGS
@given(_ANSWERS)
def test_an_answer_is_counts_or_a_cause(answer: HttpResponse) -> None:
    """Any status, headers and body: of a summary and of a token."""
    read_answer(answer)


# -- configurations and rule tests

_TOML = st.sampled_from(
    [
        "[service]",
        "[[rules]]",
        "[tenants.acme]",
        "[receivers.x]",
        "[[routes]]",
        "[mute_windows.n]",
        "\n",
        " = ",
        "=",
        '"',
        "'",
        '"""',
        "'''",
        "{",
        "}",
        "[",
        "]",
        ",",
        ".",
        "#",
        "\\",
        "name",
        "urls",
        "threshold",
        "growth",
        "above",
        "include",
        "1",
        "-5",
        "1e400",
        "0x",
        "inf",
        "nan",
        "true",
        "5m",
        '"5m"',
        "2026-01-01",
        "2026-13-01T25:00:00Z",
        "${X}",
        "${file:/nowhere}",
        "\x00",
        "\ufeff",
        "\u202e",
        "ü",
        "9" * 400,
        '"slack://a/b/c"',
        "client_id",
        "database",
        '"sqlite:///x.db"',
        "[[test]]",
        "rules",
        "series",
        "expect",
        '"1+1x5"',
        '"_x99999999"',
        "0",
        "timezone",
        '"Mars/Olympus"',
        "reasons",
        '["!*", "[a"]',
        "for",
        "labels",
    ]
)
_TEXTS = (
    st.binary(max_size=300)
    | st.lists(_TOML, max_size=60).map(lambda words: "".join(words).encode("utf-8", "surrogatepass"))
    | st.lists(_TOML, max_size=40).map(lambda words: "\n".join(words).encode("utf-8", "surrogatepass"))
    | st.builds(lambda word, times: (word * times).encode(), _TOML, st.sampled_from([1_000, 20_000]))
)


def read_files(content: bytes, folder: Path) -> None:
    """Read a content as a configuration and as a file of rule tests."""
    path = folder / "rules.toml"
    path.write_bytes(content)
    for read in (lambda: load_config(path, {"X": "a secret"}), lambda: load_tests(path)):
        with bounded(10 * MAX_SECONDS):
            try:
                read()
            except ConfigError as error:
                said = str(error)
            else:
                said = "nothing is wrong"
            assert said
            assert "a secret" not in said


@_SETTINGS
@given(content=_TEXTS)
def test_a_file_is_a_configuration_or_a_list_of_problems(content: bytes, tmp_path: Path) -> None:
    """Any bytes, and what looks like TOML: no exception of a library gets out, and no secret."""
    read_files(content, tmp_path)


# -- arguments, and a key in the middle of them

#: Commands that go on until they are stopped, and the one that changes the machine.
LEFT_OUT = {"run", "simulate", "demo", "install"}
NAMES = [
    *(
        "",
        "-",
        "--",
        "*",
        "?",
        "!",
        "[",
        "\\",
        "acme",
        "Spam",
        "!*",
        "a b",
        "1",
        "-1",
        "0",
        "9" * 400,
        "1h",
        "0s",
        "-5m",
        "1e9d",
    ),
    *(
        "now",
        "yesterday",
        "2026-11-30",
        "9999-12-31T23:59-14:00",
        "0001-01-01",
        "25:61",
        "1/week",
        "999999/day",
        "${HOME}",
    ),
    *(
        "\u202eevil",
        "\x1b[2J",
        "\udcff",
        "ü" * 500,
        "x" * 5_000,
        "'\"`$(touch bad)",
        "a\nb",
        "key=value",
        "=",
        "csv",
        "jsonl",
    ),
    *("rules.toml", "alerter.db", "missing.file", "postgresql:", "a1b2c3d4", "json", "%s%n", "{0}", "12,5", "٣", "²"),
]


def _leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield every command with its words and its options."""
    if isinstance(command, click.Group):
        with click.Context(command) as context:
            for name in command.list_commands(context):
                if not path and name in LEFT_OUT:
                    continue
                inner = command.get_command(context, name)
                assert inner is not None
                yield from _leaves(inner, (*path, name))
    yield path, tuple(option for each in command.params for option in each.opts if option.startswith("-"))


_LINES = st.sampled_from([*_leaves(cli)]).flatmap(
    lambda leaf: st.lists(
        st.sampled_from(NAMES)
        | st.sampled_from([*leaf[1], "--help", "--unknown"])
        | st.text(st.characters(codec="utf-8"), max_size=8),
        max_size=6,
    ).map(lambda words: [*leaf[0], *words])
)


@pytest.fixture
def alerter(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> RunCommand:
    """`alerter` in a folder with a configuration and a database in which something fires."""
    run = runner(monkeypatch, capfd)
    monkeypatch.chdir(tmp_path)
    with Simulator(
        clock=lambda: datetime.now(UTC),  # noqa: TID251 - real requests carry the real date
        scenario=Scenario.from_csv("time,reason,count\n0,Spam,340\n"),
    ) as simulator:
        # Root uses a file in the current folder only where nobody else could have put it there.
        monkeypatch.setenv("ALERTER_CONFIG", str(tmp_path / "rules.toml"))
        Path("rules.toml").write_text(a_configuration(simulator, above=100), encoding="utf-8")
        run("poll")
    return run


def run_line(alerter: RunCommand, words: list[str]) -> None:
    """Run a command with arguments that the shell could hand over, in the folder of the test."""
    given_words = [os.fsdecode(word.replace("\0", "").encode("utf-8", "surrogateescape")) for word in words]
    if any("/" in word or word.startswith("..") for word in given_words):
        return  # it may name any file of this machine
    with bounded(10 * MAX_SECONDS):
        outcome = alerter(*given_words)
    assert outcome.code in {0, 1, 2, 3}, outcome
    assert "Traceback" not in outcome.out + outcome.err
    assert "simulated-client-secret" not in outcome.out + outcome.err


@_SETTINGS
@given(words=_LINES)
def test_any_arguments_get_a_result_or_a_sentence(alerter: RunCommand, words: list[str]) -> None:
    """Every command but those that go on until they are stopped."""
    run_line(alerter, words)


#: Completes each line that it reads as a shell would ask for it, in one process.
COMPLETES = """
import os, sys
from alerter.cli import main

shell = sys.argv[1]
for line in sys.stdin.buffer.read().decode("utf-8", "surrogateescape").split("\\0"):
    os.environ.update(
        _ALERTER_COMPLETE=f"{shell}_complete", COMP_WORDS=line, COMP_CWORD=line if shell == "fish" else "2"
    )
    sys.argv = ["alerter"]
    try:
        main()
    except SystemExit as end:
        assert not end.code, (line, end.code)
"""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_key_anywhere_in_a_line_gets_completions_or_nothing(alerter: RunCommand, shell: str) -> None:
    """Half a line of anything, also with quotes that nobody closed: never a word on standard error."""
    assert alerter("status").code in {0, 1}
    lines = [f"alerter {command} {name}" for command, name in zip([*COMMANDS] * 3, NAMES, strict=False)]
    lines += [
        "alerter 'history",
        'alerter "history "$(',
        "alerter history \\",
        "alerter --config",
        "alerter \ud800",
        "",
    ]
    shown = subprocess.run(
        [sys.executable, "-c", COMPLETES, shell],
        input="\0".join(line.replace("\0", "") for line in lines).encode("utf-8", "surrogatepass"),
        capture_output=True,
        check=False,
        timeout=100,
    )

    assert (shown.returncode, shown.stderr.decode()) == (0, "")
