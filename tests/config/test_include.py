"""A configuration in several files: as if it stood in one, but for where its errors are."""

from collections.abc import Callable, Mapping
from os import mkfifo
from pathlib import Path

import pytest

from alerter.config import Config, load_config
from alerter.config.include import INCLUDE
from alerter.config.trust import OutsideError, bytes_of
from alerter.config.types import MAX_LISTED
from alerter.errors import ConfigError

MAIN = """include = ["tenants.d/*.toml"]

[receivers.secops]
urls = ["json://localhost"]

[[rules]]
name = "Backlog"
warning = { threshold = { above = 200 } }
"""

ONLY = "expected only tenants, receivers, mute_windows, routes, rules in a file that is included"
OWN_NAME = "expected a name of its own"


def a_tenant(name: str, *more: str) -> str:
    """Return a tenant's table."""
    return "\n".join(
        (f"[tenants.{name}]", f'client_id = "id-of-{name}"', f'client_secret = "key-of-{name}"', *more, "")
    )


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, so that files have short names."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(
    files: Mapping[str, str], *, main: str = MAIN, environ: Mapping[str, str] | None = None, mode: int = 0o600
) -> Config:
    """Return what a main file, and files in tenants.d by their names, hold."""
    Path("tenants.d").mkdir(exist_ok=True)
    written = {Path("rules.toml"): main} | {Path("tenants.d", name): text for name, text in files.items()}
    for path, text in written.items():
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
    return load_config(Path("rules.toml"), environ or {})


def problems_of(files: Mapping[str, str], *, main: str = MAIN) -> list[str]:
    """Return every problem that is reported of such files."""
    with pytest.raises(ConfigError) as caught:
        load(files, main=main)
    return [str(problem) for problem in caught.value.problems]


def test_files_are_taken_in_sorted_and_each_once() -> None:
    """What several globs match counts once; what begins with a dot, as editors leave it, does not count."""
    main = MAIN.replace('"tenants.d/*.toml"', '"tenants.d/b*.toml", "tenants.d/*.toml", "*.toml"')
    files = {"c.toml": a_tenant("c"), "a.toml": a_tenant("a"), "b.toml": a_tenant("b"), ".#a.toml": "none of ours"}

    config = load(files, main=main)

    assert list(config.tenants) == ["b", "a", "c"]


def test_an_included_file_may_hold_whatever_belongs_to_its_tenants() -> None:
    """Tenants, receivers, routes, rules and mute windows, which may refer to those of other files."""
    main = MAIN + '[[routes]]\nreceivers = ["secops"]\n' + a_tenant("here")
    more = """
[receivers.acme]
urls = ["json://acme.example"]
fallback = "secops"

[[routes]]
receivers = ["acme"]
tenants = ["acme"]
mute_windows = ["nights"]

[[rules]]
name = "Acme"
tenants = ["acme"]
mute_windows = ["nights"]
critical = { threshold = { above = 9 } }

[mute_windows.nights]
from = "18:00"
to = "08:00"
"""

    config = load({"acme.toml": a_tenant("acme") + more}, main=main)

    assert list(config.tenants) == ["here", "acme"]
    assert [each.receiver.name for each in config.receivers] == ["secops", "acme"]
    assert [route.receivers for route in config.routes] == [("secops",), ("acme",)]
    assert [rule.name for rule in config.rules] == ["Backlog", "Acme", "No data"]
    assert set(config.windows_by_rule) == {"Acme"}
    assert config.warnings == ()


def test_all_of_a_configuration_may_be_included(folder: Path) -> None:
    """The main file needs nothing but `include`; a path may be absolute, and folders may be gone through."""
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "a.toml").write_text(a_tenant("a"))
    (folder / "receivers.toml").write_text(MAIN.partition("\n")[2])

    config = load({}, main=f'include = ["{folder}/deep/**/*.toml", "receivers.toml"]')

    assert list(config.tenants) == ["a"]
    assert config.path == Path("rules.toml")


def test_an_empty_file_matches() -> None:
    """So that the first tenant can be added, and the last one removed, without a change of the main file."""
    assert list(load({"none.toml": "# none yet\n"}, main=MAIN + a_tenant("here")).tenants) == ["here"]


