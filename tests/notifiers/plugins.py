"""URLs for the plugins of Apprise, made of what each of them says about its own URLs."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from re import _parser  # type: ignore[attr-defined] # the tree of a regular expression
from typing import Any

from apprise import Apprise
from apprise.manager_plugins import NotificationManager

_PHONE = "15551231234"
_TOKEN = "a1b2c3d4e5f6a7b8c9d0a1b2c3d4e5f6"
#: What no expression says: these parts of a URL are telephone numbers.
_PHONES = re.compile(r"phone|source|from|sender|target|did")


def plugins() -> dict[str, str]:
    """Return a URL for every plugin that can be built from its own templates, by the plugin's name."""
    found = {}
    known: Iterable[Any] = NotificationManager().plugins()  # type: ignore[no-untyped-call]
    for plugin in sorted(set(known), key=lambda each: str(each.__name__)):
        url = next((url for url in _urls(plugin) if _is_good(url)), "")
        if url:
            found[plugin.__name__.removeprefix("Notify")] = url
    return found


def _is_good(url: str) -> bool:
    try:
        return Apprise.instantiate(url) is not None
    except Exception:  # noqa: BLE001 - plugins raise whatever they like
        return False


def _urls(plugin: Any) -> Iterator[str]:  # noqa: ANN401 - Apprise's plugin
    schemas = plugin.secure_protocol or plugin.protocol
    schema = schemas if isinstance(schemas, str) else min(schemas)
    for template in plugin.templates:
        for phone in (False, True):
            names = re.findall(r"{([a-z_0-9]+)}", template)
            values = {name: _value(plugin.template_tokens, name, is_phone=phone) for name in names}
            yield re.sub(r"{([a-z_0-9]+)}", lambda found, values=values: values[found[1]], template).replace(  # type: ignore[misc]
                values["schema"], schema, 1
            )


def _value(tokens: Mapping[str, Any], name: str, *, is_phone: bool) -> str:
    token = tokens.get(name, {})
    if token.get("group"):
        return _value(tokens, min(token["group"]), is_phone=is_phone)
    text = str(token.get("prefix", "")) + _text(token, name, is_phone=is_phone)
    return text.replace("#", "%23")


def _text(token: Mapping[str, Any], name: str, *, is_phone: bool) -> str:
    if is_phone and _PHONES.search(name):
        return _PHONE
    if "values" in token:
        return str(token["values"][0])
    if "regex" in token:
        regex = token["regex"]
        return _matching(_parser.parse(regex if isinstance(regex, str) else regex[0], re.IGNORECASE))
    if str(token.get("type", "")).startswith("int"):
        return str(token.get("min", 25) or 25)
    return "localhost" if "host" in name else "user@example.com" if "mail" in name else _TOKEN


def _matching(tree: Any) -> str:  # noqa: ANN401 - the tree has no types
    """Return a short text that an expression matches, of letters and digits where it lets us choose."""
    return "".join(_of_node(str(kind), argument) for kind, argument in tree)


def _of_node(kind: str, argument: Any) -> str:  # noqa: ANN401 - as above
    made = _BY_KIND.get(kind)
    return "" if made is None else str(made(argument))


def _repeated(argument: Any) -> str:  # noqa: ANN401 - as above
    least, most, inner = argument
    return _matching(inner) * int(max(least, min(most, 1)))


def _one_of(argument: Any) -> str:  # noqa: ANN401 - as above
    texts = (_of_node(str(each[0]), each[1]) for each in argument)
    return next((text for text in texts if text.isalnum()), "a")


_BY_KIND: Mapping[str, Callable[[Any], str]] = {
    "LITERAL": chr,
    "NOT_LITERAL": lambda _: "a",
    "ANY": lambda _: "a",
    "IN": _one_of,
    "RANGE": lambda ends: chr(ends[0]),
    "CATEGORY": lambda name: "1" if "DIGIT" in str(name) else "a",
    "MAX_REPEAT": _repeated,
    "MIN_REPEAT": _repeated,
    "SUBPATTERN": lambda argument: _matching(argument[3]),
    "BRANCH": lambda argument: _matching(argument[1][0]),
}
