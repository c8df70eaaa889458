"""What is logged can be read where it goes: in the journal, at a terminal, in a file, by a program; without secrets."""

import ast
import json
import logging
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

import alerter
from alerter.logs.events import DETAIL, LogEvent, parse_template, to_log_event
from alerter.logs.formatters import (
    MAX_JSON,
    MAX_LINE,
    JournalFormatter,
    JsonFormatter,
    LineFormatter,
    TerminalFormatter,
    syslog_priority,
)
from alerter.logs.repeat_filter import FACTOR, FIRST_REMINDER, MAX_LOUD_PER_CAUSE, MAX_REMINDER
from alerter.redaction import Redactor
from tests.documentation import DOCUMENTATION

SECRET = 'k3y/with "quotes" & plus+'
README = DOCUMENTATION
METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log"}


def a_record(
    message: str, *arguments: object, level: int = logging.INFO, name: str = "alerter.jobs", error: object = None
) -> logging.LogRecord:
    """Return a record of the first second of 1970."""
    info = (type(error), error, error.__traceback__) if isinstance(error, BaseException) else None
    record = logging.LogRecord(name, level, __file__, 1, message, arguments, info)
    record.created = 0.25
    return record


def an_error(text: str) -> ValueError:
    """Return an exception that was raised while another one was handled."""
    try:
        try:
            raise KeyError(text)  # noqa: TRY301 - the chain is what is tested
        except KeyError as error:
            raise ValueError(f"found {text}") from error
    except ValueError as error:
        return error


# what a record says


@pytest.mark.parametrize(
    ("record", "text", "fields"),
    [
        pytest.param(a_record("stopped"), "stopped", {}, id="an event alone"),
        pytest.param(
            a_record("poll succeeded tenant=%s held=%d seconds=%.1f", "acme", 12, 0.26),
            "poll succeeded",
            {"tenant": "acme", "held": 12, "seconds": 0.3},
            id="fields keep their types",
        ),
        pytest.param(
            a_record("sent at=%s error=%s", datetime(2026, 3, 2, tzinfo=UTC), None),
            "sent",
            {"at": "2026-03-02T00:00:00+00:00", "error": None},
            id="an instant, and nothing",
        ),
        pytest.param(
            a_record("poll failed tenant=%s: %s", "acme", "no answer: 3 = 4"),
            "poll failed",
            {"tenant": "acme", DETAIL: "no answer: 3 = 4"},
            id="free text at the end",
        ),
        pytest.param(a_record("50%% of %s", "it"), "50% of it", {}, id="another form"),
        pytest.param(
            a_record("poll succeeded tenant=%s", "a", "b"), "poll succeeded tenant=%s ('a', 'b')", {}, id="too many"
        ),
        pytest.param(
            a_record("retry level=%s", "x", name="urllib3.pool"), "retry level=x", {}, id="a library has no fields"
        ),
        pytest.param(a_record("held=%d", "many", name="lib"), "held=%d ('many',)", {}, id="a library's own mistake"),
    ],
)
def test_a_record_is_an_event_with_fields(record: logging.LogRecord, text: str, fields: Mapping[str, object]) -> None:
    """The constant text is the event; what changes stands in fields with names."""
    assert to_log_event(record) == LogEvent(text=text, fields=fields, traceback="")  # type: ignore[arg-type]


# the forms of a line


def lines_of(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    """Return the lines that a formatter makes of a record."""
    return formatter.format(record).split("\n")


@pytest.fixture
def redactor() -> Redactor:
    """One that knows a secret with everything in it that quoting changes."""
    return Redactor([SECRET])


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        pytest.param(logging.DEBUG, 7, id="debug"),
        pytest.param(logging.INFO, 6, id="information"),
        pytest.param(logging.WARNING, 4, id="a warning"),
        pytest.param(logging.ERROR, 3, id="an error"),
        pytest.param(logging.CRITICAL, 2, id="a library's worst"),
        pytest.param(35, 4, id="a level without a name"),
        pytest.param(5, 7, id="less than debug"),
    ],
)
def test_a_level_has_a_priority(level: int, priority: int) -> None:
    """`journalctl -p warning` shows warnings and errors."""
    assert syslog_priority(level) == priority


def test_every_line_in_the_journal_has_its_priority_and_no_time(redactor: Redactor) -> None:
    """The journal knows the time; without a priority of its own, each line of a traceback would be mere information."""
    record = a_record("job failed job=%s", "poll", level=logging.ERROR, error=an_error("first line\nsecond line"))

    lines = lines_of(JournalFormatter(redactor), record)

    assert lines[0] == "<3>job failed job=poll"
    assert all(line.startswith("<3>") for line in lines)
    assert "<3>ValueError: found first line" in lines
    assert "<3>The above exception was the direct cause of the following exception:" in lines


