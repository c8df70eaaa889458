"""Files of history: CSV and JSON Lines, alerter's own and a plain one; and what other files are."""

from alerter.adapters.files.entries import FIELDS, Layout
from alerter.adapters.files.reading import read
from alerter.adapters.files.values import Values
from alerter.adapters.files.writing import FileFormat, write_partial_mark, write_readings, write_records

__all__ = [
    "FIELDS",
    "FileFormat",
    "Layout",
    "Values",
    "read",
    "write_partial_mark",
    "write_readings",
    "write_records",
]
