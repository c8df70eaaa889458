"""promtool, Prometheus's own judge of metrics, rules and their tests, where this machine has it."""

import os
import shutil
import subprocess

import pytest

_MISSING = (
    "promtool is not installed; get it from Debian's package, without installing that service: "
    "apt-get download prometheus && dpkg-deb -x prometheus_*.deb /tmp/prometheus; "
    "export PATH=$PATH:/tmp/prometheus/usr/bin"
)


def promtool(*arguments: str, stdin: str = "") -> str:
    """Run promtool and return what it said; the test fails if it found anything, and is skipped where it is missing."""
    path = shutil.which("promtool")
    if path is None:
        if os.environ.get("CI") == "true":  # noqa: TID251 - a setting of the tests, not of alerter
            pytest.fail(_MISSING)
        pytest.skip(_MISSING)
    done = subprocess.run([path, *arguments], input=stdin, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
