"""Files of records and readings, as alerter and other tools write them; what is wrong with them is said by line."""

import os
import sys
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from io import BytesIO, TextIOWrapper
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from alerter.core.history_records import CountRecord, FailedPolls, FirstSeen, ImportedSample, InitialCount, PollRange
from alerter.core.series import NO_REASON, Tenant
from alerter.errors import Cause, Problem
from alerter.import_export import FileOptions, ValueParser, read
from alerter.import_export.texts import MAX_LINE
from tests.builders import NOON, at

OF_ACME = FileOptions(default_tenant=Tenant("acme"))


def a_tenant(name: str) -> str:
    """Return a name without spaces."""
    if " " in name or not name:
        raise ValueError(f"expected a name without spaces, found {name!r}")
    return name


def values(zone: str | None = None) -> ValueParser:
    """Return what reads values at noon."""
    return ValueParser(timezone=ZoneInfo(zone) if zone else None, check_tenant=a_tenant, now=NOON)


def read_all(
    path: Path, content: str | bytes, layout: FileOptions = OF_ACME, how: ValueParser | None = None
) -> list[object]:
    """Return what a file holds: readings as (tenant, reason, time, held), records, and problems as texts."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    found: list[object] = []
    for each in read(str(path), layout, how or values()):
        if isinstance(each, Problem):
            found.append(f"{each.line}: {each.key}: {each.text}" if each.key else f"{each.line}: {each.text}")
        elif isinstance(each[1], ImportedSample):
            found.append((each[1].tenant, each[1].reason, each[1].at, each[1].held))
        else:
            found.append(each[1])
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file is."""
    return tmp_path / "counts.csv"


SPAM_AT_11 = ("acme", "Spam", at("11:00"), 7)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("time,tenant,reason,count\n2026-03-02T11:00:00Z,acme,Spam,7\n", id="the plain form"),
        pytest.param("time,tenant,reason,held\n2026-03-02T11:00:00Z,acme,Spam,7\n", id="as alerter exports it"),
        pytest.param(
            "time,reason,count\n2026-03-02T11:00:00Z,Spam,7\n", id="without a tenant, where there is one only"
        ),
        pytest.param("count,reason,time\n7,Spam,2026-03-02T11:00:00Z\n", id="in another order"),
        pytest.param("\ufefftime,reason,count\n2026-03-02T11:00:00Z,Spam,7\n", id="a byte order mark"),
        pytest.param('"time","reason","count"\r\n"2026-03-02T11:00:00Z","Spam"," 7 "\r\n', id="quotes, and CR LF"),
        pytest.param("time,reason,count\n\n2026-03-02T11:00:00Z,Spam,7\n,,\n", id="empty lines"),
        pytest.param('time,reason,count,note\n2026-03-02T11:00:00Z,Spam,7,"a, b"\n', id="another column"),
        pytest.param("time,reason,count\n2026-03-02T11:00:00Z,Spam,7", id="no line break at the end"),
        pytest.param("time,reason,count\r2026-03-02T11:00:00Z,Spam,7\r", id="the line breaks of an old Mac"),
        pytest.param(
            "#TYPE System.Object\ntime,reason,count\n2026-03-02T11:00:00Z,Spam,7\n", id="a line that begins with #"
        ),
        pytest.param("time,reason,count\n2026-03-02T11:00:00Z,Spam,7.0\n", id="a whole number as a fraction"),
        pytest.param(
            '{"time":"2026-03-02T11:00:00Z","tenant":"acme","reason":"Spam","held":7}\n', id="counts as JSON Lines"
        ),
    ],
)
def test_the_plain_form_is_read(path: Path, content: str) -> None:
    """A time with an offset, whose mail it is, a hold reason and a count."""
    assert read_all(path, content) == [SPAM_AT_11]


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        pytest.param("a\r\nb", '"a\r\nb"', id="a line break"),
        pytest.param('say "no"', '"say ""no"""', id="quotes"),
        pytest.param("a, b; c", '"a, b; c"', id="separators"),
        pytest.param("=1+1", "'=1+1", id="what would be a formula"),
        pytest.param(" spaced ", " spaced ", id="spaces around it, which are part of the name"),
        pytest.param("120", "120", id="a number, in the column of reasons"),
        pytest.param("#1", "#1", id="a sign that begins comments elsewhere"),
        pytest.param(NO_REASON, "  ", id="none: as in a poll"),
    ],
)
def test_a_reason_is_read_verbatim(path: Path, name: str, quoted: str) -> None:
    """Names are an administrator's text."""
    assert read_all(path, f"reason,time,count\n{quoted},2026-03-02T11:00Z,7\n") == [("acme", name, at("11:00"), 7)]