def test_the_paths_of_a_file_are_relative_to_it() -> None:
    """A secret stands beside the tenant that it is for, whichever file includes it."""
    Path("tenants.d").mkdir()
    for path in (Path("tenants.d/acme.key"), Path("globex.key")):
        path.write_text(f"key in {path.parent}\n".replace(" ", "-"))
        path.chmod(0o600)
    acme = a_tenant("acme").replace("key-of-acme", "${file:acme.key}")
    main = MAIN + a_tenant("globex").replace("key-of-globex", "${file:globex.key}")

    config = load({"acme.toml": acme}, main=main)

    secrets = [tenant.client_secret for tenant in config.tenants.values()]
    assert secrets == ["key-in-.", "key-in-tenants.d"]


def test_what_is_included_may_hang_on_a_variable() -> None:
    """`include` is a setting like any other."""
    config = load({"a.toml": a_tenant("a")}, main=MAIN.replace("tenants.d", "${WHERE}"), environ={"WHERE": "tenants.d"})

    assert list(config.tenants) == ["a"]


@pytest.mark.parametrize(
    ("files", "problems"),
    [
        pytest.param(
            {"a.toml": a_tenant("a", 'poll_intervall = "5m"'), "b.toml": "\n" + a_tenant("b", 'region = "mars"')},
            [
                "tenants.d/a.toml:4: tenants.a.poll_intervall: unknown key, did you mean 'poll_interval'?",
                "tenants.d/b.toml:5: tenants.b.region: expected a region of API 2.0, ",
            ],
            id="each error names its file and line",
        ),
        pytest.param(
            {"a.toml": "[tenants.a", "b.toml": "b = '", "c.toml": a_tenant("c", "region = 1")},
            ["tenants.d/a.toml:1: expected TOML, found an error", "tenants.d/b.toml:1: expected TOML, found an error"],
            id="all files that are no TOML are named",
        ),
        pytest.param(
            {"a.toml": a_tenant("acme"), "b.toml": "\n\n" + a_tenant("acme")},
            [
                f"tenants.d/b.toml:3: tenants.acme: {OWN_NAME}: 'acme' is taken since tenants.d/a.toml:1",
            ],
            id="a tenant in two files",
        ),
        pytest.param(
            {"a.toml": a_tenant("Here")},
            ["tenants.d/a.toml:1: tenants.Here: expected a name of its own: 'Here' is taken since rules.toml:10"],
            id="a tenant that differs from that of another file in case alone",
        ),
        pytest.param(
            {"a.toml": a_tenant("a") + a_tenant("A")},
            ["tenants.d/a.toml:4: tenants.A: expected a name of its own: 'A' is taken since line 1"],
            id="a tenant twice in one file",
        ),
        pytest.param(
            {"a.toml": '\n[[rules]]\nname = "BACKLOG"\nwarning = { threshold = { above = 1 } }\n'},
            [f"tenants.d/a.toml:3: rules[BACKLOG].name: {OWN_NAME}: 'BACKLOG' is taken since rules.toml:7"],
            id="a rule in two files",
        ),
        pytest.param(
            {"a.toml": '[[routes]]\nreceivers = ["secops"]\n[[routes]]\nreceivers = ["secosp"]\n'},
            ["tenants.d/a.toml:4: routes[#2].receivers[#1]: expected a receiver, \"secops\", found 'secosp'"],
            id="what has no name is counted in its file",
        ),
        pytest.param(
            {"a.toml": '[service]\nretention = "1d"\n', "b.toml": 'include = ["*.toml"]\n[tenant.b]\n'},
            [
                f"tenants.d/a.toml:1: service: {ONLY}",
                f"tenants.d/b.toml:1: include: {ONLY}",
                f"tenants.d/b.toml:2: tenant: {ONLY}",
            ],
            id="the service, and what is included, belong into the main file",
        ),
        pytest.param(
            {"a.toml": "[[tenants]]\nx = 1\n[rules]\n", "b.toml": "[tenants]\nb = 1\n"},
            [
                "tenants.d/a.toml:1: tenants: expected a table for each, [tenants.NAME], found another form",
                "tenants.d/a.toml:3: rules: expected [[rules]] in two brackets, found another form",
                "tenants.d/b.toml:2: tenants.b: expected a table for each, [tenants.NAME], found a number",
            ],
            id="sections of another form",
        ),
        pytest.param(
            {"a.toml": a_tenant("a").replace("id-of-a", "${file:none}")},
            ["tenants.d/a.toml:2: tenants.a.client_id: the file {folder}/tenants.d/none cannot be read"],
            id="a file that is not there",
        ),
        pytest.param(
            {"a.toml": '[receivers.a]\nurls = ["json://host/?a=1&%74emplate=/etc/shadow"]\n'},
            ["tenants.d/a.toml:2: receivers.a.urls[#1]: expected no '%74emplate' in a file that is included: it names"],
            id="a URL with which a file would be read",
        ),
    ],
)
def test_errors_name_the_file_and_the_line(files: dict[str, str], problems: list[str], folder: Path) -> None:
    """Every error of every file is reported at once, main file first, and duplicates name both places."""
    found = problems_of(files, main=MAIN + "\n" + a_tenant("here"))

    assert len(found) == len(problems), found
    for text, beginning in zip(found, problems, strict=True):
        assert text.startswith(beginning.replace("{folder}", str(folder)))


