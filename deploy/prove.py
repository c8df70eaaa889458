"""Shows in a real systemd what README claims of the service.

    python3 prove.py NEW.whl [--before OLD.whl] [CLAIM ...]

As root, on a machine to throw away: a plain Debian 12 with systemd, also a container that boots one, after
`apt install python3-venv`. It installs alerter from the wheel (pip's own variables hold, such as PIP_FIND_LINKS), lets
it poll a simulated Mimecast and tell a receiver of its own, breaks things, and removes all of it. Claims that are named
are shown alone. Exit code 1 if one does not hold. It takes about fifteen minutes: a watchdog has patience.
"""

import argparse
import json
import os
import random
import shutil
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

CONFIG = Path("/etc/alerter/rules.toml")
CREDENTIALS = CONFIG.with_name("credentials")
STATE = Path("/var/lib/alerter")
#: Where systemd keeps it for a user that exists only while the service runs.
REAL_STATE = Path("/var/lib/private/alerter")
PIP = "/opt/alerter/bin/pip"
PYTHON = "/opt/alerter/bin/python"
MIMECAST, RECEIVER = 18025, 18026
#: What `alerter simulate` accepts; the second one, and what stands in the receiver's URL, must be seen nowhere else.
CLIENT_ID, CLIENT_SECRET = "simulated-client-id", "simulated-client-secret"
HOOK_SECRET = "hook-4711-secret"  # noqa: S105 - made up
WORK = Path("/run/alerter-prove")
OVERRIDES = Path("/run/systemd/system/alerter.service.d")
KILLS = 20
#: For a program that is older than its talk with systemd.
AS_BEFORE = ("Type=exec", "WatchdogSec=0")
#: As README has it.
REMOVAL = (
    (
        "systemctl disable --now alerter; rm -r /opt/alerter /usr/local/bin/alerter "
        "/usr/local/lib/systemd/system/alerter{,@}.service; systemctl daemon-reload"
    ),
    (
        "rm /usr/local/share/{man/man1/alerter.1,bash-completion/completions/alerter,zsh/site-functions/_alerter,"
        "fish/vendor_completions.d/alerter.fish}"
    ),
    "rm -r /etc/alerter /var/lib/alerter* /var/lib/private/alerter*",
)
#: What is installed (`new`), and what may have been before (`old`).
WHEELS: dict[str, Path] = {}

SINK = """
import http.server, sys
class Take(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open(sys.argv[2], "ab") as taken:
            taken.write(body.replace(b"\\n", b" ") + b"\\n")
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Take).serve_forever()
"""

RULES = f"""
[service]
poll_interval = "10s"
[tenants.acme]
base_url      = "http://127.0.0.1:{MIMECAST}"
client_id     = "${{MIMECAST_CLIENT_ID}}"
client_secret = "${{MIMECAST_CLIENT_SECRET}}"
[receivers.secops]
urls         = ["${{SLACK_URL}}"]
max_per_hour = 1000
[[rules]]
name    = "Backlog"
warning = {{ threshold = {{ above = 200 }} }}
"""


class Unproven(Exception):
    """A claim does not hold; the text says what was seen."""


