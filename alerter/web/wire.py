"""JSON of the API, made as that of the commands."""

import json

from alerter.humanize import to_json_value


def dump(value: object) -> bytes:
    """Return a value as JSON in UTF-8; instants as ISO 8601 in UTC, spans in seconds."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=to_json_value).encode() + b"\n"
