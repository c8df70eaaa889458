"""Files of records and readings, as alerter and other tools write them; what is wrong with them is said by line."""

import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from io import BytesIO, TextIOWrapper
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from alerter.adapters.files import FileFormat, Layout, Values, read
from alerter.core.records import Change, FirstSeen, Held, Polled, Reading
from alerter.core.series import NO_REASON, Tenant
from alerter.errors import Problem
from tests.builders import NOON, at

OF_ACME = Layout(default_tenant=Tenant("acme"))


def a_tenant(name: str) -> str:
    """Return a name without spaces."""
    if " " in name or not name:
        raise ValueError(f"expected a name without spaces, found {name!r}")
    return name


def values(*, zone: str = "UTC", time_format: str | None = None) -> Values:
    """Return what reads values at noon."""
    return Values(timezone=ZoneInfo(zone), time_format=time_format, check_tenant=a_tenant, now=NOON)


def read_all(path: Path, content: str | bytes, layout: Layout = OF_ACME, how: Values | None = None) -> list[object]:
    """Return what a file holds: readings as (tenant, reason, time, held), records, and problems as texts."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    found: list[object] = []
    for each in read(str(path), layout, how or values()):
        if isinstance(each, Problem):
            found.append(f"{each.line}: {each.key}: {each.text}" if each.key else f"{each.line}: {each.text}")
        elif isinstance(each[1], Reading):
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
        pytest.param("timestamp,policy,count\n2026-03-02T11:00:00Z,Spam,7\n", id="a cron script's"),
        pytest.param("Date;Policy Name;Number of items\r\n2026-03-02 11:00;Spam;7\r\n", id="a spreadsheet's"),
        pytest.param("time\tpolicyInfo\tnumberOfItems\n2026-03-02 11:00:00+00:00\tSpam\t7\n", id="tabs"),
        pytest.param("count|reason|when\n7|Spam|1772449200\n", id="another order, and seconds since 1970"),
        pytest.param("\ufefftime,reason,held\n2026-03-02 11:00,Spam,7\n", id="a byte order mark"),
        pytest.param("sep=;\ntime;reason;held\n2026-03-02 11:00;Spam;7\n", id="Excel's own word for its separator"),
        pytest.param('"time","reason","held"\n"2026-03-02 11:00","Spam"," 7 "\n', id="quotes around everything"),
        pytest.param("time,reason,held\n\n2026-03-02 11:00,Spam,7\n,,\n", id="empty lines"),
        pytest.param('time,reason,held,note\n2026-03-02 11:00,Spam,7,"a, b"\n', id="columns that nobody asked for"),
        pytest.param("time,reason,held\n2026-03-02 11:00,Spam,7", id="no line break at the end"),
        pytest.param("time,reason,held\r2026-03-02 11:00,Spam,7\r", id="the line breaks of an old Mac"),
        pytest.param('{"time": "2026-03-02T11:00:00Z", "policy": "Spam", "count": 7}\n', id="JSON Lines"),
        pytest.param('\n{"ts": 1772449200, "policyInfo": "Spam", "numberOfItems": "7"}\n', id="JSON with numbers"),
    ],
)
def test_what_other_tools_write_is_understood(path: Path, content: str) -> None:
    """Columns are found by their names, separators and encodings by looking."""
    assert read_all(path, content) == [SPAM_AT_11]


def test_utf_16_is_known_by_its_mark(path: Path) -> None:
    """Excel's "Unicode text" is UTF-16, with tabs."""
    content = "time\treason\theld\n2026-03-02 11:00\tΩ\t7\n".encode("utf-16")

    assert read_all(path, content) == [("acme", "Ω", at("11:00"), 7)]


def test_an_encoding_can_be_named(path: Path) -> None:
    """Older spreadsheets write the code page of their country."""
    content = "time,reason,held\n2026-03-02 11:00,Entwürfe,7\n".encode("windows-1252")
    layout = Layout(default_tenant=Tenant("acme"), encoding="windows-1252")

    assert read_all(path, content, layout) == [("acme", "Entwürfe", at("11:00"), 7)]
    assert "2: expected UTF-8, found other bytes" in str(read_all(path, content)[0])


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        pytest.param("a\r\nb", '"a\r\nb"', id="a line break"),
        pytest.param('say "no"', '"say ""no"""', id="quotes"),
        pytest.param("a, b; c", '"a, b; c"', id="separators"),
        pytest.param("=1+1", "'=1+1", id="what would be a formula"),
        pytest.param(" spaced ", " spaced ", id="spaces around it, which are part of the name"),
        pytest.param(NO_REASON, "  ", id="none: as in a poll"),
    ],
)
def test_a_reason_is_read_verbatim(path: Path, name: str, quoted: str) -> None:
    """Names are an administrator's text."""
    assert read_all(path, f"time,reason,held\n2026-03-02 11:00,{quoted},7\n") == [("acme", name, at("11:00"), 7)]