def test_a_row_without_reason_and_messages_says_that_nothing_was_held(path: Path) -> None:
    """A poll that found nothing is a poll."""
    found = read_all(path, "time,reason,count\n2026-03-02T11:00Z,,0\n")

    assert found == [("acme", None, at("11:00"), 0)]


@pytest.mark.parametrize(
    ("columns", "content"),
    [
        pytest.param({"held": "n", "time": "t"}, "t,n,reason\n2026-03-02T11:00Z,7,Spam\n", id="two of them"),
        pytest.param(
            {"time": "@timestamp", "reason": "policyInfo", "held": "numberOfItems", "tenant": "account"},
            "@timestamp,account,policyInfo,numberOfItems\n2026-03-02T11:00Z,acme,Spam,7\n",
            id="all of them",
        ),
        pytest.param({"held": "n"}, "time,reason,held,n\n2026-03-02T11:00Z,Spam,99,7\n", id="rather than its own name"),
    ],
)
def test_columns_can_be_named(path: Path, columns: Mapping[str, str], content: str) -> None:
    """What is not guessed can be said."""
    assert read_all(path, content, FileOptions(default_tenant=Tenant("acme"), columns=columns)) == [SPAM_AT_11]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-03-02T11:00:00.5Z", at("11:00") + timedelta(seconds=0.5), id="a fraction"),
        pytest.param("2026-03-02T11:00:00.123456789Z", at("11:00") + timedelta(microseconds=123456), id="nanoseconds"),
        pytest.param("2026-03-02T12:00:00+01:00", at("11:00"), id="an offset"),
        pytest.param("2026-03-02T06:00:00.000-0500", at("11:00"), id="an offset without a colon"),
        pytest.param("2026-03-02 12:00:00 +0100", at("11:00"), id="an offset after a space"),
        pytest.param("2026-03-02 12:00+01", at("11:00"), id="an offset in hours"),
        pytest.param("2025-07-01 12:00", datetime(2025, 7, 1, 11, tzinfo=NOON.tzinfo), id="a place's summer"),
    ],
)
def test_times_are_understood(path: Path, text: str, expected: datetime) -> None:
    """ISO 8601 with an offset; without one on the clocks that the user names."""
    found = read_all(path, f"time,reason,held\n{text},Spam,7\n", how=values("Europe/London"))

    assert found == [("acme", "Spam", expected, 7)]