def sh(*command: str | Path, text: str | None = None, may_fail: bool = False) -> str:
    """Run a command; return what it wrote to both of its outputs."""
    done = subprocess.run(
        [str(part) for part in command], input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        check=False,
    )  # fmt: skip
    if done.returncode and not may_fail:
        raise Unproven(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def shown(name: str, unit: str = "alerter") -> str:
    """Return a property of a unit."""
    return sh("systemctl", "show", "--value", "-p", name, unit).strip()


def expect(what: str, *, found: object, wanted: object = True) -> None:
    """Fail unless something is as it is claimed."""
    if found != wanted:
        raise Unproven(f"{what}: expected {wanted!r}, found {found!r}")


def wait(what: str, is_so: Callable[[], object], seconds: float = 60) -> float:
    """Wait until something is so; return how long that took."""
    began = time.monotonic()
    while not is_so():
        if time.monotonic() - began > seconds:
            raise Unproven(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.2)
    return time.monotonic() - began


def log(*, since: float, unit: str = "alerter") -> str:
    """Return the journal of a unit since a time."""
    return sh("journalctl", "--no-pager", "-o", "short-precise", "-u", unit, f"--since=@{since:.3f}")


def status() -> str:
    """Return the line that the service shows."""
    return shown("StatusText")


def taken() -> list[dict[str, str]]:
    """Return every message that the receiver took, oldest first."""
    path = WORK / "taken"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def stored(query: str) -> list[tuple[object, ...]]:
    """Return rows of the service's database."""
    with closing(sqlite3.connect(f"file:{STATE}/alerter.db?mode=ro", uri=True)) as database:
        return database.execute(query).fetchall()


def mimecast_holds(*counts: int, each: int = 30, misbehaving: str = "") -> None:
    """Let a simulated Mimecast hold so many messages, one number after the other, each for some seconds."""
    rows = [f"{number * each}s,Spam,{count}" for number, count in enumerate(counts)]
    (WORK / "held.csv").write_text("\n".join(["time,reason,count", *rows, ""]))
    sh("systemctl", "stop", "alerter-prove-mimecast", may_fail=True)
    simulate = ["simulate", f"--port={MIMECAST}", f"--scenario={WORK}/held.csv"]
    simulate += [f"--misbehave={misbehaving}"] if misbehaving else []
    background("alerter-prove-mimecast", "/opt/alerter/bin/alerter", *simulate)
    wait("the simulated Mimecast runs", lambda: is_listening(MIMECAST))


def background(unit: str, *command: str) -> None:
    """Run a command as a unit of its own."""
    sh("systemd-run", "--quiet", "--collect", f"--unit={unit}", *command)


def is_listening(port: int) -> bool:
    """Say whether somebody answers on a port of this machine."""
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def configure(text: str = RULES, path: Path = CONFIG) -> None:
    """Write a configuration."""
    path.write_text(text)
    path.chmod(0o644)


def hook() -> str:
    """Return the receiver's URL."""
    return f"json://127.0.0.1:{RECEIVER}/{HOOK_SECRET}"


def keep_secrets(folder: Path = CREDENTIALS) -> None:
    """Put the secrets where the unit takes them from."""
    secrets = {"MIMECAST_CLIENT_ID": CLIENT_ID, "MIMECAST_CLIENT_SECRET": CLIENT_SECRET, "SLACK_URL": hook()}
    for name, value in secrets.items():
        (folder / name).write_text(value + "\n")
        (folder / name).chmod(0o600)


@contextmanager
def overridden(*lines: str) -> Iterator[None]:
    """Add lines to the unit for a while."""
    OVERRIDES.mkdir(parents=True, exist_ok=True)
    (OVERRIDES / "prove.conf").write_text("\n".join(["[Service]", *lines, ""]))
    sh("systemctl", "daemon-reload")
    try:
        yield
    finally:
        shutil.rmtree(OVERRIDES)
        sh("systemctl", "daemon-reload")


def start() -> None:
    """Start the service from whatever state it is in."""
    sh("systemctl", "reset-failed", "alerter", may_fail=True)
    sh("systemctl", "restart", "alerter")


def running() -> str:
    """Return the process of the service, which is started if it does not run."""
    if shown("ActiveState") != "active":
        start()
    return shown("MainPID")


def program(wheel: Path) -> None:
    """Put the program of a wheel in the place of the one that is there."""
    sh(PIP, "install", "-q", "--force-reinstall", "--no-deps", wheel)


def schema() -> object:
    """Return which schema the database has."""
    return stored("SELECT version_num FROM alembic_version")[0][0]


def forget() -> None:
    """Stop the service and forget all that it knew."""
    sh("systemctl", "stop", "alerter")
    for path in REAL_STATE.glob("*"):
        path.unlink()
    (WORK / "taken").unlink(missing_ok=True)


# -- the claims, in the order in which they are shown ---------------------------------------------------------------


def beginning(since: float) -> None:
    """What root stores before the first start is what the service starts with, as its own."""
    expect("the folder is root's own", found=(STATE.is_symlink(), STATE.stat().st_uid), wanted=(False, 0))
    sh("alerter", "poll", may_fail=True)
    sh("alerter", "silence", "add", "--reason", "Nothing", "--for", "1h", "--comment", "before the first start")
    polls = stored("SELECT sum(polls) FROM coverage")
    expect("polled", found=polls != [(None,)])
    start()
    owners = {path.stat().st_uid for path in (REAL_STATE, *REAL_STATE.iterdir())}
    expect("all of it is the service's", found=len(owners) == 1 and 0 not in owners)
    expect("it goes on from there", found=stored("SELECT sum(polls) FROM coverage") > polls)
    expect("the silence is known", found="before the first start" in sh("alerter", "silence", "list"))
    expect("nothing failed meanwhile", found="Traceback" in log(since=since), wanted=False)
    forget()


def trespass(since: float) -> None:
    """Root's commands act as the service's user in its data: no link is followed, and no file becomes root's."""
    pid = running()
    user = REAL_STATE.stat().st_uid
    sh("alerter", "silence", "add", "--reason", "Nothing", "--for", "1h", "--comment", "c")
    sh("alerter", "db", "backup", STATE / "copy.db")
    sh("systemctl", "stop", "alerter")
    victim = WORK / "shadow"
    victim.write_text("root's own")
    lock = REAL_STATE / "alerter.db.lock"
    lock.unlink()
    lock.symlink_to(victim)
    os.lchown(lock, user, user)
    refused = sh("alerter", "poll", may_fail=True)
    expect("the link is named", found="expected a file, found a link" in refused)
    expect("what it leads to", found=victim.read_text(), wanted="root's own")
    lock.unlink()
    sh("alerter", "poll", may_fail=True)
    expect("owners", found={path.lstat().st_uid for path in REAL_STATE.iterdir()}, wanted={user})
    start()
    expect("it runs again", found=shown("MainPID") not in ("0", pid))
    expect("nothing failed meanwhile", found="Traceback" in log(since=since), wanted=False)


def refusal(since: float) -> None:
    """A wrong configuration is refused at the start, with its lines in the journal, and not tried again."""
    configure(RULES.replace("above", "abvoe").replace("10s", "1s"))
    code = subprocess.run(["systemctl", "start", "alerter"], capture_output=True, check=False).returncode
    expect("systemctl start fails", found=code != 0)
    expect("exit code", found=shown("ExecMainStatus"), wanted="2")
    expect("state", found=(shown("ActiveState"), shown("NRestarts")), wanted=("failed", "0"))
    for line in (3, 13):
        expect(f"line {line} in the journal", found=f"{CONFIG}:{line}: " in log(since=since))
    configure()


def readiness(since: float) -> None:
    """`systemctl start` returns when every tenant was polled, and the status says so."""
    start()
    lines = log(since=since).splitlines()
    polled = next(number for number, line in enumerate(lines) if "poll succeeded tenant=acme" in line)
    started = next(number for number, line in enumerate(lines) if "Started alerter.service" in line)
    expect("polled before it was started", found=polled < started)
    expect("status", found=status().startswith("tenants: 1; last poll "))
    expect("watchdog", found=shown("WatchdogUSec"), wanted="2min 30s")


def hanging(since: float) -> None:
    """A Mimecast that does not answer delays the start by half a minute, and does not keep it from succeeding."""
    mimecast_holds(100, misbehaving="timeout")
    start()
    expect("status", found="cannot be polled: acme (timeout)" in status())
    expect("the cause is in the log", found="poll failed tenant=acme cause=timeout" in log(since=since))
    mimecast_holds(100)


def alarm(since: float) -> None:
    """A limit that is passed is told once, and `alerter status` of root beside the service shows it."""
    mimecast_holds(300)
    start()
    wait("the receiver was told", taken)
    expect("told once", found=len(taken()), wanted=1)
    seen = sh("alerter", "status", may_fail=True)
    expect("alerter status", found="Spam" in seen and "firing" in seen and "300" in seen)
    wait("the status counts it", lambda: "alerts firing: 1 warning; messages undelivered: none" in status())
    expect("in the log", found="delivery sent" in log(since=since))


def secrecy(since: float) -> None:
    """Secrets are read, and are in no environment, command line, journal, status, database or other file."""
    pid = running()
    places = {
        "environment": Path(f"/proc/{pid}/environ").read_text(),
        "command line": Path(f"/proc/{pid}/cmdline").read_text() + sh("ps", "axww"),
        "journal": sh("journalctl", "--no-pager", "-u", "alerter", "-o", "json"),
        "status": sh("systemctl", "show", "alerter"),
        "database": "".join(each.read_bytes().decode("latin-1") for each in REAL_STATE.glob("alerter.db*")),
        "configuration": CONFIG.read_text(),
        "alerter status": sh("alerter", "status", "--json", may_fail=True),
    }
    for place, text in places.items():
        expect(f"a secret in the {place}", found=CLIENT_SECRET in text or HOOK_SECRET in text, wanted=False)
    handed_over = Path("/run/credentials/alerter.service")
    expect("credentials are the service's alone", found=oct(handed_over.stat().st_mode & 0o777), wanted="0o500")
    expect("no core dump", found=shown("LimitCORE"), wanted="0")
    seen_by_nobody = sh("runuser", "-u", "nobody", "--", "alerter", "status", may_fail=True)
    expect("others are told whose the data is", found="permission denied: only root and its service" in seen_by_nobody)
    expect("nothing failed meanwhile", found="Traceback" in log(since=since), wanted=False)


def may_write(pid: str, path: str) -> bool:
    """Say whether the modes of a file or folder let the service write there."""
    there = Path(f"/proc/{pid}/root{path}").stat()
    return bool(there.st_mode & stat.S_IWOTH) or there.st_uid == Path(f"/proc/{pid}").stat().st_uid


def confinement(since: float) -> None:
    """The service has no rights, writes to its data and to folders of its own alone, and executes nothing there."""
    pid = running()
    state = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    rights = [state[name].strip() for name in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp")]
    expect("rights", found=rights, wanted=["0" * 16, "0" * 16, "1", "2"])
    # Of several mounts in one place the last one counts.
    mounts = {
        fields[4]: fields[5] for fields in map(str.split, Path(f"/proc/{pid}/mountinfo").read_text().splitlines())
    }
    writable = {path for path, flags in mounts.items() if "rw" in flags.split(",") and may_write(pid, path)}
    own = {path for path in writable if not path.startswith(("/proc", "/dev"))}
    expect("where it may write", found=own, wanted={"/tmp", "/var/tmp", str(REAL_STATE)})  # noqa: S108 - its own
    expect("where it may execute", found={path for path in writable if "noexec" not in mounts[path]}, wanted=set())
    exposure = sh("systemd-analyze", "security", "--no-pager", "--threshold=12", "alerter")
    expect("exposure", found="Overall exposure level" in exposure)
    expect("nothing was refused that it needs", found="not permitted" in log(since=since), wanted=False)


def reload(since: float) -> None:
    """A reload takes a sound configuration and refuses a wrong one, in the same process; the command tells which."""
    pid = running()
    configure(RULES.replace("above", "abvoe"))
    failed = subprocess.run(["systemctl", "reload", "alerter"], capture_output=True, check=False).returncode
    expect("systemctl reload fails", found=failed != 0)
    wait("the status says so", lambda: status().startswith("configuration rejected at "))
    expect("with its line", found=f"the first at {CONFIG}:13" in status() and f"{CONFIG}:13: " in log(since=since))
    polls = stored("SELECT sum(polls) FROM coverage")
    wait("it goes on polling", lambda: stored("SELECT sum(polls) FROM coverage") > polls)
    configure(RULES.replace("10s", "5m"))
    sh("systemctl", "reload", "alerter")
    wait("the status is well again", lambda: status().startswith("tenants: 1"))
    wait("the watchdog follows the new interval", lambda: shown("WatchdogUSec") == "15min 30s")
    expect("it is in the log", found="reloaded tenants=1" in log(since=since))
    configure()
    sh("systemctl", "reload", "alerter")
    expect("the same process", found=(shown("MainPID"), shown("ActiveState")), wanted=(pid, "active"))


def watchdog(since: float) -> None:
    """A process that stands still is ended by the watchdog, leaves where it stood, and is back."""
    pid = running()
    sh("systemctl", "kill", "--kill-whom=main", "--signal=STOP", "alerter")
    wait("the watchdog ends it", lambda: "Watchdog timeout" in log(since=since), 200)
    wait("it is back", lambda: shown("ActiveState") == "active" and shown("MainPID") not in ("0", pid), 60)
    expect("where it stood is in the log", found="in _wait" in log(since=since))
    wait("and polls", lambda: "poll succeeded tenant=acme" in log(since=since).split("Watchdog timeout")[1])


def full(since: float) -> None:
    """A full disk is the first word of the status, ends in a restart that says why, and passes by itself."""
    forget()
    sh("mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", REAL_STATE)
    try:
        start()
        fill = subprocess.run(["dd", "if=/dev/zero", f"of={REAL_STATE}/filler"], capture_output=True, check=False)
        expect("the disk is full", found=b"No space left" in fill.stderr)
        mimecast_holds(*range(1, 100), each=1)
        wait("the status says so", lambda: status().startswith("DATABASE ERROR, acme not stored: "), 120)
        expect("and why", found="full" in status())
        wait("the log says what is to come", lambda: "the watchdog is not fed any more" in log(since=since), 200)
        wait("it is ended", lambda: "Watchdog timeout" in log(since=since), 60)
        wait("and cannot run, saying why", lambda: "cannot run: " in log(since=since), 60)
        wait("which is no active service", lambda: shown("ActiveState") == "activating", 60)
        (REAL_STATE / "filler").unlink()
        wait("with room again it is back by itself", lambda: shown("ActiveState") == "active", 60)
        wait("and keeps what it sees", lambda: status().startswith("tenants: 1; last poll "), 60)
    finally:
        sh("systemctl", "stop", "alerter")
        sh("umount", REAL_STATE)


def read_only(since: float) -> None:
    """Data that may only be read is said so, again and again, until it may be written."""
    start()
    sh("systemctl", "stop", "alerter")
    sh("mount", "--bind", REAL_STATE, REAL_STATE)
    sh("mount", "-o", "remount,bind,ro", REAL_STATE)
    try:
        sh("systemctl", "start", "alerter", may_fail=True)
        expect("the log says why", found="Read-only file system" in log(since=since))
        wait("it is tried again", lambda: log(since=since).count("cannot run: ") > 1, 60)
    finally:
        sh("umount", REAL_STATE)
    wait("it is back by itself", lambda: shown("ActiveState") == "active", 60)


def kills(since: float) -> None:
    """Twenty kills at random moments lose no alert, and repeat no message but one that was in flight."""
    forget()
    mimecast_holds(*[300, 100] * 60, each=3)
    with overridden("RestartSec=100ms"):
        start()
        for number in range(KILLS):
            time.sleep(random.uniform(0.3, 6))  # noqa: S311 - any moment will do
            kill(f"kill {number + 1}")
        mimecast_holds(100)
        wait("all was delivered", lambda: not stored("SELECT 1 FROM deliveries WHERE sent_at IS NULL"), 120)
        wait("the end was told", lambda: "alerts firing: none" in status() and "undelivered: none" in status(), 60)
    planned = [str(row[0]) for row in stored("SELECT id FROM messages ORDER BY created_at, id")]
    arrived = [next(ref for ref in planned if ref in str(message)) for message in taken()]
    fired = stored("SELECT count(*) FROM transitions WHERE after = 'firing'")[0][0]
    expect("every message arrived, in its order", found=list(dict.fromkeys(arrived)), wanted=planned)
    expect("alerts fired", found=isinstance(fired, int) and fired > 0)
    expect("repeated at most what was in flight", found=len(arrived) - len(planned) <= KILLS)
    expect("the database is whole", found=stored("PRAGMA integrity_check"), wanted=[("ok",)])
    expect("it was killed so often", found=log(since=since).count("code=killed, status=9/KILL"), wanted=KILLS)
    print(f"     {len(planned)} messages for {fired} alerts, {len(arrived) - len(planned)} of them twice")


def kill(which: str) -> None:
    """Kill the service, and wait until it is another process."""
    pid = shown("MainPID")
    sh("systemctl", "kill", "--kill-whom=main", "--signal=KILL", "alerter", may_fail=True)
    wait(f"it is back after {which}", lambda: shown("MainPID") not in ("0", pid), 30)


def instances(since: float) -> None:
    """Two units run side by side, each with its configuration, its secrets and its data."""
    mimecast_holds(300)
    start()
    second = CONFIG.with_name("other.toml")
    sh("alerter", "install", "--instance", "other")
    configure(RULES.replace("tenants.acme", "tenants.other"), second)
    keep_secrets(second.with_name("other.credentials"))
    sh("systemctl", "start", "alerter@other")
    try:
        states = shown("ActiveState"), shown("ActiveState", "alerter@other")
        expect("both run", found=states, wanted=("active", "active"))
        one, other = sh("alerter", "history", "Spam"), sh("alerter", "history", "Spam", "--config", second)
        expect("each has its own data", found=("other" in one, "acme" in other), wanted=(False, False))
        expect("it polls", found="poll succeeded tenant=other" in log(since=since, unit="alerter@other"))
    finally:
        sh("systemctl", "stop", "alerter@other")


def encryption(since: float) -> None:
    """A secret that lies encrypted on the disk is decrypted for the service alone."""
    plain = CREDENTIALS / "MIMECAST_CLIENT_SECRET"
    sealed = CREDENTIALS.with_name("credentials.encrypted") / plain.name
    sh("systemd-creds", "encrypt", f"--name=encrypted_{plain.name}", "-", sealed, text=plain.read_text())
    plain.unlink()
    sh("systemctl", "stop", "alerter")
    expect("it is not readable on the disk", found=CLIENT_SECRET in sealed.read_text(), wanted=False)
    refused = sh("alerter", "check-config", may_fail=True)
    expect("a command says why", found="is encrypted, and can be read only while the service runs" in refused)
    start()
    expect("the service uses it", found="poll succeeded tenant=acme" in log(since=since))
    expect("and so do root's commands now", found="sound" in sh("alerter", "check-config"))
    sealed.unlink()
    keep_secrets()


def upgrade(since: float) -> None:
    """An upgrade keeps a copy of an older database, and tells nobody again what they know."""
    forget()
    mimecast_holds(300)
    # The older program may not know credentials from folders, nor how to talk to systemd.
    literal = RULES.replace("${MIMECAST_CLIENT_ID}", CLIENT_ID).replace("${MIMECAST_CLIENT_SECRET}", CLIENT_SECRET)
    configure(literal.replace("${SLACK_URL}", hook()))
    program(WHEELS["old"])
    with overridden(*AS_BEFORE):
        start()
        wait("the older alerter told it", taken)
        sh("systemctl", "stop", "alerter")
    before = schema()
    program(WHEELS["new"])
    sh("/opt/alerter/bin/alerter", "install")
    start()
    expect("the schema is another one", found=before != schema())
    expect("a copy is kept", found=(STATE / f"alerter.db.{before}.bak").is_file())
    expect("it is in the log", found=f"upgraded from {before} to {schema()}" in log(since=since))
    wait("it polls", lambda: status().startswith("tenants: 1; last poll "))
    expect("told once", found=len(taken()), wanted=1)


def downgrade(since: float) -> None:
    """The copy brings the older program back, with all that it knew."""
    sh("systemctl", "stop", "alerter")
    [copy] = STATE.glob("alerter.db.*.bak")
    sh("alerter", "db", "restore", copy)
    program(WHEELS["old"])
    with overridden(*AS_BEFORE):
        start()
        wait("it polls", lambda: "poll succeeded" in log(since=since).rsplit("Started", 1)[-1])
        sh("systemctl", "stop", "alerter")
    expect("told once", found=len(taken()), wanted=1)
    program(WHEELS["new"])
    configure()


def removal(since: float) -> None:
    """What README says to remove leaves nothing behind."""
    del since
    for line in REMOVAL:
        sh("bash", "-c", line)
    found = sh("find", "/etc", "/opt", "/usr", "/var", "-name", "*alerter*", "-not", "-path", "/var/log/*")
    expect("left behind", found=found, wanted="")


CLAIMS = (
    beginning, refusal, readiness, hanging, alarm, secrecy, trespass, confinement, reload, watchdog, full, read_only,
    kills, instances, encryption, upgrade, downgrade,
)  # fmt: skip


# -- around them -----------------------------------------------------------------------------------------------------


def prepare(new: Path) -> None:
    """Install alerter as README says, and start what it talks to."""
    if os.geteuid() != 0 or not Path("/run/systemd/system").is_dir():
        sys.exit("expected to be root on a machine that systemd has booted")
    if CONFIG.parent.exists():
        sys.exit(f"{CONFIG.parent} exists: this is no machine to throw away")
    WORK.mkdir()
    sh("python3", "-m", "venv", "/opt/alerter")
    sh(PIP, "install", "-q", new)
    print(sh("/opt/alerter/bin/alerter", "install"))
    configure()
    keep_secrets()
    background("alerter-prove-receiver", PYTHON, "-c", SINK, str(RECEIVER), str(WORK / "taken"))
    mimecast_holds(100)


def holds(claim: Callable[[float], None]) -> bool:
    """Show one claim; say whether it holds."""
    began = time.time()
    sentence = (claim.__doc__ or "").strip()
    try:
        claim(began - 0.1)
    except Unproven as error:
        print(f"NOT  {claim.__name__}: {sentence}\n     {error}\n{log(since=began, unit='alerter*')}", flush=True)
        return False
    print(f"ok   {claim.__name__}: {sentence} ({time.time() - began:.0f} s)", flush=True)
    return True


def main() -> None:
    """Show all claims, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("new", type=Path, metavar="NEW.whl")
    parser.add_argument("--before", type=Path, metavar="OLD.whl", help="also show an upgrade from this one")
    parser.add_argument("claims", nargs="*", metavar="CLAIM", help=f"of {', '.join(each.__name__ for each in CLAIMS)}")
    asked = parser.parse_intermixed_args()
    prepare(asked.new)
    WHEELS.update({"new": asked.new} | ({"old": asked.before} if asked.before else {}))
    shown_alone = asked.claims or [each.__name__ for each in CLAIMS]
    claims = [each for each in CLAIMS if each.__name__ in shown_alone]
    if not asked.before:
        claims = [each for each in claims if each not in (upgrade, downgrade)]
    results = [holds(claim) for claim in claims]
    for unit in ("alerter-prove-mimecast", "alerter-prove-receiver"):
        sh("systemctl", "stop", unit, may_fail=True)
    shutil.rmtree(WORK)
    results.append(holds(removal))
    print(f"{sum(results)} of {len(results)} claims hold")
    sys.exit(not all(results))


if __name__ == "__main__":
    main()
