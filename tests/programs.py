"""Programs that some tests need, and not every machine has."""

import os
import shutil

import pytest


def needed(name: str, *, command: str = "") -> str:
    """Return where a program is; without it the test is skipped, and in CI it fails.

    Args:
        name: The program.
        command: What gets it, where that is not a package of its name.
    """
    found = shutil.which(name)
    if found is None:
        missing = f"{name} is not installed; " + (command or ".ci/run says how to install it")
        if os.environ.get("CI") == "true":  # noqa: TID251 - a setting of the tests
            pytest.fail(missing)
        pytest.skip(missing)
    return found
