"""Answers of Mimecast that went wrong on the way: a seeded generator, and a second opinion on each of them."""

import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Json: TypeAlias = Any
Random: TypeAlias = random.Random

#: What takes the place of something: the wrong kind, the edge of the right kind, and what parsers stumble over.
ODDITIES: Sequence[Json] = (
    None, True, False, 0, 1, -1, 7, 200, 403, 500, 1.5, 7.0, -0.0, 1e308, 2**53, 2**53 + 1, 2**63, 10**400,
    "", " ", "0", "7", "007", "-1", "+1", " 7", "7 ", "1_000", "1e3", "0x10", "²", "٣", "NaN", "null", "200",
    "x" * 1001, "\0", "\ud83d", "\u202e", "(no reason given)", [], [[]], {}, {"status": 200}, [{}], [None], [0],
    {"code": "err_xdk_invalid_signature", "message": "0004 Invalid Signature"},
    {"errors": [{"code": "err_developer_key", "message": "App ID is invalid", "retryable": False}]},
    {"errors": None}, {"code": [], "message": {}}, {"policyInfo": "Spam", "numberOfItems": 3},
)  # fmt: skip
NAMES = ("meta", "status", "data", "fail", "policyInfo", "numberOfItems", "pagination", "next", "Data", "detail", "")
WORDS = (
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"null",
    b"1e999",
    b"[" * 3000,
    b"\xff",
    b"\xef\xbb\xbf",
    b"\0",
    b"<html>",
    b",",
)
STATUSES = (200, 201, 204, 301, 400, 401, 403, 404, 418, 429, 500, 503)
HEADERS = (
    ("content-type", "text/html"), ("content-type", ""), ("content-type", "application/json; charset=latin-1"),
    ("retry-after", "-1"), ("retry-after", "9" * 400), ("retry-after", "soon"), ("retry-after", "Mon, 99 Foo 2026"),
    ("x-ratelimit-reset", "1e9"), ("x-ratelimit-reset", "9" * 15), ("x-ratelimit-reset", ""),
    ("date", "never"), ("date", "Mon, 02 Mar 0000 12:00:00 GMT"), ("date", "Fri, 31 Dec 9999 23:59:59 -2359"),
    ("location", "https://[not"), ("x-request-id", "x" * 5000),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """An answer as it arrives: HTTP status, headers by name in lower case, body."""

    status: int = 200
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


def mutants(seed: int) -> Iterator[Mutant]:
    """Yield answers without end, the same for the same seed; some have come to no harm that matters."""
    random_ = random.Random(seed)  # noqa: S311 - to repeat a run, not to hide anything
    while True:
        yield _mutant(random_)


def _mutant(random_: Random) -> Mutant:
    tree = _base(random_)
    for _ in range(random_.choice((0, 0, 1, 1, 1, 2, 3))):
        tree = _mutated(tree, random_)
    body = json.dumps(tree, ensure_ascii=random_.random() < 0.5).encode(errors="surrogatepass")
    for _ in range(random_.choice((0, 0, 0, 1, 2))):
        body = random_.choice(_TEXT_MUTATIONS)(body, random_)
    headers = {"content-type": "application/json"}
    if random_.random() < 0.1:
        headers |= dict([random_.choice(HEADERS)])
    return Mutant(status=random_.choice(STATUSES) if random_.random() < 0.1 else 200, body=body, headers=headers)


def _base(random_: Random) -> Json:
    """Return a good answer, or one of the documented failures."""
    names = random_.sample(["Spam", "Virus", "Spam ", "Größe", "", " ", "<!channel>"], random_.randrange(5))
    rows = [{"policyInfo": name, "numberOfItems": random_.randrange(2000)} for name in names]
    fail = random_.choice(([], [], [], [], [{"errors": [{"code": "err_folder_group_not_found", "message": "none"}]}]))
    return {"meta": {"status": random_.choice((200,) * 9 + (403,))}, "data": rows, "fail": fail}


def _mutated(tree: Json, random_: Random) -> Json:
    """Return the tree with one node of it changed."""
    if not isinstance(tree, list | dict) or not tree or random_.random() < 0.15:
        return random_.choice(_NODE_MUTATIONS)(tree, random_)
    at = random_.choice([*tree] if isinstance(tree, dict) else range(len(tree)))
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[at] = _mutated(copy[at], random_)
    return copy


def _replaced(_: Json, random_: Random) -> Json:
    return random_.choice(ODDITIES)


def _as_text(node: Json, _: Random) -> Json:
    return node if isinstance(node, str) else json.dumps(node)


def _without_one(node: Json, random_: Random) -> Json:
    if not isinstance(node, dict) or not node:
        return [node]
    gone = random_.choice([*node])
    return {name: value for name, value in node.items() if name != gone}


def _with_one_more(node: Json, random_: Random) -> Json:
    if isinstance(node, dict):
        return {**node, random_.choice(NAMES): random_.choice(ODDITIES)}
    return [*node, random_.choice(ODDITIES)] if isinstance(node, list) else {"value": node}


_NODE_MUTATIONS: Sequence[Callable[[Json, Random], Json]] = (
    _replaced,
    _replaced,
    _as_text,
    _without_one,
    _with_one_more,
)


def _place(body: bytes, random_: Random) -> int:
    return random_.randrange(len(body) + 1)


def _cut(body: bytes, random_: Random) -> bytes:
    return body[: _place(body, random_)]


def _hole(body: bytes, random_: Random) -> bytes:
    at = _place(body, random_)
    return body[:at] + body[at + random_.randrange(1, 6) :]


def _other_byte(body: bytes, random_: Random) -> bytes:
    at = _place(body, random_)
    return body[:at] + bytes([random_.randrange(256)]) + body[at + 1 :]


def _insertion(body: bytes, random_: Random) -> bytes:
    at = _place(body, random_)
    return body[:at] + random_.choice(WORDS) + body[at:]


def _other_number(body: bytes, random_: Random) -> bytes:
    return re.sub(rb"\d+", lambda _: random_.choice(WORDS[:5]), body, count=1)


def _twice(body: bytes, random_: Random) -> bytes:
    begin, end = sorted((_place(body, random_), _place(body, random_)))
    return body[:end] + body[begin:]


def _name_twice(body: bytes, random_: Random) -> bytes:
    name = random_.choice(NAMES[:6]).encode()
    return body.replace(b'"%s":' % name, b'"%s": %s, "%s":' % (name, random_.choice((b"0", b"[]", b'"x"')), name), 1)


_TEXT_MUTATIONS: Sequence[Callable[[bytes, Random], bytes]] = (
    _cut, _hole, _other_byte, _insertion, _other_number, _twice, _name_twice,
)  # fmt: skip


def proven(mutant: Mutant) -> dict[str, int] | None:
    """Return what an answer proves to be held, by the sentences of the contract and nothing else; None for nothing."""
    try:
        value = json.loads(mutant.body.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    if mutant.status != 200 or not isinstance(value, dict) or value.get("fail") != [] or not _is_well(value):
        return None
    held: dict[str, int] = {}
    for row in value["data"]:
        if not isinstance(row, dict) or not isinstance(name := row.get("policyInfo"), str):
            return None
        count = _whole_number(row.get("numberOfItems"))
        if count is None:
            return None
        name = name if name.strip() else "(no reason given)"
        held[name] = held.get(name, 0) + count
    return held


def _is_well(value: dict[str, Json]) -> bool:
    meta = value.get("meta")
    return isinstance(meta, dict) and repr(meta.get("status")) == "200" and isinstance(value.get("data"), list)


def _whole_number(value: Json) -> int | None:
    digits = repr(value) if isinstance(value, int) else value
    return int(digits) if isinstance(digits, str) and re.fullmatch("[0-9]+", digits) else None


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("which of the two?")
    return dict(pairs)


def _refuse(word: str) -> Json:
    raise ValueError(word)
