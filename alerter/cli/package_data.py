"""The files that come along with the program: in the wheel, or beside it in a checkout."""

from importlib.resources import files
from pathlib import Path

#: The documented example of a configuration.
EXAMPLE = "rules.example.toml"


def read_package_file(*parts: str) -> str:
    """Return the text of a file of the project, such as `deploy/alerter.service`, by the parts of its path."""
    in_wheel = files("alerter").joinpath("_data", *parts)
    if in_wheel.is_file():
        return in_wheel.read_text(encoding="utf-8")
    return Path(__file__).parents[2].joinpath(*parts).read_text(encoding="utf-8")