def test_a_section_of_the_main_file_in_another_form_is_its_own_error() -> None:
    """What is included is not blamed for it, nor in its way."""
    main = MAIN.replace("[[rules]]", "[rules]") + "[[receivers2]]\n"
    rule = '[[rules]]\nname = "B"\nwarning = { threshold = { above = 1 } }\n'

    found = problems_of({"a.toml": a_tenant("a") + rule}, main=main)

    assert [text.partition(": expected")[0] for text in found][:1] == ["rules.toml:6: rules"]
    assert len(found) == 2


def test_a_file_that_cannot_be_read_is_said_so() -> None:
    """A folder that ends in .toml is no file."""
    Path("tenants.d/a.toml").mkdir(parents=True)

    assert problems_of({}) == ["tenants.d/a.toml: cannot be read: is a directory"]


def test_two_stars_find_each_folder_once(folder: Path) -> None:
    """Also by way of a link; two links to the folder itself are a maze of a billion ways."""
    (folder / "elsewhere" / "deep").mkdir(parents=True)
    (folder / "elsewhere" / "deep" / "b.toml").write_text(a_tenant("globex"))
    (folder / "tenants.d" / ".hidden").mkdir(parents=True)
    (folder / "tenants.d" / ".hidden" / "no.toml").write_text("no TOML")
    for name, target in {"one": ".", "two": ".", "link": "../elsewhere"}.items():
        (folder / "tenants.d" / name).symlink_to(target)

    for glob in ("tenants.d/**/*.toml", f"{folder}/tenants.d/**/*.toml", "tenants.*/**/**/*.toml"):
        config = load({"a.toml": a_tenant("acme")}, main=MAIN.replace("tenants.d/*.toml", glob))
        assert list(config.tenants) == ["acme", "globex"]
        assert config.files[1:] == (folder / "tenants.d/a.toml", folder / "tenants.d/link/deep/b.toml")


def test_a_circle_of_links_is_no_file_to_read(folder: Path) -> None:
    """It is an error of the file that names it, not the end of the service that reads that again."""
    (folder / "tenants.d").mkdir()
    (folder / "tenants.d" / "loop").symlink_to("loop")
    text = a_tenant("acme").replace('"key-of-acme"', '"${file:loop}"')

    (problem,) = problems_of({"acme.toml": text})

    assert problem.startswith("tenants.d/acme.toml:3: tenants.acme.client_secret: the file ")
    assert problem.endswith("/tenants.d/loop cannot be read: too many levels of symbolic links")


