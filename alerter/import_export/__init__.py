"""Files of history: CSV and JSON Lines, alerter's own and a plain one; and what other files are."""

from alerter.import_export.entries import FIELDS, Layout
from alerter.import_export.parse import Values
from alerter.import_export.read import read
from alerter.import_export.write import FileFormat, write_partial_mark, write_readings, write_records

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
