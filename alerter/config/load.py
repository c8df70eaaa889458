"""From a path and the environment to a `Config`, or to every problem at once. The only reader of the environment.

1. Read the file, and those that it includes, as UTF-8 and as TOML; where that fails, nothing more can be said.
2. Fill in the variables. From here on it is known what is secret, before anything is said of it.
3. Turn each table into its part of the configuration, as far as it is right.
4. Hold the parts against each other. What is unwise is said only where nothing is wrong.
"""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from alerter.config import advice
from alerter.config.files import File, Files
from alerter.config.include import INCLUDE, failure, include, reach_in, read
from alerter.config.models import Config
from alerter.config.paths import load_credentials, state_directory
from alerter.config.problems import Problems
from alerter.config.sections import DATABASE, is_name, is_secret, read_sections
from alerter.config.toml_lines import KeyPath
from alerter.config.trust import ROOT_USER, why_not_trusted
from alerter.config.types import MAX_LISTED, Secret
from alerter.config.urls import database_url, has_scheme, is_plain_local_url, reading_parameter
from alerter.config.variables import (
    OF_INCLUDED,
    WORLD_READABLE,
    Variables,
    VariableScope,
    is_readable_by_everyone,
    iter_texts,
)
from alerter.errors import ConfigError, Problem
from alerter.redaction import Redactor, url_passwords, url_secrets
from alerter.servers import read_server_url

VARIABLE = "ALERTER_CONFIG"
#: In the folder where somebody stands, which may be another's; and where that of the service is.
HERE, USUAL = Path("rules.toml"), Path("/etc/alerter/rules.toml")


def find_config(
    option: Path | None,
    environ: Mapping[str, str] | None = None,
    *,
    say: Callable[[str], None] = lambda _: None,
    uid: int | None = None,
    usual: Path = USUAL,
) -> Path:
    """Return which configuration to read: the option, then $ALERTER_CONFIG, then that of this folder, then the usual.

    Root takes that of this folder only where nobody else may have written it: it can name every file of the machine,
    and send it anywhere.

    Args:
        option: What the user named; it need not exist.
        environ: The environment; None for that of this process.
        say: Called with what is not as one would expect: that another than the usual one is read, or that one is not.
        uid: Who looks; None for the user of this process.
        usual: Where the usual one is.

    Raises:
        ConfigError: Nothing is named, and no place has one that may be used.
    """
    environ = os.environ if environ is None else environ
    if option is not None:
        return option
    if environ.get(VARIABLE):
        return _other_than(usual, Path(environ[VARIABLE]), f"${VARIABLE} names it", say)
    why = _why_passed_over(HERE, uid=os.geteuid() if uid is None else uid) if _is_file(HERE) else None
    if why == "":
        return _other_than(usual, HERE, "it is in this folder", say)
    rule = "root uses of this folder only what nobody else can change"
    skipped_rules = f"; {HERE.absolute()} is passed over, for {why}: {rule}" if why else ""
    if _is_file(usual):
        if skipped_rules:
            say(f"{usual} is used{skipped_rules}; --config {HERE} uses it all the same")
        return usual
    looked = f"no {usual}{skipped_rules}" if why else f"no {HERE} or {usual}"
    raise failure(
        HERE,
        f"no configuration: ${VARIABLE} is not set, and there is {looked}; "
        f"`alerter init` writes one to start from, --config PATH names another",
    )


def _other_than(usual: Path, path: Path, why: str, say: Callable[[str], None]) -> Path:
    """Return a path, and say that it is read in place of the usual one where there is one as well."""
    if _is_file(usual) and not (_is_file(path) and path.samefile(usual)):
        say(f"{path.absolute()} is used and not {usual}: {why}")
    return path


def _why_passed_over(place: Path, *, uid: int) -> str:
    """Return why a file that nobody has named is not to be used; empty where it is.

    Nobody who could replace the file between this look and the next one passes it.
    """
    if uid != ROOT_USER:
        return ""
    try:
        return why_not_trusted(place, uid=uid)
    except OSError as error:
        return f"it cannot be looked at ({error.strerror or error})"


def _is_file(place: Path) -> bool:
    """Say whether there is a file; there is none in a folder into which this user may not look, as after `sudo -u`."""
    return os.path.isfile(place)  # noqa: PTH113 - `Path.is_file` raises where it may not look, or the name is too long