HEAD = "time,tenant,reason,held\n"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param(
            "2026-03-02T11:00Z,acme,Spam,-1",
            "2: held: expected a whole number of messages, from 0 to 2^53, found '-1'",
            id="a negative count",
        ),
        pytest.param("2026-03-02T11:00Z,acme,Spam,1.5", "found '1.5' (a fraction, such as an average", id="a fraction"),
        pytest.param("2026-03-02T11:00Z,acme,Spam,1.000", "if 1.000 is 1000 messages", id="a thousand, or one"),
        pytest.param("2026-03-02T11:00Z,acme,Spam,9007199254740993", "found 9007199254740993", id="more than is exact"),
        pytest.param(f"2026-03-02T11:00Z,acme,Spam,{'9' * 9000}", "found '999", id="a number without an end"),
        pytest.param("2026-03-02T11:00Z,acme,Spam,1e3", "found '1e3'", id="an exponent"),
        pytest.param("2026-03-02T11:00Z,acme,Spam,\u0667", "found '\u0667'", id="digits of another script"),
        pytest.param("2026-03-02T11:00Z,acme,Spam,", "found nothing", id="no count"),
        pytest.param(
            "2026-03-02T11:00Z,acme,Spam,7,8",
            "expected 4 cells, as in the line of names, found 5: a name with a comma",
            id="a cell too many",
        ),
        pytest.param(
            "2026-03-02T11:00Z,acme,Spam", "expected 4 cells, as in the line of names, found 3", id="a cell too few"
        ),
        pytest.param("2026-03-02T12:01Z,acme,Spam,7", "2: time: expected a time that has been", id="the future"),
        pytest.param(
            "1999-03-02T12:01Z,acme,Spam,7", "2: time: expected a time since 2000", id="before there was Mimecast"
        ),
        pytest.param(
            "0001-01-01T00:00+14:00,acme,Spam,7", "expected a time with an offset", id="before there was time"
        ),
        pytest.param("2026-02-30T11:00Z,acme,Spam,7", "expected a time with an offset", id="no day of the year"),
        pytest.param(
            "2026-03-02 11:00,acme,Spam,7",
            "found '2026-03-02 11:00'; --timezone NAME says which clock showed it",
            id="no offset",
        ),
        pytest.param("2026-03-02,acme,Spam,7", "expected a time with an offset", id="a date"),
        pytest.param("20260302T110000Z,acme,Spam,7", "expected a time with an offset", id="the short form of ISO 8601"),
        pytest.param(",acme,Spam,7", "2: time: expected a time with an offset", id="no time"),
        pytest.param(
            f"2026-03-02T11:00Z,acme,{'x' * 1001},7",
            "2: reason: expected 1000 characters at most",
            id="a reason that is too long",
        ),
        pytest.param(
            "2026-03-02T11:00Z,acme,a\0b,7", "found a NUL or half a character", id="a reason that cannot be stored"
        ),
        pytest.param(
            "2026-03-02T11:00Z,a b,Spam,7",
            "2: tenant: expected a name without spaces, found 'a b'",
            id="no tenant's name",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(path: Path, row: str, expected: str) -> None:
    """Each problem says where it is, what was found and what was expected; the other lines are read all the same."""
    good = "2026-03-02T11:00Z,acme,Spam,7\n"

    problem, *rest = read_all(path, f"{HEAD}{row}\n{good}")

    assert expected in str(problem)
    assert str(problem).startswith("2: ")
    assert rest == [SPAM_AT_11]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2025-03-30 01:30", "there was no '2025-03-30 01:30' in Europe/London", id="clocks set ahead"),
        pytest.param("2025-10-26 01:30", "there were two '2025-10-26 01:30' in Europe/London", id="clocks set back"),
        pytest.param("0001-01-01 00:00", "expected a time since 2001", id="before there was time"),
    ],
)
def test_a_time_that_clocks_skipped_or_showed_twice_is_refused(path: Path, text: str, expected: str) -> None:
    """Nobody knows which of both it was."""
    (problem,) = read_all(path, f"time,reason,held\n{text},Spam,7\n", how=values("Europe/London"))

    assert expected in str(problem)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("", "1: expected what `alerter export` writes, or CSV", id="an empty file"),
        pytest.param(
            "#\n#\n",
            "3: expected what `alerter export` writes, or CSV with the columns time, tenant, reason and count, found",
            id="nothing but lines with #",
        ),
        pytest.param("time,reason,count\n", None, id="no rows"),
        pytest.param(
            "a,b\n1,2\n",
            "1: expected what `alerter export` writes, or CSV with the columns time, tenant, reason and count, found "
            "the columns 'a', 'b'; say which of them is which: --column time=NAME --column reason=NAME --column held=",
            id="unknown names",
        ),
        pytest.param(
            "clock,name,value\n2026-03-02 11:00,Spam,7\n",
            "--column held=NAME, and its times have no offset: --timezone NAME",
            id="unknown names, and times without an offset",
        ),
        pytest.param("time,reason,count,held\n", "1: expected one column for the held, found 2", id="two counts"),
        pytest.param("time,time,reason,held\n", "1: expected one column for the time, found 2", id="two times"),
        pytest.param(
            'time,reason,count\n2026-03-02T11:00Z,"Spam,7\n', "2: expected CSV, found an error", id="an open quote"
        ),
        pytest.param(
            'time,reason,count\n2026-03-02T11:00Z,"' + "x\n" * 200_000,
            "2: expected rows of 131,072 characters at most, found a longer one; perhaps a quote is not closed",
            id="an open quote before a long file",
        ),
        pytest.param("{\n", "1: found JSON of another tool", id="JSON over several lines"),
        pytest.param('{"a":' * 20_000, "1: found JSON of another tool", id="a bottomless line"),
        pytest.param(
            '{"record": "seen"}\n' + '{"a":' * 20_000, "found one that is nested too deeply", id="one further on"
        ),
        pytest.param(
            '{"record": "seen"}\n{"a"', "2: expected one JSON object on each line, found an error", id="half an object"
        ),
        pytest.param(
            '{"record": "seen"}\n[]', "2: expected one JSON object on each line, found a list", id="a list further on"
        ),
    ],
)
def test_a_file_that_is_something_else_is_refused(path: Path, content: str, expected: str | None) -> None:
    """It says what was expected, and what to do."""
    found = read_all(path, content)

    assert expected in str(found) if expected else found == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(
            '{"time":true,"tenant":"a","reason":"S","held":1}', "1: time: expected a time", id="true is no time"
        ),
        pytest.param(
            '{"time":1772449200,"tenant":"a","reason":"S","held":1}', "1: time: expected", id="nor is a number"
        ),
        pytest.param(
            '{"time":"2026-03-02T11:00Z","tenant":"a","reason":5,"held":1}',
            "1: reason: expected the name of a hold reason, found 5",
            id="a number is no name",
        ),
        pytest.param(
            '{"time":"2026-03-02T11:00Z","tenant":"a","reason":"S","held":true}',
            "found true or false",
            id="nor a count",
        ),
        pytest.param('{"time":"2026-03-02T11:00Z","tenant":"a","reason":"S","held":7.0}', "found 7.0", id="a fraction"),
        pytest.param('{"time":"2026-03-02T11:00Z","tenant":"a","reason":"S","held":1e999}', "found inf", id="infinity"),
        pytest.param(
            '{"time":"2026-03-02T11:00Z","tenant":"a","reason":"S","held":' + "9" * 4000 + "}",
            "found a number of many digits",
            id="a number without an end",
        ),
        pytest.param(
            '{"time":"2026-03-02T11:00Z","tenant":"a","reason":"S","held":' + "9" * 5000 + "}", "1: ", id="one longer"
        ),
        pytest.param(
            '{"time":"2026-03-02T11:00Z","tenant":"a","reason":"\\ud800","held":1}',
            "half a character",
            id="half of one",
        ),
        pytest.param(
            '{"time":"2026-03-02T11:00Z","tenant":5,"reason":"S","held":1}',
            "1: tenant: expected the name of a tenant, found 5",
            id="a number is no tenant",
        ),
    ],
)
def test_a_value_of_json_must_have_its_type(path: Path, line: str, expected: str) -> None:
    """A number is no name, and true is no count."""
    (problem,) = read_all(path, line)

    assert expected in str(problem)