def test_a_line_in_a_file_begins_with_its_time_in_utc_and_a_traceback_is_indented(redactor: Redactor) -> None:
    """Logs of several machines can be laid side by side, and no text of an exception passes for a line."""
    error = an_error("x\n1970-01-01T00:00:00Z INFO forged")

    first, *rest = lines_of(LineFormatter(redactor), a_record("job failed", level=logging.ERROR, error=error))

    assert first == "1970-01-01T00:00:00Z ERROR job failed"
    assert all(line.startswith("    ") for line in rest)


@pytest.mark.parametrize(
    ("level", "is_coloured", "shown"),
    [
        pytest.param(logging.INFO, True, "INFO    ", id="information is not coloured"),
        pytest.param(logging.WARNING, True, "\x1b[33mWARNING\x1b[0m ", id="a warning is"),
        pytest.param(logging.ERROR, True, "\x1b[1;31mERROR  \x1b[0m ", id="an error is"),
        pytest.param(logging.ERROR, False, "ERROR   ", id="nothing is where nobody wants it"),
    ],
)
def test_a_line_at_a_terminal_is_short_and_coloured(
    *, redactor: Redactor, level: int, is_coloured: bool, shown: str
) -> None:
    """Who watches sees the time of day, and what matters in a colour."""
    (line,) = lines_of(TerminalFormatter(redactor, is_coloured=is_coloured), a_record("poll succeeded", level=level))

    when = datetime.fromtimestamp(0, UTC).astimezone()
    assert line == f"{when:%H:%M:%S} {shown}poll succeeded"


def test_a_program_gets_one_json_object_per_line(redactor: Redactor) -> None:
    """Names are stable, fields have their types, and a traceback is one of them."""
    record = a_record(
        "poll failed tenant=%s held=%d gone=%s: %s", "ä", 3, None, "why", level=30, error=an_error("x\ny")
    )

    (line,) = lines_of(JsonFormatter(redactor, is_journal=False), record)

    found = json.loads(line)
    assert "Traceback (most recent call last):\n" in found.pop("exception")
    assert found == {
        "time": "1970-01-01T00:00:00.250Z",
        "level": "warning",
        "logger": "alerter.jobs",
        "event": "poll failed",
        "tenant": "ä",
        "held": 3,
        "gone": None,
        "detail": "why",
    }
    assert line.isascii()


def test_json_in_the_journal_has_its_priority_in_front(redactor: Redactor) -> None:
    """The journal takes it off again: the message is the JSON object."""
    (line,) = lines_of(JsonFormatter(redactor, is_journal=True), a_record("poll failed", level=logging.WARNING))

    assert line.startswith('<4>{"time": ')


@pytest.mark.parametrize(
    "formatter",
    [
        JournalFormatter(Redactor([SECRET])),
        LineFormatter(Redactor([SECRET])),
        TerminalFormatter(Redactor([SECRET]), is_coloured=True),
        JsonFormatter(Redactor([SECRET]), is_journal=True),
    ],
    ids=lambda formatter: type(formatter).__name__,
)
@pytest.mark.parametrize(
    "record",
    [
        pytest.param(a_record("poll failed: %s", SECRET), id="in the text"),
        pytest.param(a_record("poll failed tenant=%s", SECRET), id="in a field"),
        pytest.param(a_record("poll failed", error=an_error(SECRET)), id="in a chain of exceptions"),
        pytest.param(a_record(f"%s {SECRET}", {"key": SECRET}, name="urllib3"), id="of a library"),
        pytest.param(a_record("%d", SECRET, name="lib"), id="in a record that cannot be formatted"),
    ],
)
def test_no_form_shows_a_secret(formatter: logging.Formatter, record: logging.LogRecord) -> None:
    """Whatever is logged by whom, and however it is written."""
    shown = formatter.format(record)

    assert "[redacted]" in shown
    assert "k3y" not in shown