@pytest.mark.parametrize(
    ("columns", "content"),
    [
        pytest.param({"held": "n", "time": "t"}, "t,n,reason\n2026-03-02 11:00,7,Spam\n", id="by names"),
        pytest.param({"time": "3", "held": "1"}, "n,reason,t\n7,Spam,2026-03-02 11:00\n", id="by numbers"),
        pytest.param(
            {"time": "1", "reason": "3", "held": "2"}, "2026-03-02 11:00,7,Spam\n", id="by numbers, without any names"
        ),
        pytest.param({"reason": "why"}, '{"time": 1772449200, "why": "Spam", "held": 7}\n', id="by keys"),
    ],
)
def test_columns_can_be_named(path: Path, columns: Mapping[str, str], content: str) -> None:
    """What cannot be guessed can be said."""
    assert read_all(path, content, Layout(default_tenant=Tenant("acme"), columns=columns)) == [SPAM_AT_11]


NOVEMBER = "2026-11-01"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-03-02T11:00:00.5Z", at("11:00") + timedelta(seconds=0.5), id="a fraction"),
        pytest.param("2026-03-02T12:00:00+01:00", at("11:00"), id="an offset"),
        pytest.param("20260302T110000Z", at("11:00"), id="the short form of ISO 8601"),
        pytest.param("2026-03-02 11:00:00 GMT", at("11:00"), id="as alerter itself shows it"),
        pytest.param("1772449200", at("11:00"), id="seconds"),
        pytest.param("1772449200.25", at("11:00") + timedelta(seconds=0.25), id="seconds with a fraction"),
        pytest.param("1772449200250", at("11:00") + timedelta(seconds=0.25), id="milliseconds"),
        pytest.param("1772449200250000", at("11:00") + timedelta(seconds=0.25), id="microseconds"),
        pytest.param("1772449200250000000", at("11:00") + timedelta(seconds=0.25), id="nanoseconds"),
        pytest.param("2025-07-01 12:00", datetime(2025, 7, 1, 11, tzinfo=NOON.tzinfo), id="a place's summer"),
        pytest.param("2025-07-01", datetime(2025, 6, 30, 23, tzinfo=NOON.tzinfo), id="a date is its midnight"),
    ],
)
def test_times_are_understood(path: Path, text: str, expected: datetime) -> None:
    """ISO 8601, with an offset or on the clocks of a place, and numbers since 1970."""
    found = read_all(path, f"time,reason,held\n{text},Spam,7\n", how=values(zone="Europe/London"))

    assert found == [("acme", "Spam", expected, 7)]


def test_another_form_of_time_can_be_named(path: Path) -> None:
    """What 02/03 means only its writer knows."""
    found = read_all(path, "time,reason,held\n02/03/2026 11:00,Spam,7\n", how=values(time_format="%d/%m/%Y %H:%M"))

    assert found == [SPAM_AT_11]


def test_an_hour_that_occurs_twice_is_read_in_the_order_of_the_file(path: Path) -> None:
    """When clocks are set back, a time that would be earlier than the line before it is the second one."""
    clocks = ("00:30", "01:30", "01:00", "01:30", "02:00")
    content = "time,reason,held\n" + "".join(f"2025-10-26 {clock},Spam,7\n" for clock in clocks)

    found = read_all(path, content, how=values(zone="Europe/London"))

    begin = datetime(2025, 10, 25, 23, 30, tzinfo=NOON.tzinfo)
    assert [each[2] - begin for each in found if isinstance(each, tuple)] == [
        timedelta(minutes=number) for number in (0, 60, 90, 120, 150)
    ]


