"""Whatever a file of an import is, it is read as it says or refused cleanly, within bounds of time and memory."""

import csv
import json
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from time import process_time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alerter.config.types import checked_name
from alerter.core.history_records import MAX_COUNT, CountRecord, ImportedSample
from alerter.core.import_merge import ImportedHistory
from alerter.core.series import NO_REASON, HoldReason, Tenant
from alerter.errors import InputError, Problem
from alerter.import_export import FileFormat, FileOptions, ValueParser, read, write_records, write_samples
from alerter.import_export.cells import escape_formula
from alerter.import_export.write import RECORD_COLUMNS
from alerter.jobs.import_staging import ImportStaging
from tests.bounded import bounded
from tests.builders import NOON

FILES = settings(max_examples=300)


def imported(
    path: Path, *, layout: FileOptions | None = None, zone: str | None = None, seconds: float = 5
) -> list[ImportedHistory] | InputError:
    """Return what a file says, or why it is refused, in a bounded time."""
    values = ValueParser(timezone=ZoneInfo(zone) if zone else None, check_tenant=checked_name, now=NOON)
    staging = ImportStaging()
    with bounded(seconds):
        staging.read(str(path), read(str(path), layout or FileOptions(default_tenant=Tenant("acme")), values))
        try:
            return staging.validate(interval=None)
        except InputError as error:
            return error


def assert_sound(found: list[ImportedHistory] | InputError) -> None:
    """Check that a refusal says what is wrong, and that what is imported can be."""
    if isinstance(found, InputError):
        assert found.count >= len(found.problems) > 0
        assert all(len(problem.text) < 6_000 for problem in found.problems)
        return
    for each in found:
        assert list(each.at) == sorted(each.at)
        assert all(0 <= held <= MAX_COUNT for held in each.held)
        assert all(run.since <= run.until and run.polls >= 1 for run in each.runs)
        assert all(any(run.since <= at <= run.until for run in each.runs) for at in each.at)


_WORDS = [
    b"time,tenant,reason,count\n",
    b"time,reason,held\n",
    b"record,tenant,reason,at,until,held,polls\n",
    b"acme",
    b"Spam",
    b"2026-03-01T11:00:00Z",
    b"2026-03-01 11:05+01:00",
    b"2026-03-01T11:10",
    b"7",
    b"7.0",
    b"1,234",
    b"99999999999999999999",
    b"1e999",
    b"-1",
    b",",
    b",",
    b",",
    b";",
    b"\t",
    b'"',
    b'"',
    b"\n",
    b"\n",
    b"\r",
    b"\r\n",
    b"\0",
    b"#",
    b"#TYPE\n",
    b"sep=;\n",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xff",
    b"\xed\xa0\x80",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b'"record":"seen"',
    b'"time"',
    b'"held":7',
    b'"tenant":"acme"',
    b'"reason":"\\ud800"',
    b"NaN",
    b"null",
    b"\\",
    b"20.11.2026 10:00",
    b"1795168800",
    b"Time",
    b"polled",
    b"change",
    b"seen",
    b"Nov 20, 2026 @ 10:00:00.000",
    b"46346.41",
]
_TEXT = st.lists(st.one_of(st.sampled_from(_WORDS), st.binary(max_size=4)), max_size=40).map(b"".join)


@FILES
@given(
    content=st.one_of(_TEXT, st.binary(max_size=300), _TEXT.map(lambda text: text.decode("latin-1").encode("utf-16")))
)
@example(content=b"")
@example(content=b'time,reason,count\n"')
@example(content=b"\xef\xbb\xbf")
@example(content=b"#" * 200)
@example(content=b"{}")
@example(content=b'{"record":null}')
def test_any_bytes_are_imported_or_refused(tmp_path: Path, content: bytes) -> None:
    """Never an exception, never a history that cannot be."""
    path = tmp_path / "file"
    path.write_bytes(content)

    assert_sound(imported(path))
    assert_sound(imported(path, zone="Europe/London"))
    assert_sound(
        imported(path, layout=FileOptions(tenant=Tenant("acme"), columns={"time": "Time", "held": "7", "reason": "a"}))
    )


_ODD: st.SearchStrategy[object] = st.sampled_from(
    [
        None,
        "",
        "Spam",
        0,
        1,
        3,
        -1,
        2**53,
        10**300,
        1.5,
        True,
        [],
        {},
        "1",
        "300 300",
        "9" * 400,
        "2026-03-01T11:00:00Z",
    ]
)
_INSTANTS = st.integers(0, 20).map(lambda number: f"2026-03-01T11:{number:02}:00Z")
_RECORDS = st.fixed_dictionaries(
    {"record": st.sampled_from(["seen", "held", "polled", "change"]), "tenant": st.sampled_from(["acme", "b"])},
    optional={
        "reason": st.sampled_from(["Spam", "Virus"]) | _ODD,
        "at": _INSTANTS | _ODD,
        "until": _INSTANTS | _ODD,
        "held": st.integers(0, 3) | _ODD,
        "polls": st.integers(1, 3) | _ODD,
        "steps": st.sampled_from(["60", "60 60", "120 60"]) | _ODD,
    },
)