def test_a_line_without_an_end_is_not_read(path: Path) -> None:
    """Memory is bounded, whatever the file is; what stands before it is read."""
    whole = "time,reason,held\n2026-03-02T11:00Z,Spam,7\n"

    of_json = read_all(path, '{"record":"seen"}\n' + '{"a":"' + "x" * 3_000_000)
    of_csv = read_all(path, whole + "x" * 3_000_000)
    of_cells = read_all(path, whole + "," * 1_000_000 + "\n")

    for found in (of_json, of_csv, of_cells):
        assert f"expected rows of {MAX_LINE:,} characters at most" in str(found[1])
    assert str(of_json[1]).startswith("2: ")
    assert of_csv[0] == SPAM_AT_11
    assert str(of_csv[1]).startswith("3: ")


def test_text_in_another_encoding_is_refused_with_its_line(path: Path) -> None:
    """Older spreadsheets write the code page of their country."""
    content = "time,reason,held\n2026-03-02T11:00Z,Spam,7\n2026-03-02T11:00Z,Entwürfe,7\n".encode("windows-1252")

    *_, problem = read_all(path, content)

    assert "found text in another encoding than UTF-8" in str(problem)
    assert "iconv -f WINDOWS-1252 -t UTF-8" in str(problem)


def test_a_file_that_is_not_there_is_a_problem_like_any_other(tmp_path: Path) -> None:
    """It has no line; neither has a folder."""
    (missing,) = read(str(tmp_path / "nothing.csv"), OF_ACME, values())
    (folder,) = read(str(tmp_path), OF_ACME, values())

    assert str(missing) == f"{tmp_path}/nothing.csv: cannot be read: no such file or directory"
    assert str(folder) == f"{tmp_path}: cannot be read: is a directory"


def test_a_device_without_an_end_is_refused_at_once() -> None:
    """Its beginning says enough."""
    (problem,) = read("/dev/zero", OF_ACME, values())

    assert "found no text" in str(problem)


