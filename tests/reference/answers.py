"""When a response is a hold summary, and what it states (section 2.2)."""

import json
from typing import Any, TypeGuard

NO_REASON = "(no reason given)"


def counts_of(status: int, body: str) -> dict[str, int] | None:
    """Return the count of each reason that a response states, or None if it is not good (2.2).

    The order does not matter here: it only decides which cause is named.

    Silent: how a further page and a total are called. They are `meta.pagination.next` and `meta.pagination.totalCount`.
    """
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    if status != 200 or not isinstance(answer, dict) or answer.get("fail") != []:
        return None
    meta, data = answer.get("meta"), answer.get("data")
    if not isinstance(meta, dict) or not is_whole(meta.get("status")) or meta["status"] != 200:
        return None
    if not isinstance(data, list) or says_more(meta.get("pagination"), len(data)):
        return None
    rows = [row_of(row) for row in data]
    sums: dict[str, int] = {}
    for row in rows:
        if row is None:
            return None
        sums[row[0]] = sums.get(row[0], 0) + row[1]
    return sums


def says_more(pagination: Any, rows: int) -> bool:  # noqa: ANN401 - whatever JSON may hold
    """Return True if an answer says of itself that there is more than it holds (2.2 [2])."""
    if not isinstance(pagination, dict):
        return False
    total = pagination.get("totalCount")
    return bool(pagination.get("next")) or (is_whole(total) and total > rows)


def row_of(row: Any) -> tuple[str, int] | None:  # noqa: ANN401 - whatever JSON may hold
    """Return name and count of a row, or None if it is bad (2.2): digit strings are accepted, a blank name gets one."""
    if not isinstance(row, dict) or not isinstance(row.get("policyInfo"), str):
        return None
    count = row.get("numberOfItems")
    if isinstance(count, str) and count and all(each in "0123456789" for each in count):
        count = int(count)
    if not is_whole(count) or count < 0:
        return None
    name: str = row["policyInfo"] if row["policyInfo"].strip() else NO_REASON
    return name, count


def is_whole(value: object) -> TypeGuard[int]:
    """Return True for an integer that is no boolean."""
    return isinstance(value, int) and not isinstance(value, bool)
