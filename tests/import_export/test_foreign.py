"""Files of other tools are refused by the name of what they are, and the line that the error prints converts them.

The files in `cases` are what people have. Each line is run by a shell as it is printed, and what it writes is imported.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from alerter.core.history_records import ImportedSample
from alerter.core.series import Tenant
from alerter.errors import Problem
from alerter.import_export import FileOptions, ValueParser, read
from tests.builders import NOON, minutes

CASES = Path(__file__).parent / "cases"
NOW = NOON + minutes(500_000)
MIMECAST = {"reason": "policyInfo", "held": "numberOfItems"}

#: Each reading as clock, reason and count.
Found = list[tuple[str, str | None, int]]
SPAM_7_9: Found = [("10:00", "Spam", 7), ("10:05", "Spam", 9)]


def found_in(path: str | Path, columns: Mapping[str, str]) -> list[ImportedSample | Problem]:
    """Return the readings of a file, and its problems."""
    values = ValueParser(timezone=ZoneInfo("UTC"), check_tenant=str, now=NOW)
    layout = FileOptions(default_tenant=Tenant("acme"), columns=columns)
    return [each if isinstance(each, Problem) else each[1] for each in read(str(path), layout, values)]  # type: ignore[misc] # readings only


def counts(found: Sequence[object]) -> Found:
    """Return readings in short."""
    assert not [each for each in found if isinstance(each, Problem)]
    return [(f"{each.at:%H:%M}", each.reason, each.held) for each in found if isinstance(each, ImportedSample)]


def converted(
    name: str,
    folder: Path,
    names: Sequence[str],
    *,
    columns: Mapping[str, str] | None = None,
    variables: str = "",
    choice: str = "",
) -> Found:
    """Return what is imported from a case after all lines that errors print for it.

    Args:
        name: The case.
        folder: Where to work.
        names: What the errors call the file, one after the other.
        columns: Which columns to name.
        variables: What the shell is told before each line.
        choice: Of several lines, the one for which this is said.
    """
    path = Path(shutil.copy(str(CASES / name), folder))
    for called in names:
        problem = found_in(path, columns or {})[0]
        assert isinstance(problem, Problem)
        assert called in problem.text
        line = re.search(rf"{choice}this line converts it: (.*?)(?:; if |$)", problem.text)
        assert line is not None
        subprocess.run(["/bin/sh", "-c", f"{variables}\n{line[1]}"], cwd=folder, check=True)
        path = folder / line[1].rsplit("> ", 1)[1]
    return counts(found_in(path, columns or {}))


WIDE = "found a wide table from Grafana: one column for each hold reason; expected what `alerter export` writes, or CSV"
WIDE_FULL: Found = [
    ("10:00", "Spam Scanning", 7),
    ("10:00", "Graymail", 120),
    ("10:05", "Spam Scanning", 9),
    ("10:05", "Graymail", 119),
    ("10:10", "Spam Scanning", 11),
    ("10:10", "Graymail", 118),
]
BOTH: Found = [("10:00", "Spam", 7), ("10:05", "Spam", 9), ("10:00", "Graymail", 120), ("10:05", "Graymail", 118)]


@pytest.mark.parametrize(
    ("name", "names", "expected"),
    [
        pytest.param("grafana-wide-full.csv", [WIDE], WIDE_FULL, id="Grafana's wide table"),
        pytest.param(
            "grafana-wide.csv",
            [WIDE],
            [each for each in WIDE_FULL if each[0] != "10:05"],
            id="one with an empty cell: that poll is unknown, and no 0",
        ),
        pytest.param(
            "grafana-excel-one-series.csv",
            ["found CSV for Excel, with a first line that names its separator", "found a wide table from Grafana"],
            SPAM_7_9,
            id="Grafana's file for Excel, with a series as Prometheus names it",
        ),
        pytest.param("prometheus-range.json", ["found an answer of Prometheus's query API"], BOTH, id="Prometheus"),
        pytest.param(
            "prtg.csv", ["found a table from PRTG: one column for each channel"], SPAM_7_9, id="PRTG's wide table"
        ),
        pytest.param(
            "kibana.csv", ["found a table from Kibana"], [("10:00", "Spam", 1234)], id="Kibana's table, with its dates"
        ),
        pytest.param(
            "raw-mimecast.jsonl", ["found answers of Mimecast as they came"], [("10:00", "Spam", 7)], id="raw answers"
        ),
    ],
)
def test_a_table_of_another_tool_is_converted_by_its_line(
    tmp_path: Path, name: str, names: Sequence[str], expected: Found
) -> None:
    """Nothing but the printed line is needed."""
    assert converted(name, tmp_path, names) == expected


@pytest.mark.parametrize(
    ("name", "names", "columns", "expected"),
    [
        pytest.param(
            "influx-annotated.csv",
            ["found InfluxDB's annotated CSV"],
            {"time": "_time", "held": "_value"},
            SPAM_7_9,
            id="InfluxDB",
        ),
        pytest.param("pretty-list.json", ["found one JSON list of all rows"], MIMECAST, SPAM_7_9, id="a JSON list"),
        pytest.param(
            "utf16-no-bom.csv",
            ["found UTF-16 text without a mark"],
            {"time": "timestamp", **MIMECAST},
            SPAM_7_9,
            id="UTF-16 without a mark",
        ),
        pytest.param(
            "date-command.csv",
            ["as the command `date` prints it"],
            {"time": "timestamp", **MIMECAST},
            [("10:00", "Spam", 7)],
            id="dates as `date` prints them",
        ),
        pytest.param(
            "excel-us-thousands.csv",
            ["if 1,234 is 1234 messages"],
            {},
            [("10:00", "Spam", 1234), ("10:05", "Spam", 1240)],
            id="thousands",
        ),
        pytest.param(
            "offset-no-colon.csv",
            [],
            {"time": "timestamp", **MIMECAST},
            [("15:00", "Spam", 7), ("15:05", "Spam", 9)],
            id="an offset without a colon is read",
        ),
        pytest.param("splunk-timechart.csv", [], {"time": "_time"}, SPAM_7_9, id="Splunk's table is read"),
        pytest.param("pandas-float.csv", [], {}, SPAM_7_9, id="whole numbers as pandas writes them are read"),
        pytest.param("powershell51.csv", [], {"time": "Timestamp", **MIMECAST}, SPAM_7_9, id="a #TYPE line is skipped"),
    ],
)
def test_what_has_all_it_needs_is_read_once_its_columns_are_named(
    tmp_path: Path, name: str, names: Sequence[str], columns: Mapping[str, str], expected: Found
) -> None:
    """Perhaps after a line that converts a habit of its writer."""
    assert converted(name, tmp_path, names, columns=columns) == expected


@pytest.mark.parametrize(
    ("name", "names", "columns", "choice", "variables", "expected"),
    [
        pytest.param(
            "excel-us.csv",
            ["a date whose month may be"],
            {"time": "Date Time", "reason": "Reason", "held": "Count"},
            "if the month comes first, ",
            "",
            [("14:05", "Spam", 7), ("14:10", "Spam", 9)],
            id="an American date",
        ),
        pytest.param(
            "powershell51-utf16.csv",
            ["found UTF-16 text, as PowerShell and Excel write it", "a date whose month may be"],
            {"time": "Timestamp", **MIMECAST},
            "(?:if the day comes first, )?",
            "",
            [("10:00", "Spam", 7)],
            id="a British date in UTF-16",
        ),
        pytest.param(
            "excel-de.csv",
            ["a table with semicolons between its columns", "a date whose month may be", "a count with"],
            {"time": "Datum", "reason": "Richtlinie", "held": "Anzahl"},
            "(?:if [^,;]*, )?",
            "",
            [("10:00", "Spam", 1234), ("10:05", "Spam", 1240)],
            id="a German one",
        ),
        pytest.param(
            "excel-serial.csv",
            ["the number of a day, as spreadsheets keep dates"],
            {},
            "if it is from Excel, ",
            "",
            SPAM_7_9,
            id="numbers of days",
        ),
        pytest.param(
            "est.csv",
            ["a time with the name 'EST' in place of an offset"],
            {"time": "timestamp", **MIMECAST},
            "",
            "OFFSET=-05:00",
            [("15:00", "Spam", 7)],
            id="the name of a time zone",
        ),
        pytest.param(
            "zabbix-history.json",
            ["found a history from Zabbix's API, which has no names of hold reasons"],
            {},
            "",
            "REASON='It''s spam'",
            [("10:00", "Its spam", 7), ("10:05", "Its spam", 9)],
            id="Zabbix",
        ),
    ],
)
def test_what_can_be_misread_is_the_users_choice(  # noqa: PLR0917 - a table
    tmp_path: Path, name: str, names: list[str], columns: dict[str, str], choice: str, variables: str, expected: Found
) -> None:
    """Each meaning has its line, or a variable of the shell that must be set."""
    assert converted(name, tmp_path, names, columns=columns, choice=choice, variables=variables) == expected


@pytest.mark.parametrize("name", ["est.csv", "zabbix-history.json"])
def test_a_line_that_needs_a_word_of_the_user_does_nothing_without_it(tmp_path: Path, name: str) -> None:
    """Pasted as it is, it says what to set."""
    problem = found_in(shutil.copy(str(CASES / name), tmp_path), {})[0]
    assert isinstance(problem, Problem)
    line = problem.text.split("this line converts it: ")[1]

    ran = subprocess.run(["/bin/sh", "-c", line], cwd=tmp_path, check=False, capture_output=True, text=True)

    assert ran.returncode != 0
    assert ": set " in ran.stderr


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        pytest.param(b"\x1f\x8b\x08\x00", "a file that gzip compressed; expected", id="gzip"),
        pytest.param(b"PK\x03\x04", "a ZIP archive or an Excel workbook: save the sheet as CSV UTF-8", id="Excel"),
        pytest.param(b"SQLite format 3\x00", "an SQLite database", id="SQLite"),
        pytest.param("time,reason\n".encode("utf-32"), "UTF-32 text", id="UTF-32"),
        pytest.param(
            "time,reason\n".encode("utf-16-be"), "UTF-16 text without a mark", id="UTF-16, the other way round"
        ),
        pytest.param(bytes(range(256)) * 10, "text in another encoding than UTF-8", id="anything"),
        pytest.param(b"\x00\x00\x00\x01a", "no text", id="a binary file"),
        pytest.param(b"\n<!DOCTYPE html>\n<html>", "found a page of HTML", id="a page"),
        pytest.param(b"<html lang='en'><head>", "found a page of HTML", id="a page without a type"),
        pytest.param(b'\xef\xbb\xbf<?xml version="1.0"?>\n<rows/>', "found XML", id="XML"),
        pytest.param(b"<ns:rows>\n", "found XML", id="XML without a declaration"),
        pytest.param(b"Return-Path: <a@example.test>\nSubject: time,count\n", "found a mail", id="a mail"),
        pytest.param(b"From a@example.test Mon Mar  2 2026\nTo: b\n", "found a mail", id="a mailbox"),
        pytest.param(b'{"hits": {"hits": []}}', "JSON of another tool", id="an answer of Elasticsearch"),
        pytest.param(b'{"a": 1}\n{"a": 2}\n', "JSON Lines of another tool; expected", id="JSON Lines"),
        pytest.param(b"time\treason\tcount\n1\t2\t3\n", "a table with tabs between its columns", id="tabs"),
        pytest.param(b"time|reason|count\n1|2|3\n", "a table with bars between its columns", id="bars"),
        pytest.param(b"sep=;\na;b\n", "CSV for Excel, with a first line that names its separator", id="sep="),
        pytest.param(b"when,reason,count\n1795168800,Spam,7\n", "a number since 1970", id="seconds"),
        pytest.param(b"when,reason,count\n20 Nov 2026 10:00,Spam,7\n", "say which of them is which", id="another date"),
        pytest.param(b"time,reason,count\n20 Nov 2026 10:00,Spam,7\n", "a time in a form of its own", id="its time"),
        pytest.param(b"2026-11-20 10:00,Spam,7\n", "(echo time,reason,count; cat ", id="no names of columns"),
        pytest.param(b"2026-11-20 10:00,120,7\n", "a table without the names of its columns; expected", id="nor names"),
        pytest.param(b"time,Spam,Bulk\n2026-11-20 10:00,7,9\n", "a wide table: one column for each", id="a wide table"),
        pytest.param(
            b"time,count\n2026-11-20 10:00,7\n", "say which of them is which: --column reason", id="no reasons"
        ),
    ],
)
def test_other_files_are_named_too(tmp_path: Path, head: bytes, expected: str) -> None:
    """What there is a line for gets it."""
    path = tmp_path / "file"
    path.write_bytes(head)

    problem, *_ = found_in(str(path), {})

    assert isinstance(problem, Problem)
    assert expected in problem.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("1795168800", "10:00:00", id="seconds"),
        pytest.param("1795168800.5", "10:00:00.500000", id="a fraction of one"),
        pytest.param("1795168800250", "10:00:00.250000", id="milliseconds"),
        pytest.param("1795168800250000", "10:00:00.250000", id="microseconds"),
        pytest.param("1795168800250000000", "10:00:00.250000", id="nanoseconds"),
        pytest.param("20.11.2026 10:00:30", "10:00:30", id="a German date with seconds"),
        pytest.param("11/20/2026, 10:00 AM", "10:00:00", id="an American one with a comma"),
    ],
)
def test_lines_for_times_keep_what_they_say(tmp_path: Path, text: str, expected: str) -> None:
    """To the fraction of a second."""
    path = tmp_path / "counts.csv"
    path.write_text(f'reason,time,count\n"a ""b"", c","{text}",7\n')
    (problem,) = found_in(str(path), {})
    assert isinstance(problem, Problem)

    subprocess.run(["/bin/sh", "-c", problem.text.split("this line converts it: ")[1]], cwd=tmp_path, check=True)

    (reading,) = found_in(str(tmp_path / "counts-2.csv"), {})
    assert isinstance(reading, ImportedSample)
    assert (reading.reason, str(reading.at.time())) == ('a "b", c', expected)


def test_a_line_is_safe_to_paste(tmp_path: Path) -> None:
    """Neither the file's name nor what stands in it gets into the shell, and no file is written over."""
    folder = tmp_path / "it's $(touch pwned); -x"
    folder.mkdir()
    path = folder / "-a b-2.jsonl"
    path.write_text(
        json.dumps({"x'; touch pwned #": "2026-11-20T10:00:00Z", "response": {"data": [{"policyInfo": 1}]}})
    )
    other = folder / "b.csv"
    other.write_text("time;reason;count\n")
    (folder / "b-2.csv").touch()

    (raw,), (table,) = found_in(str(path), {}), found_in(str(other), {})

    assert isinstance(raw, Problem)
    assert "answers of Mimecast" in raw.text
    assert "touch" not in raw.text
    assert isinstance(table, Problem)
    line = table.text.split("this line converts it: ")[1]
    subprocess.run(["/bin/sh", "-c", line], cwd=folder, check=True)
    assert {each.name for each in folder.iterdir()} == {"-a b-2.jsonl", "b.csv", "b-2.csv", line.rsplit("> ", 1)[1]}


def test_a_name_that_no_shell_can_be_given_is_left_to_the_user(tmp_path: Path) -> None:
    """Control characters would be lost on the way to the screen."""
    path = tmp_path / "a\nb.csv"
    path.write_text("time;reason;count\n")

    (problem,) = found_in(str(path), {})

    assert isinstance(problem, Problem)
    assert problem.text.endswith(" FILE > counts-2.csv")