def load_config(
    path: Path,
    environ: Mapping[str, str] | None = None,
    *,
    redactor: Redactor | None = None,
    may_lack_secrets: bool = False,
    only_receiver: str | None = None,
    only_own: bool = False,
    check_url: Callable[[str], str] = lambda _: "",
    check_picture: Callable[[str], str] = lambda _: "",
) -> Config:
    """Return the configuration that a file holds, with those that it includes.

    Args:
        path: The file.
        environ: Where variables come from; None for the environment of this process.
        redactor: Gets to know what is secret, also of a configuration that is refused; None for one of its own.
        may_lack_secrets: Whether keys and URLs that cannot be read are no error: for those who neither poll nor send.
            What stands in their place in the configuration is of no use.
        only_receiver: The one receiver whose URLs are needed, and no other secret; None for all secrets.
        only_own: Whether only files are read that belong, with their folders, to root or to the user of this process:
            for those who read without having been asked to.
        check_url: Return why a message cannot be sent to a URL, without the network; empty where it can.
        check_picture: The same for the picture of a message.

    Raises:
        ConfigError: It cannot be read or is wrong; with every problem of it, in the files' order.
    """
    environ = os.environ if environ is None else environ
    files = Files(read(path, only_own=only_own))
    problems = Problems(files)
    credentials = load_credentials(path, environ)
    variables = Variables(
        environ,
        credentials,
        reach_in(files),
        problems,
        is_name=is_name,
        may_lack=lambda place: _may_lack(place, may_lack_secrets=may_lack_secrets, only_receiver=only_receiver),
        only_own=only_own,
    )
    include(files, variables, problems, only_own=only_own)
    tree = {key: variables.substitute(value, (key,)) for key, value in files.tree.items()}
    redactor = Redactor() if redactor is None else redactor
    redactor.add(*_secrets_in(tree, problems, but_for=variables.lacking), *_secrets_of_proxies(environ))
    _check_included_urls(tree, files, problems)
    _check_urls(tree, problems, check_url, but_for=variables.lacking)
    sections = read_sections(tree, problems, state_folder=state_directory(path, environ))
    if problems.errors:
        raise ConfigError(_redacted(problems.errors, redactor))
    config = sections.put_together(path)
    _warn_of_modes(config, files, problems, remedy=credentials.remedy)
    _warn_of_wire(config, environ, problems)
    _warn_of_charts(config, check_picture, problems)
    advice.warn(config, dict(enumerate(config.rules[: len(sections.rules)])), problems)
    return replace(
        config,
        warnings=_redacted(problems.warnings, redactor),
        files=tuple(map(_path_of, files.all)),
        credential_files=tuple(variables.files),
    )


def find_database(written: str, path: Path, environ: Mapping[str, str] | None = None, *, redactor: Redactor) -> str:
    """Return the URL of a database that somebody names as a configuration would, with `${NAME}` for what is secret.

    Args:
        written: What would stand at `database`; `${file:PATH}` is relative to this process's folder.
        path: The configuration beside which it would stand, which was loaded before.
        environ: Where variables come from; None for the environment of this process.
        redactor: Gets to know its password.

    Raises:
        ValueError: It names none; the text does not show it.
    """
    environ = os.environ if environ is None else environ
    problems = Problems(Files(read(path)))
    variables = Variables(environ, load_credentials(path, environ), lambda _: VariableScope(folder=Path()), problems)
    url = str(variables.substitute(written, DATABASE))
    redactor.add(*url_passwords(url))
    if problems.errors:
        raise ValueError(problems.errors[0].text)
    return database_url(url, state_directory(path, environ))


def _secrets_in(tree: Mapping[str, object], problems: Problems, *, but_for: Collection[KeyPath]) -> Iterator[str]:
    """Yield what must not be shown, also of a configuration that is wrong, but for places where nothing is known."""
    for path, text in iter_texts(dict(tree)):
        match path:
            case _ if not is_secret(path) or problems.is_wrong(path) or path in but_for:
                pass  # What is wrong so early is a variable that stands for nothing; its name may be shown.
            case ("service", "database"):
                yield from url_passwords(text)
            case ("tenants", *_):
                yield text
            case ("service", "heartbeat_headers", *_):
                # A kind of login stands before the secret: "Bearer …", "GenieKey …".
                yield from (text, text.split()[-1]) if text.strip() else ()
            case _:
                yield from url_secrets(text)


