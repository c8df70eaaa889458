"""What `${NAME}` and `${file:PATH}` stand for."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from alerter.config.files import File, Files
from alerter.config.paths import Credentials, load_credentials
from alerter.config.problems import Problems
from alerter.config.toml_lines import KeyPath
from alerter.config.variables import Variables, VariableScope
from alerter.humanize import escaped


def problems_of(tables: Mapping[str, object]) -> Problems:
    """Return what takes the problems of one file."""
    return Problems(Files(File(name="rules.toml", folder=Path(), text="key = 1", tables=tables)))


def here(_: KeyPath) -> VariableScope:
    """Return what the references of the main file may stand for."""
    return VariableScope(folder=Path())


NO_CREDENTIALS = Credentials(absence="$CREDENTIALS_DIRECTORY is not set")


def filled_in(
    text: str,
    environ: Mapping[str, str] | None = None,
    *,
    folder: Path = Path(),
    credentials: Path | None = None,
) -> tuple[object, list[str], list[str]]:
    """Return a text with its variables filled in, the errors, and the warnings."""
    problems = problems_of({"key": text})
    handed_over = NO_CREDENTIALS
    if credentials is not None:
        handed_over = load_credentials(Path("rules.toml"), {"CREDENTIALS_DIRECTORY": str(credentials)})
    value = Variables(environ or {}, handed_over, lambda _: VariableScope(folder=folder), problems).substitute(
        text, ("key",)
    )
    return value, [str(each) for each in problems.errors], [str(each) for each in problems.warnings]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("plain", "plain", id="a text without variables"),
        pytest.param("${NAME}", "value", id="a variable"),
        pytest.param("slack://${NAME}/${OTHER}", "slack://value/other", id="several in one text"),
        pytest.param("${OTHER}${NAME}", "othervalue", id="side by side"),
        pytest.param("$NAME", "$NAME", id="without braces it is none"),
        pytest.param("$${NAME}", "${NAME}", id="a doubled dollar stands for itself"),
        pytest.param("p$$w$", "p$$w$", id="dollars without braces stay"),
        pytest.param("${NESTED}", "${NAME}", id="what is filled in is not looked through again"),
        pytest.param("${PADDED}", "value", id="white space around is dropped"),
        pytest.param("${a.b-c}", "dotted", id="names of credentials have dots and dashes"),
    ],
)
def test_variables_are_filled_in(text: str, value: str) -> None:
    """Any text may name variables, alone or among other text."""
    environ = {"NAME": "value", "OTHER": "other", "NESTED": "${NAME}", "PADDED": " value\t\n", "a.b-c": "dotted"}

    assert filled_in(text, environ) == (value, [], [])


def test_every_text_of_a_tree_is_filled_in() -> None:
    """Lists and tables are looked through; numbers, truths and keys stay as they are."""
    problems = problems_of({})
    tree = {"${A}": ["${A}", 1, {"b": "${A}", "c": True}]}

    found = Variables({"A": "x"}, NO_CREDENTIALS, here, problems).substitute(tree)

    assert found == {"${A}": ["x", 1, {"b": "x", "c": True}]}


def test_a_credential_comes_before_the_environment(tmp_path: Path) -> None:
    """The service manager's credential of a name wins, without the line break at its end."""
    (tmp_path / "NAME").write_text("credential\n")

    found = filled_in("${NAME}-${OTHER}", {"NAME": "value", "OTHER": "other"}, credentials=tmp_path)

    assert found == ("credential-other", [], [])


def test_of_a_credential_one_line_break_is_dropped(tmp_path: Path) -> None:
    """What follows a variable stands on its line, also where an editor of Windows wrote the file."""
    (tmp_path / "A").write_bytes(b"a\r\n")
    (tmp_path / "B").write_bytes(b"b\n\n")

    value, _, _ = filled_in("${A}-${B}-c", credentials=tmp_path)

    assert value == "a-b\n-c"


def test_a_missing_variable_names_all_places(tmp_path: Path) -> None:
    """The error says where the credential would be, and how the environment variable is called."""
    _, errors, _ = filled_in("${NAME}", {"NAMES": "x"}, credentials=tmp_path)

    (error,) = errors
    assert error == (
        f"rules.toml:1: key: NAME is not set: there is no credential {tmp_path}/NAME, "
        "and there is no environment variable NAME, did you mean 'NAMES'?"
    )


