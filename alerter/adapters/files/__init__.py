"""Files of history: CSV and JSON Lines, alerter's own and those of other tools."""

from alerter.adapters.files.columns import FIELDS, NAMES
from alerter.adapters.files.reading import Layout, read
from alerter.adapters.files.values import Values
from alerter.adapters.files.writing import FileFormat, write_readings, write_records

__all__ = ["FIELDS", "NAMES", "FileFormat", "Layout", "Values", "read", "write_readings", "write_records"]