def _check_included_urls(tree: Mapping[str, object], files: Files, problems: Problems) -> None:
    """Say which receivers of included files would read a file of this machine, wherever it is."""
    for path, text in iter_texts(tree.get("receivers"), ("receivers",)):
        if files.locate(path)[0] is not files.main and (name := reading_parameter(text)):
            problems.error(path, f"expected no {name!r} in a file that is included: it names a file to be read")


def _may_lack(place: KeyPath, *, may_lack_secrets: bool, only_receiver: str | None) -> bool:
    """Return True if what stands at a place is a secret that is not needed."""
    if not is_secret(place):
        return False
    if only_receiver is not None:
        return place[:2] != ("receivers", only_receiver)
    return may_lack_secrets and place != DATABASE


def _check_urls(
    tree: Mapping[str, object], problems: Problems, check_url: Callable[[str], str], *, but_for: Collection[KeyPath]
) -> None:
    """Say which URLs of receivers no message can be sent to; one of another form than a URL is found later."""
    for path, text in iter_texts(tree.get("receivers"), ("receivers",)):
        is_url = path[2:3] == ("urls",) and has_scheme(text)
        if is_url and path not in but_for and not problems.is_wrong(path) and (why := check_url(text)):
            problems.error(path, why)


def _warn_of_charts(config: Config, check_picture: Callable[[str], str], problems: Problems) -> None:
    """Say where messages go without the pictures that a receiver wants."""
    for each in config.receivers:
        path: KeyPath = ("receivers", each.receiver.name)
        whys = [check_picture(target.url) if each.receiver.charts else "" for target in each.targets]
        if all(whys) and len(set(whys)) == 1:
            problems.warn((*path, "charts"), f"messages go without a picture: {whys[0]}")
            continue
        for number, why in enumerate(whys):
            if why:
                problems.warn((*path, "urls", number), f"messages to it go without a picture: {why}")


def _secrets_of_proxies(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the passwords of the proxies that the libraries find in the environment."""
    for name, value in environ.items():
        if name.lower() in {"http_proxy", "https_proxy", "all_proxy"}:
            yield from url_passwords(value)


def _redacted(problems: tuple[Problem, ...], redactor: Redactor) -> tuple[Problem, ...]:
    return tuple(
        replace(problem, text=redactor.redacted(problem.text), source=redactor.redacted(problem.source))
        for problem in problems
    )


def _warn_of_modes(config: Config, files: Files, problems: Problems, *, remedy: str) -> None:
    """Say which files hold a secret and may be read by everyone."""
    of_file = () if isinstance(config.service.database, Secret) else (DATABASE,)
    text = f"a secret stands in a file that {WORLD_READABLE}: {remedy}"
    open_files = [(file, place) for file in files.all if (place := _open_secret(file, but_for=of_file))]
    for file, place in open_files[:MAX_LISTED]:
        problems.warn_in(file, place, text if file is files.main else f"{text}, {OF_INCLUDED}")
    if more := open_files[MAX_LISTED:]:
        problems.warn((INCLUDE,), f"{text}; so do {len(more):,} more files that are included")


def _warn_of_wire(config: Config, environ: Mapping[str, str], problems: Problems) -> None:
    """Say where a database's server need not prove who it is; libpq looks into the environment for what is not said."""
    url = config.service.database
    if not isinstance(url, Secret) or not (read := read_server_url(url)).is_exposed(sslmode=environ.get("PGSSLMODE")):
        return
    named = ", ".join(read.remote_hosts())
    text = (
        f"nothing proves that it is {named} who answers, and reads counts and alerts: add "
        "?sslmode=verify-full&sslrootcert=FILE, the file of the authority that signed its certificate"
    )
    problems.warn(DATABASE, text)


def _path_of(file: File) -> Path:
    return file.folder / Path(file.name).name


def _open_secret(file: File, *, but_for: Collection[KeyPath]) -> KeyPath | None:
    """Return where a secret stands in a file that everyone may read, or None."""
    if not is_readable_by_everyone(_path_of(file)):
        return None
    written = (
        place
        for place, text in iter_texts(dict(file.tables))
        if is_secret(place) and "${" not in text and not is_plain_local_url(text)
    )
    return next((place for place in written if place not in but_for), None)