def test_a_file_can_come_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` is standard input."""
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(b"time,reason,held\n2026-03-02T11:00Z,Spam,7\n")))

    assert [each[0] for each in read("-", OF_ACME, values()) if not isinstance(each, Problem)] == [2]


def test_a_file_can_be_a_pipe_that_gives_piece_by_piece(tmp_path: Path) -> None:
    """`alerter import <(zcat counts.gz)`: it cannot be read twice."""
    path, segments = tmp_path / "pipe", [b"time,rea", b"son,held\n2026-03-02T1", b"1:00Z,Spam,7\n" + b"\n" * 90_000]
    os.mkfifo(path)

    def write() -> None:
        with path.open("wb", buffering=0) as pipe:
            for piece in segments:
                pipe.write(piece)

    writer = threading.Thread(target=write)
    writer.start()
    found = list(read(str(path), OF_ACME, values()))
    writer.join()

    assert [each[0] for each in found if not isinstance(each, Problem)] == [2]


def test_whose_the_readings_are(path: Path) -> None:
    """A column says it; with `--tenant` it may say nothing else."""
    content = "time,tenant,reason,count\n2026-03-02T11:00Z,A1,Spam,7\n2026-03-02T11:00Z,B2,Spam,7\n"

    assert read_all(path, content) == [("A1", "Spam", at("11:00"), 7), ("B2", "Spam", at("11:00"), 7)]
    assert read_all(path, content, FileOptions(tenant=Tenant("A1"))) == [
        ("A1", "Spam", at("11:00"), 7),
        "3: tenant: expected 'A1', as --tenant says, found 'B2'",
    ]


def test_with_several_tenants_a_file_must_say_whose_it_is(path: Path) -> None:
    """Nothing is guessed."""
    (problem,) = read_all(path, "time,reason,held\n2026-03-02T11:00Z,Spam,7\n", FileOptions())

    assert "say which of them is which: --column tenant=NAME, or --tenant NAME" in str(problem)


@pytest.mark.parametrize("name", ["Spam Scanning", "Graymail"])
def test_a_column_of_numbers_is_none_of_names(path: Path, name: str) -> None:
    """Whoever takes a wide table for a plain one gets no reasons that are called 120."""
    content = "Time,Spam Scanning,Graymail,Comment\n2026-03-02T11:00Z,7,120,a\n"
    layout = FileOptions(default_tenant=Tenant("acme"), columns={"time": "Time", "reason": name, "held": "Graymail"})

    (problem,) = read_all(path, content, layout)

    assert f"{name}: expected the name of a hold reason, found the number" in str(problem)


OWN = "record,tenant,reason,at,until,held,polls,steps\n"


def test_records_are_known_by_their_column(path: Path) -> None:
    """Files of alerter's own need no word about columns."""
    content = OWN + (
        "seen,acme,Spam,2026-03-02T10:00:00Z,,,,\n"
        "held,acme,Spam,2026-03-02T10:00:00Z,,5,,\n"
        "polled,acme,,2026-03-02T10:00:00Z,2026-03-02T11:00:00Z,,13,\n"
        "change,acme,Spam,2026-03-02T11:00:00.000001Z,,7,,\n"
    )

    seen, held, polled, change = read_all(path, content)

    assert isinstance(seen, FirstSeen)
    assert isinstance(held, InitialCount)
    assert isinstance(polled, PollRange)
    assert (polled.since, polled.until, polled.polls) == (at("10:00"), at("11:00"), 13)
    assert isinstance(change, CountRecord)
    assert change.at == at("11:00") + timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param(
            "told,acme,Spam,2026-03-02T10:00:00Z,,,,",
            "expected 'seen', 'held', 'polled', 'failed', 'change', found 'told'; a newer alerter",
            id="another kind",
        ),
        pytest.param(
            "polled,acme,,2026-03-02T11:00:00Z,2026-03-02T10:00:00Z,,13,",
            "2: until: expected an end that is not before 'at'",
            id="an end before its beginning",
        ),
        pytest.param(
            "polled,acme,,2026-03-02T10:00:00Z,2026-03-02T10:00:00Z,,0,",
            "2: polls: expected at least 1 poll, found 0",
            id="no poll",
        ),
        pytest.param(
            "polled,acme,,2026-03-02T10:00:00Z,2026-03-02T10:10:00Z,,3,300",
            "2: steps: expected 2 steps from 'at' to 'until', 600.0 s, found 1 that take 300.0 s",
            id="fewer steps than polls",
        ),
        pytest.param(
            "polled,acme,,2026-03-02T10:00:00Z,2026-03-02T10:10:00Z,,3,300 301",
            "2: steps: expected 2 steps from 'at' to 'until', 600.0 s, found 2 that take 601.0 s",
            id="steps that lead elsewhere",
        ),
        pytest.param(
            "polled,acme,,2026-03-02T10:00:00Z,2026-03-02T10:10:00Z,,3,600 0",
            "2: steps: expected seconds between polls such as '300 299.98 300.02', found '600 0'",
            id="two polls at once",
        ),
        pytest.param(
            "polled,acme,,2026-03-02T10:00:00Z,2026-03-02T10:10:00Z,,3,5m 5m",
            "2: steps: expected seconds between polls such as '300 299.98 300.02', found '5m 5m'",
            id="steps that are no numbers",
        ),
        pytest.param(
            "change,legacy,Spam,2026-03-02T10:00:00Z,,1,,",
            "2: tenant: expected 'acme', as --tenant says, found 'legacy'",
            id="another tenant's",
        ),
        pytest.param(
            "polled,acme,,2026-03-02T10:00:00Z,2026-03-02T11:00:00Z,,9000000000000000,",
            "2: polls: expected at most 256 polls, or 1,000,000 that are 10 s apart, found 9,000,000,000,000,000",
            id="more polls than time",
        ),
        pytest.param(
            f"polled,acme,,2026-03-02T10:00:00Z,2026-03-02T11:00:00Z,,3,{'999999999 ' * 9999}9",
            "2: steps: expected 2 steps from 'at' to 'until', 3600.0 s, found 10000 that take 9998999990010.0 s",
            id="steps beyond the end of time",
        ),
        pytest.param("partial,,,,,,,", "2: found an export of some hold reasons only", id="a part"),
    ],
)
def test_a_record_that_cannot_be_is_refused(path: Path, row: str, expected: str) -> None:
    """As with readings, each problem has its line and its column."""
    (problem,) = read_all(path, f"{OWN}{row}\n", FileOptions(tenant=Tenant("acme")))

    assert expected in str(problem)


def test_a_record_says_when_each_poll_was(path: Path) -> None:
    """To the microsecond, so that a replay of what was exported judges at the same polls."""
    row = "polled,acme,,2026-03-02T10:00:00Z,2026-03-02T10:10:00Z,,3,299.999999 300.000001"

    (polled,) = read_all(path, f"{OWN}{row}\n")

    assert isinstance(polled, PollRange)
    assert polled.instants == (at("10:00"), at("10:05") - timedelta(microseconds=1), at("10:10"))


def test_records_without_one_of_their_columns_are_refused(path: Path) -> None:
    """Without `until` nobody would know what was polled."""
    (problem,) = read_all(path, "record,tenant,reason,at,held,polls\nseen,acme,Spam,2026-03-02T10:00:00Z,,\n")

    columns = "record, tenant, reason, at, until, held, polls, steps, cause, detail"
    assert f"expected the columns {columns}, found 'record'" in str(problem)


WITH_FAILURES = OWN.replace("\n", ",cause,detail\n")


def test_a_record_says_why_polls_failed(path: Path) -> None:
    """As troubleshooting names the cause, with what was found."""
    row = "failed,acme,,2026-03-02T10:00:00Z,2026-03-02T10:05:00Z,,2,,dns,'=no address"

    (failed,) = read_all(path, f"{WITH_FAILURES}{row}\n")

    assert isinstance(failed, FailedPolls)
    assert (failed.cause, failed.detail) == (Cause.DNS, "=no address")
    assert failed.polled.instants == (at("10:00"), at("10:05"))


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        pytest.param("sunspots,", "2: cause: expected one of 'wrong_keys', 'keys_expired', ", id="another cause"),
        pytest.param(",", "found nothing", id="no cause"),
        pytest.param(f"dns,{'x' * 501}", "2: detail: expected 500 characters at most, found 501", id="a long detail"),
        pytest.param("dns,a\0b", "2: detail: expected text that can be stored", id="a detail that cannot be stored"),
    ],
)
def test_a_failed_poll_that_cannot_be_is_refused(path: Path, cells: str, expected: str) -> None:
    """What is in a file may come from anybody."""
    row = f"failed,acme,,2026-03-02T10:00:00Z,2026-03-02T10:05:00Z,,2,,{cells}"

    (problem,) = read_all(path, f"{WITH_FAILURES}{row}\n")

    assert expected in str(problem)


def test_the_detail_of_a_failed_poll_is_a_text(path: Path) -> None:
    """JSON has other kinds."""
    row = '{"record":"failed","tenant":"acme","at":"2026-03-02T10:00:00Z","until":"2026-03-02T10:00:00Z",'

    (problem,) = read_all(path, row + '"polls":1,"cause":"dns","detail":5}\n')

    assert "1: detail: expected a text, found 5" in str(problem)