def test_a_number_that_is_a_secret_is_none_in_json() -> None:
    """Some keys are numbers."""
    formatter = JsonFormatter(Redactor(["12345678"]), is_journal=False)

    found = json.loads(formatter.format(a_record("seen number=%d other=%d", 12345678, 1)))

    assert (found["number"], found["other"]) == ("[redacted]", 1)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param("acme", "tenant=acme", id="a word"),
        pytest.param("a b", 'tenant="a b"', id="several words"),
        pytest.param("a=b", 'tenant="a=b"', id="what looks like a field"),
        pytest.param('a"b', 'tenant="a\\"b"', id="quotes"),
        pytest.param("a\nlevel=x", 'tenant="a\\nlevel=x"', id="a line break"),
        pytest.param("\x1b[2J\u202e", 'tenant="\\u001b[2J\\u202e"', id="what moves a cursor or turns the text around"),
        pytest.param("Grüße", "tenant=Grüße", id="letters of any language"),
        pytest.param(None, "", id="nothing is not said"),
        pytest.param("", "", id="an empty text is not said"),
        pytest.param(0, "tenant=0", id="zero is"),
    ],
)
def test_a_field_can_be_told_from_the_next(redactor: Redactor, value: object, shown: str) -> None:
    """A name that somebody typed at Mimecast cannot forge a field, a line or a colour."""
    line = LineFormatter(redactor).format(a_record("poll succeeded tenant=%s", value))

    assert line == f"1970-01-01T00:00:00Z INFO poll succeeded {shown}".rstrip()


def test_what_is_too_long_for_the_journal_is_cut(redactor: Redactor) -> None:
    """The journal would cut it itself, and take the rest for information without a priority."""
    record = a_record("poll failed: %s", "x" * 99_999, level=logging.ERROR, error=an_error("ü\n" * 99_999))

    text = lines_of(JournalFormatter(redactor), record)
    (line,) = lines_of(JsonFormatter(redactor, is_journal=True), record)

    assert max(map(len, text)) < MAX_LINE + 10
    assert len(line) < MAX_JSON + 10
    assert json.loads(line[3:])["exception"].startswith("Traceback")


# standard error

SCRIPT = """
import gc, logging, sys, threading, warnings
from alerter import logs
from alerter.redaction import Redactor
redactor = Redactor()
logs.configure_logging(redactor, log_format=logs.LogFormat(sys.argv[1]))
redactor.add("s3cret-0001")

class Broken:
    def __del__(self):
        raise ValueError("s3cret-0001")

def crash():
    raise ValueError("s3cret-0001")

log = logging.getLogger("alerter.test")
match sys.argv[2]:
    case "warning": log.warning("poll failed tenant=%s: %s", "acme", "s3cret-0001")
    case "library": logging.getLogger("urllib3").warning("retry of %s", "s3cret-0001")
    case "chatter":
        logging.getLogger("urllib3").info("s3cret-0001")
        logging.getLogger("apscheduler.scheduler").warning("Execution of job %s skipped", "deliver")
    case "crash": crash()
    case "thread":
        thread = threading.Thread(target=crash, name="poll_1"); thread.start(); thread.join()
    case "unraisable": Broken(); gc.collect()
    case "python warning": warnings.warn("s3cret-0001")
    case "closed":
        import os
        os.close(2); log.warning("nobody hears %s", "this"); print("went on")
"""


#: What a process needs to run our code, and nothing that says where its lines go.
OURS = {"PYTHONPATH": os.pathsep.join(sys.path)}


def run(kind: str) -> str:
    """Return what a process writes to standard error, into a pipe."""
    command = [sys.executable, "-c", SCRIPT, "auto", kind]
    done = subprocess.run(command, capture_output=True, text=True, env=OURS, check=False)
    assert done.returncode == (1 if kind == "crash" else 0), done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("kind", "first"),
    [
        pytest.param("warning", "WARNING poll failed tenant=acme: [redacted]", id="ours"),
        pytest.param("library", "WARNING urllib3: retry of [redacted]", id="a library's"),
        pytest.param("crash", "ERROR internal error", id="an exception that ends the process"),
        pytest.param("thread", "ERROR internal error thread=poll_1", id="one that ends a thread"),
        pytest.param("unraisable", "WARNING exception ignored by Python location=", id="one that nobody can catch"),
        pytest.param("python warning", "WARNING python warning kind=UserWarning text=[redacted]", id="a warning"),
    ],
)
def test_whatever_comes_to_standard_error_comes_as_a_line_without_secrets(kind: str, first: str) -> None:
    """Also what Python itself would write there."""
    lines = run(kind).splitlines()

    assert lines[0][21:].startswith(first)
    assert "s3cret" not in "\n".join(lines)
    assert all(line.startswith(("2", "    ")) for line in lines)


def test_the_chatter_of_libraries_is_not_shown() -> None:
    """A library is heard from a warning on; the scheduler's on what it skipped concern nobody."""
    assert run("chatter") == ""


