"""Texts with which the configuration refuses a condition."""

from pathlib import Path

from alerter.config.files import File, Files
from alerter.config.problems import Problems
from alerter.config.rule_models import LEVEL
from alerter.config.sections import validate_section


def refusal(condition: str, **keys: object) -> str:
    """Return what is wrong with a condition that a file has with these keys: the key, and the text."""
    problems = Problems(Files(File(name="rules.toml", folder=Path(), text="", tables={})))
    validate_section(LEVEL, {condition: keys}, (), problems)
    (problem,) = problems.errors
    return f"{problem.key}: {problem.text}"