@FILES
@given(records=st.lists(_RECORDS, min_size=1, max_size=12), form=st.sampled_from(FileFormat))
def test_any_records_are_imported_or_refused(
    tmp_path: Path, records: list[dict[str, object]], form: FileFormat
) -> None:
    """What was edited by hand is either a history or no import."""
    path = tmp_path / "export"
    if form is FileFormat.JSONL:
        path.write_text("\n".join(map(json.dumps, records)))
    else:
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, RECORD_COLUMNS)
            writer.writeheader()
            writer.writerows(records)

    assert_sound(imported(path))


_NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
_ROWS = st.dictionaries(
    st.tuples(st.integers(0, 50), st.sampled_from(["acme", "b.2"]), _NAMES), st.integers(0, MAX_COUNT), max_size=20
)


def readings_in(path: Path) -> Iterator[ImportedSample]:
    """Yield the readings of a file without any problem."""
    values = ValueParser(check_tenant=checked_name, now=NOON)
    for each in read(str(path), FileOptions(), values):
        assert not isinstance(each, Problem), each
        assert isinstance(each[1], ImportedSample)
        yield each[1]


def _time(number: int) -> str:
    zone = UTC if number % 2 else ZoneInfo("Asia/Tokyo")
    return (NOON - timedelta(minutes=number)).astimezone(zone).isoformat(sep=" " if number % 3 else "T")


@FILES
@given(rows=_ROWS, end=st.sampled_from(["\n", "\r\n", "\r"]))
def test_csv_is_read_as_it_was_written(tmp_path: Path, rows: dict[tuple[int, str, str], int], end: str) -> None:
    """Whatever names hold, and however lines end."""
    stream = StringIO(newline="")
    writer = csv.writer(stream, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["time", "tenant", "reason", "count"])
    writer.writerows(
        [_time(number), tenant, escape_formula(name), held] for (number, tenant, name), held in rows.items()
    )
    path = tmp_path / "counts.csv"
    path.write_bytes(stream.getvalue().encode())

    found = [(each.at, each.tenant, each.reason or "", each.held) for each in readings_in(path)]

    assert found == expected(rows)


@FILES
@given(rows=_ROWS, ascii_=st.booleans(), end=st.sampled_from(["\n", "\r\n"]))
def test_json_lines_are_read_as_they_were_written(
    tmp_path: Path, rows: dict[tuple[int, str, str], int], *, ascii_: bool, end: str
) -> None:
    """With and without escapes."""
    keys = ("time", "tenant", "reason", "held")
    lines = [
        json.dumps(dict(zip(keys, (_time(number), tenant, name, held), strict=True)), ensure_ascii=ascii_)
        for (number, tenant, name), held in rows.items()
    ]
    path = tmp_path / "counts.jsonl"
    path.write_bytes(f"{end}".join(lines).encode())

    found = [(each.at, each.tenant, each.reason or "", each.held) for each in readings_in(path)] if lines else []

    assert found == expected(rows)


@FILES
@example(rows={(0, "acme", "'@"): 0}, form=FileFormat.JSONL, zone="UTC")
@example(rows={(0, "acme", "'=1"): 3}, form=FileFormat.CSV, zone="UTC")
@given(rows=_ROWS, form=st.sampled_from(FileFormat), zone=st.sampled_from(["UTC", "Asia/Kathmandu"]))
def test_what_is_exported_is_read_as_it_was(
    tmp_path: Path, rows: dict[tuple[int, str, str], int], form: FileFormat, zone: str
) -> None:
    """Whatever characters a hold reason has, in both forms, records and counts."""
    counts = [
        ImportedSample(tenant=Tenant(t), reason=HoldReason(r), at=NOON - timedelta(minutes=n), held=held)
        for (n, t, r), held in rows.items()
    ]
    changes = [
        CountRecord(tenant=each.tenant, reason=HoldReason(each.reason or ""), at=each.at, held=each.held)
        for each in counts
    ]
    path = tmp_path / "export"
    with path.open("w", encoding="utf-8", newline="") as stream:
        write_samples(counts, stream, form, timezone=ZoneInfo(zone))

    found = [(each.at, each.tenant, each.reason or "", each.held) for each in readings_in(path)] if rows else []

    assert found == expected(rows)
    with path.open("w", encoding="utf-8", newline="") as stream:
        write_records(changes, stream, form)
    values = ValueParser(check_tenant=checked_name, now=NOON)
    read_again = [each[1] for each in read(str(path), FileOptions(), values) if not isinstance(each, Problem)]
    assert read_again == [
        replace(each, reason=each.reason if each.reason.strip() else NO_REASON) for each in changes if rows
    ]