def test_a_credential_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Binary content is an error, and is not shown."""
    (tmp_path / "NAME").write_bytes(b"\xff\xfe")

    _, errors, _ = filled_in("${NAME}", credentials=tmp_path)

    assert errors == ["rules.toml:1: key: the credential NAME is not UTF-8 text"]


@pytest.mark.parametrize(
    ("files", "value"),
    [
        pytest.param(["plain_NAME"], "plain_NAME", id="from the folder of plain ones"),
        pytest.param(["encrypted_NAME"], "encrypted_NAME", id="from the folder of encrypted ones"),
        pytest.param(
            ["plain_NAME", "encrypted_NAME"], "encrypted_NAME", id="what was encrypted, and its plain file left"
        ),
        pytest.param(["plain_NAME", "encrypted_NAME", "NAME"], "NAME", id="of just this name"),
    ],
)
def test_a_credential_that_comes_from_a_folder_is_found(files: list[str], value: str, tmp_path: Path) -> None:
    """Before a file's name stands the folder's; the configuration need not know how a secret is kept."""
    for name in files:
        (tmp_path / name).write_text(name)

    assert filled_in("${NAME}", credentials=tmp_path) == (value, [], [])


def test_a_file_is_relative_to_the_configuration(tmp_path: Path) -> None:
    """`${file:PATH}` is looked for beside the file that names it."""
    (tmp_path / "key").write_text("secret\n")
    (tmp_path / "key").chmod(0o600)

    assert filled_in("${file:key}", folder=tmp_path) == ("secret", [], [])
    assert filled_in(f"${{file:{tmp_path}/key}}") == ("secret", [], [])


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    """A secret that was never written into its file is noticed."""
    (tmp_path / "key").write_text("\n")

    _, errors, _ = filled_in("${file:key}", folder=tmp_path)

    assert errors == [f"rules.toml:1: key: the file {tmp_path}/key is empty"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        pytest.param("missing", "no such file or directory", id="a missing file"),
        pytest.param("", "is a directory", id="a folder"),
        pytest.param("a\0b", "embedded null byte", id="a path that no file can have"),
    ],
)
def test_a_file_that_cannot_be_read_is_said_so(path: str, reason: str, tmp_path: Path) -> None:
    """The error names the file and the system's reason."""
    _, errors, _ = filled_in(f"${{file:{path}}}", folder=tmp_path)

    assert errors == [f"rules.toml:1: key: the file {escaped(str(tmp_path / path))} cannot be read: {reason}"]


def test_a_secret_file_that_everyone_may_read_is_a_warning(tmp_path: Path) -> None:
    """It is used all the same, and the warning says how to mend it."""
    (tmp_path / "key").write_text("secret\n")
    (tmp_path / "key").chmod(0o644)

    value, errors, warnings = filled_in("${file:key}", folder=tmp_path)

    assert (value, errors) == ("secret", [])
    assert warnings == [f"rules.toml:1: key: everyone may read the file {tmp_path}/key: chmod o-r, or write ${{NAME}}"]


def test_nothing_more_is_said_of_a_value_that_is_missing() -> None:
    """One mistake is one error: what a value must be is not said where there is none."""
    problems = problems_of({})
    Variables({}, NO_CREDENTIALS, here, problems).substitute("${NAME}", ("key",))

    problems.error(("key",), "expected a duration")

    assert len(problems.errors) == 1


@pytest.mark.parametrize(
    ("place", "text", "value"),
    [
        pytest.param(("tenants", "acme", "secret_key"), "${KEY}", "absent==", id="a key is of the form of all keys"),
        pytest.param(("receivers", "a", "urls", 0), "${URL}", "absent://unknown", id="a URL is one"),
        pytest.param(("service", "heartbeat_url"), "${URL}", "https://absent==", id="of the web where it must be"),
        pytest.param(
            ("receivers", "a", "urls", 0), "mailtos://me:${PASSWORD}@host", "mailtos://me:absent==@host",
            id="what is known of a URL stays",
        ),
        pytest.param(("receivers", "a", "urls", 0), "json://${HOST}", "json://known", id="what is known is filled in"),
        pytest.param(("tenants", "acme", "client_id"), "${file:nowhere}", "absent==", id="a file that cannot be read"),
    ],
)  # fmt: skip
def test_who_only_looks_may_lack_secrets(place: KeyPath, text: str, value: str) -> None:
    """A key or a URL that cannot be read is stood in for by something of its form, and is no error."""
    problems = problems_of({})
    variables = Variables({"HOST": "known"}, NO_CREDENTIALS, here, problems, may_lack=lambda _: True)

    assert variables.substitute(text, place) == value
    assert problems.errors == ()
    assert variables.lacking == ({place} if "absent" in value else set())


def test_who_only_looks_is_told_of_mistakes_all_the_same() -> None:
    """What is wrong in the file is wrong for everybody."""
    problems = problems_of({})
    Variables({}, NO_CREDENTIALS, here, problems, may_lack=lambda _: True).substitute("${NAME", ("key",))

    assert len(problems.errors) == 1