def test_a_closed_standard_error_ends_nothing() -> None:
    """The service is not there for its log."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, "auto", "closed"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "went on\n")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[int]:
    """A file that stands for the journal's socket."""
    descriptor = os.open(tmp_path / "journal", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize(
    ("log_format", "is_it", "first"),
    [
        pytest.param("auto", True, "<3>internal error", id="the journal"),
        pytest.param(
            "auto", False, r"\d{4}-\S+Z ERROR internal error", id="redirected elsewhere, with the variable inherited"
        ),
        pytest.param("text", True, r"\d{4}-\S+Z ERROR internal error", id="plain lines wanted"),
        pytest.param("json", True, r'<3>\{"time"', id="JSON wanted"),
        pytest.param("json", False, r'\{"time"', id="JSON wanted elsewhere"),
    ],
)
def test_the_journal_is_known_by_its_device_and_inode(
    *, journal: int, log_format: str, is_it: bool, first: str
) -> None:
    """`$JOURNAL_STREAM` is inherited by whatever a service starts, so that it must name just this file."""
    status = os.fstat(journal)
    environ = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino if is_it else status.st_ino + 1}"}

    command = [sys.executable, "-c", SCRIPT, log_format, "crash"]
    subprocess.run(command, stderr=journal, env=OURS | environ, check=False)

    lines = os.pread(journal, 100_000, 0).decode().splitlines()
    assert re.match(first, lines[0])
    if is_it and log_format != "text":
        assert all(line.startswith("<3>") for line in lines)


@pytest.mark.parametrize(
    ("environ", "shown"),
    [
        pytest.param({"TERM": "xterm"}, "\x1b[33mWARNING\x1b[0m poll", id="in colours"),
        pytest.param({"TERM": "xterm", "NO_COLOR": "1"}, " WARNING poll", id="without, where that is asked for"),
        pytest.param({"TERM": "dumb"}, " WARNING poll", id="without, where there are none"),
    ],
)
def test_a_terminal_gets_lines_for_people(environ: Mapping[str, str], shown: str) -> None:
    """A real terminal, as far as the process can tell."""
    ours, its = pty.openpty()
    command = [sys.executable, "-c", SCRIPT, "auto", "warning"]

    subprocess.run(command, stderr=its, env={**OURS, **environ}, check=True)

    line = os.read(ours, 10_000).decode()
    os.close(ours)
    os.close(its)
    assert re.match(r"\d\d:\d\d:\d\d ", line)
    assert shown in line


# every call


def calls() -> Iterator[tuple[str, Sequence[ast.expr]]]:
    """Yield the arguments of every log call of the package, without a level, and where it stands."""
    root = Path(alerter.__file__).parent
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="log" | "_log"), attr=attr)) if attr in METHODS:
                    skipped = 1 if attr == "log" else 0
                    yield f"{path.relative_to(root)}:{node.lineno}", node.args[skipped:]


CALLS = list(calls())
#: Every word in code style in README's section about the log.
EXPLAINED = set(re.findall(r"`([^`\n]+)`", README[README.index("## The log") :].partition("\n## ")[0]))


@pytest.mark.parametrize("given", [given for _, given in CALLS], ids=[place for place, _ in CALLS])
def test_every_log_call_is_an_event_with_fields_that_the_readme_explains(given: Sequence[ast.expr]) -> None:
    """A constant text, then `name=value`: whoever filters by it can rely on it, and README says what each field is."""
    message, *arguments = given
    assert isinstance(message, ast.Constant)
    template = parse_template(str(message.value))

    assert template is not None, message.value
    assert not template.conversion_by_field.keys() & {"time", "level", "logger", "event", "exception"}
    if not any(isinstance(argument, ast.Starred) for argument in arguments):
        assert len(arguments) == len(template.conversion_by_field)
    assert template.conversion_by_field.keys() <= EXPLAINED, "the table of fields in README, section The log"
    assert template.event in EXPLAINED or template.event == "internal error", "the table of priorities there"


def test_what_the_readme_says_of_repetitions_is_so() -> None:
    """The numbers in words are those of the program."""
    said = " ".join(README.split())

    assert "after 15 minutes, 1 hour, 4 hours and so on, at most once a day" in said
    waits = [FIRST_REMINDER, FIRST_REMINDER * FACTOR, FIRST_REMINDER * FACTOR**2, MAX_REMINDER]
    assert [wait.total_seconds() / 3600 for wait in waits] == [0.25, 1, 4, 24]
    assert ("at most 20 of them are logged as warnings in 15 minutes" in said, MAX_LOUD_PER_CAUSE) == (True, 20)


def test_there_are_log_calls() -> None:
    """The search above finds what it is for."""
    assert len(CALLS) > 15
    assert {"poll succeeded", "tenant"} <= EXPLAINED