def expected(rows: dict[tuple[int, str, str], int]) -> list[tuple[datetime, str, str, int]]:
    """Return rows as they are read: a blank name is that of mail without a reason, or of a poll that found nothing."""
    return [
        (NOON - timedelta(minutes=number), tenant, name if name.strip() else str(NO_REASON) if held else "", held)
        for (number, tenant, name), held in rows.items()
    ]


def _file(*parts: tuple[bytes, int]) -> Sequence[tuple[bytes, int]]:
    return parts


HEAD = (b"time,reason,count\n", 1)


@pytest.mark.uncounted
@pytest.mark.parametrize(
    ("parts", "said"),
    [
        pytest.param(_file(HEAD, (b"x" * 1_000, 100_000)), "rows of 131,072 characters", id="a row of 100 MB"),
        pytest.param(_file((b"x" * 1_000, 100_000)), "rows of 131,072 characters", id="names of columns of 100 MB"),
        pytest.param(_file(HEAD, (b",", 1_000_000)), "rows of 131,072 characters", id="a million cells"),
        pytest.param(_file((b"a,", 60_000), (b"\n", 1)), "and 59989 more", id="60,000 columns"),
        pytest.param(_file(HEAD, (b'"', 1), (b"x\n", 5_000_000)), "a quote is not closed", id="a quote without an end"),
        pytest.param(
            _file(HEAD, (b'"a\n', 1), (b'","a\n', 1_000_000)),
            "rows of 131,072 characters",
            id="a row of many quoted lines",
        ),
        pytest.param(_file(HEAD, (b'"a"b\n', 30_000)), "30,000 problems", id="30,000 wrong quotes"),
        pytest.param(_file(HEAD, (b"2026-03-01T11:00Z,Spam,x\n", 30_000)), "30,000 problems", id="wrong counts"),
        pytest.param(_file(HEAD, (b"20.11.2026 10:00,Spam,1\n", 30_000)), "30,000 problems", id="wrong dates"),
        pytest.param(
            _file(HEAD, (b"2026-03-01T11:00Z,Spam,1\n", 30_000)), "29,999 problems", id="one row again and again"
        ),
        pytest.param(_file(HEAD, (b"\n", 200_000)), "expected history, found none", id="200,000 empty lines"),
        pytest.param(_file(HEAD, (b"\r", 200_000)), "expected history, found none", id="the same of an old Mac"),
        pytest.param(_file((b"#\n", 500_000)), "found an empty file", id="nothing but comments"),
        pytest.param(_file((b"\0", 50_000_000)), "found no text", id="50 MB of zeros"),
        pytest.param(_file(HEAD, (b"\xff", 50_000_000)), "another encoding", id="50 MB of other bytes"),
        pytest.param(_file((b'{"a":', 10_000_000)), "JSON of another tool", id="JSON of 50 MB without an end"),
        pytest.param(_file((b'{"record":"seen"}\n', 1), (b"[", 90_000)), "nested too deeply", id="a bottomless list"),
        pytest.param(
            _file((b'{"record":"seen","at":', 1), (b"9", 100_000), (b"}\n", 1)), "found JSON", id="a huge number"
        ),
        pytest.param(_file((b'{"record":"seen"}\n', 30_000)), "30,000 problems", id="30,000 empty records"),
        pytest.param(_file((b"[1,", 10_000_000)), "JSON of another tool", id="a list without an end"),
    ],
)
def test_a_hostile_file_takes_little_time_and_memory(
    tmp_path: Path, parts: Sequence[tuple[bytes, int]], said: str
) -> None:
    """Nobody's import hangs, or is killed for its memory."""
    path = tmp_path / "file"
    with path.open("wb") as stream:
        for part, number in parts:
            stream.write(part * number)
    tracemalloc.start()

    found = imported(path, seconds=60)  # tracing takes most of it

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert isinstance(found, InputError)
    assert said in f"{found} {found.count:,} problems"
    assert peak < 40_000_000


@pytest.mark.uncounted
@pytest.mark.parametrize("reasons", [1, 2, 10_000])
def test_time_grows_with_the_length_of_a_file(tmp_path: Path, reasons: int) -> None:
    """However many reasons there are: twice the rows take about twice the time."""

    def seconds(rows: int) -> float:
        path = tmp_path / f"{rows}.csv"
        with path.open("w") as stream:
            stream.write("time,reason,count\n")
            for number in range(rows):
                at = NOON - timedelta(seconds=10 * number)
                stream.write(f"{at:%Y-%m-%dT%H:%M:%SZ},Reason {number % reasons},{number % 7}\n")
        begun = process_time()
        assert_sound(imported(path, seconds=60))
        return process_time() - begun

    short, long = (min(seconds(rows) for _ in range(2)) for rows in (10_000, 20_000))

    assert long < 3.5 * short + 0.2
