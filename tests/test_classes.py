"""Classes stay shallow: what a method does is found in the module of its class."""

import importlib
import pkgutil

import alerter

MAX_ANCESTORS = 4


def test_no_class_has_more_than_four_ancestors_of_ours() -> None:
    """A reader of `tx.alerts.save` opens one file, not the thirty of which a class is put together."""
    classes = {
        each
        for module in pkgutil.walk_packages(alerter.__path__, "alerter.")
        if not module.name.endswith("__main__")
        for each in vars(importlib.import_module(module.name)).values()
        if isinstance(each, type) and each.__module__.startswith("alerter.")
    }

    deep = {each.__qualname__ for each in classes if len(_ancestors(each)) > MAX_ANCESTORS}

    assert len(classes) > 200
    assert deep == set()


def _ancestors(of: type) -> list[type]:
    return [each for each in of.__mro__[1:] if each.__module__.startswith("alerter.")]
