"""Files of history: CSV and JSON Lines, alerter's own and a plain one; and what other files are."""

from alerter.import_export.entries import FIELDS, FileOptions
from alerter.import_export.parse import ValueParser
from alerter.import_export.read import read
from alerter.import_export.write import FileFormat, write_partial_mark, write_records, write_samples

__all__ = [
    "FIELDS",
    "FileFormat",
    "FileOptions",
    "ValueParser",
    "read",
    "write_partial_mark",
    "write_records",
    "write_samples",
]
