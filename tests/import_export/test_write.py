"""What is written can be read by people, spreadsheets, and alerter itself."""

import json
from datetime import timedelta
from io import StringIO
from zoneinfo import ZoneInfo

import pytest

from alerter.core.history_records import (
    CountRecord,
    FailedPolls,
    FirstSeen,
    ImportedSample,
    InitialCount,
    PollRange,
    Record,
)
from alerter.core.series import HoldReason, Tenant
from alerter.errors import Cause
from alerter.import_export import FileFormat, write_partial_mark, write_records, write_samples
from tests.builders import NOON, at

ACME, REASON = Tenant("acme"), HoldReason("=Ω, x")
RECORDS: list[Record] = [
    FirstSeen(tenant=ACME, reason=REASON, at=at("10:00")),
    InitialCount(tenant=ACME, reason=REASON, at=at("10:00"), held=5),
    PollRange(tenant=ACME, since=at("10:00"), until=at("11:00"), polls=13),
    PollRange.of(ACME, [at("11:30"), at("11:35") - timedelta(microseconds=1), at("11:40")]),
    FailedPolls(polled=PollRange.of(ACME, [at("11:15"), at("11:20")]), cause=Cause.DNS, detail="=no, none"),
    CountRecord(tenant=ACME, reason=REASON, at=at("11:00"), held=7),
]


def test_records_as_csv() -> None:
    """One row per record, under one line of names."""
    stream = StringIO()

    number = write_records(RECORDS, stream, FileFormat.CSV)

    assert number == 6
    assert stream.getvalue().splitlines() == [
        "record,tenant,reason,at,until,held,polls,steps,cause,detail",
        'seen,acme,"\'=Ω, x",2026-03-02T10:00:00Z,,,,,,',
        'held,acme,"\'=Ω, x",2026-03-02T10:00:00Z,,5,,,,',
        "polled,acme,,2026-03-02T10:00:00Z,2026-03-02T11:00:00Z,,13,,,",
        "polled,acme,,2026-03-02T11:30:00Z,2026-03-02T11:40:00Z,,3,299.999999 300.000001,,",
        'failed,acme,,2026-03-02T11:15:00Z,2026-03-02T11:20:00Z,,2,,dns,"\'=no, none"',
        'change,acme,"\'=Ω, x",2026-03-02T11:00:00Z,,7,,,,',
    ]


def test_records_as_json_lines() -> None:
    """The same names as keys; text needs no guard there."""
    stream = StringIO()

    write_records(RECORDS, stream, FileFormat.JSONL)

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["record"] for line in lines] == ["seen", "held", "polled", "polled", "failed", "change"]
    assert lines[5] == {
        "record": "change",
        "tenant": "acme",
        "reason": "=Ω, x",
        "at": "2026-03-02T11:00:00Z",
        "held": 7,
    }


def test_readings_are_for_people() -> None:
    """In CSV times are those of a place, with its offset; in JSON Lines they are UTC."""
    reading = ImportedSample(tenant=ACME, reason=HoldReason("Spam"), at=NOON, held=7)
    csv, jsonl = StringIO(), StringIO()

    write_samples([reading], csv, FileFormat.CSV, timezone=ZoneInfo("Asia/Tokyo"))
    write_samples([reading], jsonl, FileFormat.JSONL, timezone=ZoneInfo("Asia/Tokyo"))

    assert csv.getvalue() == "time,tenant,reason,held\n2026-03-02 21:00:00+09:00,acme,Spam,7\n"
    assert json.loads(jsonl.getvalue())["time"] == "2026-03-02T12:00:00Z"


@pytest.mark.parametrize("form", FileFormat)
def test_what_is_only_a_part_says_so_at_its_beginning(form: FileFormat) -> None:
    """An import must not take the hold reasons that were left out for 0."""
    stream = StringIO()

    write_partial_mark(stream, form)

    assert stream.getvalue() in {
        "# some hold reasons only: for looking at, not for `alerter import`\n", '{"record":"partial"}\n'
    }  # fmt: skip
