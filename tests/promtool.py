"""promtool, Prometheus's own judge of metrics, rules and their tests, where this machine has it."""

import subprocess

from tests.programs import needed

#: Debian's package would bring a service along, which begins to run.
_COMMAND = (
    "apt-get download prometheus && dpkg-deb -x prometheus_*.deb /tmp/prometheus && "
    "export PATH=$PATH:/tmp/prometheus/usr/bin"
)


def promtool(*arguments: str, stdin: str = "") -> str:
    """Run promtool and return what it said; the test fails if it found anything, and is skipped where it is missing."""
    command = [needed("promtool", command=_COMMAND), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