def test_the_name_of_an_included_file_moves_no_cursor() -> None:
    """Nor begins a line of its own: whoever may write to the folder chooses it, and root reads it on a terminal."""
    hostile = "a\x1b]0;b\x07\u202e\nrules.toml: sound.toml"

    assert problems_of({hostile: '[tenants.acme]\n"\\u202e" = 1\n'})[0].startswith(
        r"tenants.d/a\x1b]0;b\x07\u202e\nrules.toml: sound.toml:1: tenants.acme"
    )
    assert all(problem.isprintable() for problem in problems_of({hostile: '[tenants.acme]\n"\\u202e" = 1\n'}))


@pytest.mark.parametrize("make", [mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["a pipe", "a device"])
def test_what_is_included_is_no_pipe_and_no_device(make: Callable[[Path], None]) -> None:
    """Whoever may write to the folder must not keep the service waiting for ever, or fill its memory."""
    Path("tenants.d").mkdir()
    make(Path("tenants.d/a.toml"))

    assert problems_of({}) == ["tenants.d/a.toml: cannot be read: it is no plain file"]


def test_a_file_with_a_secret_that_everyone_may_read_is_a_warning() -> None:
    """The modes of included files count as the main file's does; thousands of them are not thousands of lines."""
    names = [f"{number:03}" for number in range(MAX_LISTED + 4)]
    files = {f"{name}.toml": a_tenant(f"t{name}") for name in names}
    safe = {"safe.toml": a_tenant("safe").replace("id-of-safe", "${ID}").replace("key-of-safe", "${KEY}")}

    main = f'include_variables = ["ID", "KEY"]\n{MAIN}'.replace("json://", "json://login@")

    config = load(files | safe, main=main, environ={"ID": "id-0001", "KEY": "key-0001"}, mode=0o644)

    said = [str(warning) for warning in config.warnings]
    assert len(said) == 1 + MAX_LISTED
    assert said[0].startswith("rules.toml:2: include: a secret stands in a file that everyone may read")
    assert said[0].endswith("so do 5 more files that are included")
    assert said[1].startswith("rules.toml:5: receivers.secops.urls[#1]: a secret stands in")
    assert said[2].startswith("tenants.d/000.toml:2: tenants.t000.client_id: a secret stands in")


ACME = a_tenant("acme").replace("key-of-acme", "${ACME_KEY}")


def test_an_included_file_uses_the_variables_that_the_main_file_allows() -> None:
    """By how they begin; the main file itself uses whatever it wants."""
    main = 'include_variables = ["ACME_", "GLOBEX_"]\n' + MAIN + a_tenant("here").replace("key-of-here", "${ANY}")

    config = load({"acme.toml": ACME}, main=main, environ={"ACME_KEY": "key-0001", "ANY": "key-0002"})

    assert [tenant.client_secret for tenant in config.tenants.values()] == ["key-0002", "key-0001"]


@pytest.mark.parametrize(
    ("more", "allowed"),
    [
        pytest.param("", 'none without include_variables = ["ACME_"] in the main file', id="none unless it is said"),
        pytest.param(
            'include_variables = ["GLOBEX_", "TENANT_"]\n',
            "variables that begin with 'GLOBEX_' or 'TENANT_' alone, as include_variables says",
            id="those that are said",
        ),
    ],
)
def test_an_included_file_uses_no_other_variable(more: str, allowed: str) -> None:
    """Whether it is set or not, and also for who needs no secrets: whoever may write it could send it anywhere."""
    said = "tenants.d/acme.toml:3: tenants.acme.client_secret: ${ACME_KEY} stands in a file that is included, "
    expected = f"{said}which may use {allowed}; ${{file:PATH}} reads a file beside this one"

    assert problems_of({"acme.toml": ACME}, main=more + MAIN) == [expected]
    with pytest.raises(ConfigError, match="which may use"):
        load_config(Path("rules.toml"), {"ACME_KEY": "key-0001"}, may_lack_secrets=True)


def _parent(folder: Path) -> str:
    (folder / "secret").write_text("key-0001")
    return "../secret"


def _absolute(folder: Path) -> str:
    (folder / "secret").write_text("key-0001")
    return f"{folder}/secret"


def _link(folder: Path) -> str:
    (folder / "tenants.d" / "link").symlink_to(_absolute(folder))
    return "link"


def _folder_that_is_a_link(folder: Path) -> str:
    (folder / "tenants.d" / "here").symlink_to(folder)
    _absolute(folder)
    return "here/secret"


def _absent(folder: Path) -> str:
    return f"{folder}/nothing"


@pytest.mark.parametrize("way_out", [_parent, _absolute, _link, _folder_that_is_a_link, _absent])
def test_an_included_file_reads_no_file_elsewhere(folder: Path, way_out: Callable[[Path], str]) -> None:
    """Whichever way leads out of its folder, and whether something is there or not."""
    (folder / "tenants.d").mkdir()
    acme = a_tenant("acme").replace("key-of-acme", f"${{file:{way_out(folder)}}}")

    (said,) = problems_of({"acme.toml": acme})
    assert said.startswith("tenants.d/acme.toml:3: tenants.acme.client_secret: ")
    assert said.endswith(f": expected a file in {folder}/tenants.d or below, as this file is included, found a way out")


def test_an_included_file_reads_what_lies_beside_it_or_below(folder: Path) -> None:
    """Also behind links that stay there, as Kubernetes makes them; but no pipe, for which it would wait for ever."""
    (folder / "tenants.d" / "..data").mkdir(parents=True)
    (folder / "tenants.d" / "..data" / "key").write_text("key-0001")
    (folder / "tenants.d" / "key").symlink_to("..data/key")
    mkfifo(folder / "tenants.d" / "pipe")

    config = load({"acme.toml": a_tenant("acme").replace("key-of-acme", "${file:key}")})
    refused = problems_of({"acme.toml": a_tenant("acme").replace("key-of-acme", "${file:pipe}")})

    assert [each.client_secret for each in config.tenants.values()] == ["key-0001"]
    assert refused[0].endswith(f"the file {folder}/tenants.d/pipe cannot be read: it is no plain file")


def test_a_file_that_becomes_a_link_while_it_is_looked_at_is_not_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was opened counts, not what was there before."""
    (folder / "secret").write_text("key-0001")
    (folder / "inner").mkdir()
    key = folder / "inner" / "key"
    key.symlink_to("../secret")
    real = Path.resolve
    monkeypatch.setattr(Path, "resolve", lambda path: path if path == key else real(path))

    with pytest.raises(OutsideError):
        bytes_of(key, within=folder / "inner")


def test_the_main_file_says_what_others_may_hold() -> None:
    """Where somebody else writes them, they may hold tenants and nothing that concerns others."""
    route = '[[routes]]\nreceivers = ["secops"]\n'

    said = problems_of({"a.toml": a_tenant("a") + route}, main='include_sections = ["tenants"]\n' + MAIN)

    assert said == ["tenants.d/a.toml:4: routes: expected only tenants in a file that is included"]


def test_what_others_may_hold_and_use_is_checked() -> None:
    """Misspelt, it would allow more or less than was meant."""
    main = 'include_sections = ["tenant", 5]\ninclude_variables = ["", "A-", "$B"]\n' + MAIN + a_tenant("here")

    said = problems_of({"none.toml": ""}, main=main)
    others = problems_of(
        {"none.toml": ""}, main='include_sections = "rules"\ninclude_variables = 1\n' + MAIN + a_tenant("here")
    )

    assert [text.partition(",")[0] for text in said] == [
        "rules.toml:1: include_sections[#1]: expected one of tenants",
        "rules.toml:1: include_sections[#2]: expected one of tenants",
        "rules.toml:2: include_variables[#1]: expected how names of variables begin",
        "rules.toml:2: include_variables[#3]: expected how names of variables begin",
    ]
    assert [text.partition(",")[0] for text in others][:2] == [
        "rules.toml:1: include_sections: expected a list",
        "rules.toml:2: include_variables: expected a list",
    ]


def test_a_configuration_that_includes_nothing_has_no_such_key() -> None:
    """An empty list is legal: whoever writes a configuration with a program need not leave it out."""
    assert list(load({}, main=f"{INCLUDE} = []\n" + MAIN.partition("\n")[2] + a_tenant("here")).tenants) == ["here"]
