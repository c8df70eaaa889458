"""Bodies as JSON: bytes in, values out, strictly, and without quoting what cannot be read.

No I/O. `ValueError` and `RecursionError` are all that reading a body can raise.
"""

import json

from alerter.sources.mimecast.request_error import HttpResponse

#: No number of Mimecast's is nearly as long.
MAX_DIGITS = 1000


def parse_error_object(answer: HttpResponse) -> dict[str, object]:
    """Return the JSON object that explains a failure, or an empty one: many failures come without."""
    try:
        value = parse_json(answer.body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def parse_json(body: bytes) -> object:
    """Return a body's JSON value, strictly: no NaN, no key twice, UTF-8 (a byte order mark is let through)."""
    value: object = _DECODER.decode(body.decode("utf-8-sig"))
    return value


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return result


def _integer(digits: str) -> int:
    # Python refuses far longer ones by itself, in words about its own settings.
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


_DECODER = json.JSONDecoder(object_pairs_hook=_without_duplicates, parse_int=_integer, parse_constant=_no_constant)


def describe_body(error: ValueError | RecursionError) -> str:
    """Return what is wrong with a body without quoting it: it may be anything."""
    match error:
        case RecursionError():
            return "nested too deeply"
        case json.JSONDecodeError():
            return f"{error.msg.removesuffix(' at')} at character {error.pos}"
        case UnicodeDecodeError():
            return f"no UTF-8 at byte {error.start}"
        case _:
            return str(error)


def is_html(answer: HttpResponse) -> bool:
    """Return whether a body is a web page: what another server or a proxy would say."""
    return "html" in answer.headers.get("content-type", "").lower() or answer.body.lstrip()[:1] == b"<"


def json_type(value: object) -> str:
    """Return what a JSON value is, in words and without quoting it."""
    kinds: tuple[tuple[type, str], ...] = (
        (bool, "true or false"),
        (int, "a whole number"),
        (float, "a number with a fraction"),
        (str, "a text"),
        (list, "a list"),
        (dict, "an object"),
    )
    return next((name for of, name in kinds if isinstance(value, of)), "nothing")