HEAD = "time,tenant,reason,held\n"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param(
            "2026-03-02 11:00,acme,Spam,-1",
            "2: held: expected a whole number of messages, from 0 to 2^53, found '-1'",
            id="a negative count",
        ),
        pytest.param("2026-03-02 11:00,acme,Spam,1.5", "found '1.5'", id="a fraction"),
        pytest.param("2026-03-02 11:00,acme,Spam,9007199254740993", "found 9007199254740993", id="more than is exact"),
        pytest.param("2026-03-02 11:00,acme,Spam,", "found nothing", id="no count"),
        pytest.param(
            "2026-03-02 11:00,acme,Spam,7,8",
            "expected 4 cells, as in the first line, found 5: a name with a ','",
            id="a cell too many",
        ),
        pytest.param(
            "2026-03-02 11:00,acme,Spam", "expected 4 cells, as in the first line, found 3", id="a cell too few"
        ),
        pytest.param("2026-03-02 12:01,acme,Spam,7", "2: time: expected a time that has been", id="the future"),
        pytest.param(
            "1999-03-02 12:01,acme,Spam,7", "2: time: expected a time since 2000", id="before there was Mimecast"
        ),
        pytest.param("0001-01-01T00:00+14:00,acme,Spam,7", "expected a time since 2000", id="before there was time"),
        pytest.param("02/03/2026,acme,Spam,7", "give --time-format", id="a time of another form"),
        pytest.param(",acme,Spam,7", "2: time: expected a time such as", id="no time"),
        pytest.param(
            f"2026-03-02 11:00,acme,{'x' * 1001},7",
            "2: reason: expected a name of 1000 characters at most",
            id="a reason that is too long",
        ),
        pytest.param(
            "2026-03-02 11:00,acme,a\0b,7", "found a NUL or half a character", id="a reason that cannot be stored"
        ),
        pytest.param(
            "2026-03-02 11:00,a b,Spam,7",
            "2: tenant: expected a name without spaces, found 'a b'",
            id="no tenant's name",
        ),
        pytest.param(
            '2026-03-02 11:00,acme,"Spam,7', "expected CSV, found an error", id="a quote that is never closed"
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(path: Path, row: str, expected: str) -> None:
    """Each problem says where it is, what was found and what was expected; the other lines are read all the same."""
    good = "2026-03-02 11:00,acme,Spam,7\n"

    *_, problem = read_all(path, f"{HEAD}{row}\n")
    around = read_all(path, f"{HEAD}{row}\n{good}") if '"' not in row else [problem, SPAM_AT_11]

    assert expected in str(problem)
    assert str(problem).startswith("2: ")
    assert around == [problem, SPAM_AT_11]


def test_a_time_that_clocks_skipped_is_refused(path: Path) -> None:
    """Whoever writes the clocks of that place never writes it."""
    (problem,) = read_all(path, "time,reason,held\n2025-03-30 01:30,Spam,7\n", how=values(zone="Europe/London"))

    assert "there is no '2025-03-30 01:30' in Europe/London" in str(problem)
    assert "--timezone" in str(problem)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("", "1: expected columns separated by", id="an empty file"),
        pytest.param(
            "time\n1\n", "1: expected columns separated by ',', ';', a tab or '|', found none", id="one column"
        ),
        pytest.param(
            "a,b\n1,2\n",
            "found 'a', 'b'; name those that are missing: --column time=NAME --column reason=NAME",
            id="unknown names",
        ),
        pytest.param(
            "2026-03-02,Spam,7\n",
            "found a row; say which column holds time, reason and held, such as --column time=1 --column reason=2",
            id="no names",
        ),
        pytest.param("[{}]\n", "1: expected one JSON object on each line, found a list", id="a JSON list"),
        pytest.param("{\n", "1: expected one JSON object on each line, found an error", id="JSON over several lines"),
        pytest.param(
            '{"a":' * 60_000,
            "1: expected one JSON object on each line, found a line without an end",
            id="a line without an end",
        ),
        pytest.param(
            '{"a":' * 20_000,
            "1: expected one JSON object on each line, found one that is nested too deeply",
            id="a bottomless line",
        ),
        pytest.param(
            '{"time": 1, "reason": "Spam"}',
            "1: expected columns for time, reason and held, found 'time', 'reason'",
            id="a key is missing",
        ),
        pytest.param(
            '{"time": true, "reason": "Spam", "held": 1}', "1: time: expected a time such as", id="true is no time"
        ),
        pytest.param(
            '{"time": 1772449200, "reason": 5, "held": 1}',
            "1: reason: expected the name of a hold reason, found 5",
            id="a number is no name",
        ),
        pytest.param('{"time": 1772449200, "reason": "S", "held": true}', "found true or false", id="true is no count"),
        pytest.param('{"time": 1772449200, "reason": "\\ud800", "held": 1}', "half a character", id="half a character"),
        pytest.param(
            '{"time": 1772449200, "tenant": 5, "reason": "S", "held": 1}',
            "1: tenant: expected the name of a tenant, found 5",
            id="a number is no tenant",
        ),
    ],
)
def test_a_file_that_is_something_else_is_refused(path: Path, content: str, expected: str) -> None:
    """It says what was expected, and what to do."""
    problem, *_ = read_all(path, content)

    assert expected in str(problem)


