"""`alerter export`: the history as a file, for keeping, for another installation, or for a spreadsheet."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from errno import EEXIST
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from alerter import clock
from alerter.cli import completion
from alerter.cli.database_access import read_store
from alerter.cli.names import matching_reasons
from alerter.cli.options import CommandFailed, config_option, load_without_secrets
from alerter.cli.output import clean, count_text, data_output, with_progress
from alerter.cli.tenant_filter import label_option, select_tenants
from alerter.cli.times import parse_time
from alerter.core.selectors import Selector
from alerter.folders import as_owner, find_folder, open_file

if TYPE_CHECKING:
    from alerter.core.history_records import Record
    from alerter.storage import Reader

#: The shortest distance of two counts in a file for a spreadsheet.
MIN_PITCH = timedelta(seconds=1)
#: Endings of file names that say JSON Lines; every other is CSV.
_JSONL_ENDINGS = (".jsonl", ".ndjson", ".json")


@click.command()
@config_option
@click.option(
    "--tenant", metavar="GLOB", default="*", show_default=True, help="Whose mail is held.",
    shell_complete=completion.tenants,
)  # fmt: skip
@label_option
@click.option(
    "--reason", metavar="GLOB", default="*", show_default=True, help="Why it is held.",
    shell_complete=completion.reasons,
)  # fmt: skip
@click.option("--since", metavar="TIME", help="From when on, such as 90d, '2h ago' or 2026-11-24. [default: all]")
@click.option("--until", metavar="TIME", help="Until when. [default: now]")
@click.option("--every", metavar="SPAN", help="Counts at regular times, such as 5m, in place of records of changes.")
@click.option(
    "--format", "form", type=click.Choice(["csv", "jsonl"]), help="[default: what the FILE ends in, else csv]"
)
@click.option("--output", "-o", "path", metavar="FILE", type=click.Path(path_type=Path), help="Where to write it.")
def export(
    config_path: Path | None,
    *,
    tenant: str,
    labels: Sequence[str],
    reason: str,
    since: str | None,
    until: str | None,
    every: str | None,
    form: str | None,
    path: Path | None,
) -> None:
    """Write the history as CSV or JSON Lines, so that `alerter import` gives exactly the same again.

    It holds what changed and what was polled. With --every it holds counts at regular times, for a spreadsheet. Without
    -o it goes to standard output. A FILE is there as a whole or not at all, and never overwritten. Exit code 1 if
    nothing matches, 2 if FILE exists.
    """
    from alerter.core.history_records import resample  # noqa: PLC0415
    from alerter.import_export import (  # noqa: PLC0415 - as others
        FileFormat,
        write_partial_mark,
        write_records,
        write_samples,
    )

    pitch = None if every is None else _pitch(every)
    config, now = load_without_secrets(config_path), clock.now()
    zone = config.service.timezone
    begin = None if since is None else parse_time(since, zone, option="--since", now=now)
    end = None if until is None else parse_time(until, zone, option="--until", now=now)
    if begin is not None and end is not None and begin > end:
        raise click.BadParameter(f"expected a time before --until, found {since!r}", param_hint="--since")
    is_jsonl = form == "jsonl" if form else path is not None and path.suffix in _JSONL_ENDINGS
    chosen = FileFormat.JSONL if is_jsonl else FileFormat.CSV
    with read_store(config) as reader:
        reasons = matching_reasons((reason,), reader)
        records = _records(reader, select_tenants(tenant, labels, config), reasons, begin, end)
        first = next(records, None)
        if first is None:
            raise CommandFailed("nothing matches --tenant, --label, --reason, --since and --until: nothing was written")
        records = chain((first,), records)
        if path is not None:
            records = with_progress(records, lambda number: f"{number:,} records read", every=1000)
        with _writing(path) as stream:
            if reason != "*":
                write_partial_mark(stream, chosen)
            if pitch is None:
                number = write_records(records, stream, chosen)
            else:
                number = write_samples(resample(records, every=pitch), stream, chosen, timezone=zone)
    if path is not None:
        click.echo(f"wrote {clean(str(path))}: {count_text(number, 'record' if pitch is None else 'count')}", err=True)


def _records(
    reader: "Reader", tenants: Selector, reasons: Selector, since: datetime | None, until: datetime | None
) -> Iterator["Record"]:
    for name in reader.polls.tenants():
        if tenants.matches(name):
            yield from reader.imports.records(name, reasons=reasons, since=since, until=until)


def _pitch(text: str) -> timedelta:
    from alerter.config.types import at_least, parse_duration  # noqa: PLC0415 - pydantic costs more than `--help` may

    try:
        return at_least(parse_duration(text), MIN_PITCH)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--every") from None


@contextmanager
def _writing(path: Path | None) -> Iterator[TextIO]:
    """Open where the history goes: a file takes its name only when it is complete."""
    if path is None:
        with data_output() as stream:
            yield stream
        return
    if path.is_file() and not path.is_symlink():
        raise click.UsageError(f"{path} exists already and is left unchanged: name a new file")
    try:
        # A pipe, or a link such as /dev/stdout: what it leads to must not be replaced by a file of its name.
        is_special = path.is_symlink() or (path.exists() and not path.is_file())
        if is_special and not _is_made_by_another(path):
            with path.open("w", encoding="utf-8", newline="") as stream:
                yield stream
            return
        with _replacing(path) as stream:
            yield stream
    except OSError as error:
        raise CommandFailed(f"{path} cannot be written: {error.strerror}") from None


def _is_made_by_another(path: Path) -> bool:
    """Say whether another user may have put there what root finds: that is not followed, a file takes its place."""
    folder = find_folder(path.absolute().parent)
    return folder is not None and bool(folder.uid or path.lstat().st_uid)


@contextmanager
def _replacing(path: Path) -> Iterator[TextIO]:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = open_file(beside, is_new=True)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        with as_owner(path) as reached:
            _take_name(reached.with_name(beside.name), reached)
    except BaseException:
        with as_owner(beside) as reached:
            reached.unlink(missing_ok=True)
        raise


def _take_name(written: Path, path: Path) -> None:
    """Give a complete file its name, unless something has that name by now."""
    try:
        path.hardlink_to(written)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise FileExistsError(EEXIST, os.strerror(EEXIST)) from None
        written.rename(path)
    else:
        written.unlink()