def test_a_file_that_is_not_there_is_a_problem_like_any_other(tmp_path: Path) -> None:
    """It has no line."""
    (problem,) = read(str(tmp_path / "nothing.csv"), OF_ACME, values())

    assert str(problem) == f"{tmp_path}/nothing.csv: cannot be read: no such file or directory"


def test_a_file_can_come_from_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` is standard input."""
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(b"time,reason,held\n2026-03-02 11:00,Spam,7\n")))

    assert [each[0] for each in read("-", OF_ACME, values()) if not isinstance(each, Problem)] == [2]


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        pytest.param(OF_ACME, [("A1", "Spam", at("11:00"), 7), ("B2", "Spam", at("11:00"), 7)], id="as the file says"),
        pytest.param(
            Layout(tenant=Tenant("legacy")),
            [
                ("legacy", "Spam", at("11:00"), 7),
                "3: account: --tenant is for one tenant, expected 'A1', found 'B2'",
            ],
            id="as the user says, for one of them",
        ),
    ],
)
def test_whose_the_readings_are(path: Path, layout: Layout, expected: list[object]) -> None:
    """A column says it, unless `--tenant` does; that never throws two tenants together."""
    content = "time,account,policy,count\n2026-03-02 11:00,A1,Spam,7\n2026-03-02 11:00,B2,Spam,7\n"

    assert read_all(path, content, layout) == expected


def test_with_several_tenants_a_file_must_say_whose_it_is(path: Path) -> None:
    """Nothing is guessed."""
    (problem,) = read_all(path, "time,reason,held\n2026-03-02 11:00,Spam,7\n", Layout())

    assert "expected columns for time, tenant, reason and held" in str(problem)


OWN = "record,tenant,reason,at,until,held,polls\n"


def test_records_are_known_by_their_column(path: Path) -> None:
    """Files of alerter's own need no word about columns."""
    content = OWN + (
        "seen,acme,Spam,2026-03-02T10:00:00Z,,,\n"
        "held,acme,Spam,2026-03-02T10:00:00Z,,5,\n"
        "polled,acme,,2026-03-02T10:00:00Z,2026-03-02T11:00:00Z,,13\n"
        "change,acme,Spam,2026-03-02T11:00:00.000001Z,,7,\n"
    )

    seen, held, polled, change = read_all(path, content)

    assert isinstance(seen, FirstSeen)
    assert isinstance(held, Held)
    assert isinstance(polled, Polled)
    assert (polled.since, polled.until, polled.polls) == (at("10:00"), at("11:00"), 13)
    assert isinstance(change, Change)
    assert change.at == at("11:00") + timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param(
            "told,acme,Spam,2026-03-02T10:00:00Z,,,",
            "expected 'seen', 'held', 'polled', 'change', found 'told'; a newer alerter",
            id="another kind",
        ),
        pytest.param(
            "polled,acme,,2026-03-02T11:00:00Z,2026-03-02T10:00:00Z,,13",
            "2: until: expected an end that is not before 'at'",
            id="an end before its beginning",
        ),
        pytest.param(
            "polled,acme,,2026-03-02T10:00:00Z,2026-03-02T10:00:00Z,,0",
            "2: polls: expected at least 1 poll, found 0",
            id="no poll",
        ),
        pytest.param(
            "change,legacy,Spam,2026-03-02T10:00:00Z,,1,",
            "2: tenant: expected 'acme', as --tenant says, found 'legacy'",
            id="another tenant's",
        ),
    ],
)
def test_a_record_that_cannot_be_is_refused(path: Path, row: str, expected: str) -> None:
    """As with readings, each problem has its line and its column."""
    (problem,) = read_all(path, f"{OWN}{row}\n", Layout(tenant=Tenant("acme")))

    assert expected in str(problem)


def test_records_without_one_of_their_columns_are_refused(path: Path) -> None:
    """Without `until` nobody would know what was polled."""
    (problem,) = read_all(path, "record,tenant,reason,at,held,polls\nseen,acme,Spam,2026-03-02T10:00:00Z,,\n")

    assert "found none for 'until'" in str(problem)


def test_the_form_of_a_file_can_be_named(path: Path) -> None:
    """A CSV file may begin with a brace."""
    layout = Layout(default_tenant=Tenant("acme"), file_format=FileFormat.CSV, columns={"time": "{t}"})

    assert read_all(path, "{t},reason,held\n2026-03-02 11:00,Spam,7\n", layout) == [SPAM_AT_11]
