"""Who could decide what a file holds: with real owners, modes and links."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from alerter.config.trust import bytes_of, steps_to, user_name, why_not_ours, why_not_trusted

SOMEBODY = 65534
ME = os.geteuid()
needs_root = pytest.mark.skipif(ME != 0, reason="only root gives files away")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of ours in a folder of ours."""
    path = tmp_path / "mine" / "rules.toml"
    path.parent.mkdir(mode=0o755)
    path.write_text("text")
    path.chmod(0o644)
    return path


def test_what_nobody_else_may_touch_is_trusted(file: Path) -> None:
    """Everyone may read it; `/tmp`, in which it lies far above, may be written by all, and nothing there taken away."""
    assert why_not_trusted(file, uid=ME) == ""
    assert why_not_ours(file, uid=ME) == ""
    assert bytes_of(file, only_own=True) == b"text"


def _by_everyone(file: Path) -> str:
    file.chmod(0o646)
    return f"everyone may write to {file}"


def _by_a_group(file: Path) -> str:
    file.chmod(0o664)
    return f"a group may write to {file}"


def _in_an_open_folder(file: Path) -> str:
    file.parent.chmod(0o777)
    return f"everyone may write to {file.parent}"


def _in_a_sticky_folder(file: Path) -> str:
    file.parent.chmod(0o1777)
    return f"everyone may write to {file.parent}"


def _below_an_open_folder(file: Path) -> str:
    file.parent.parent.chmod(0o775)
    return f"a group may write to {file.parent.parent}"


def _behind_a_link_in_an_open_folder(file: Path) -> str:
    elsewhere = file.parent.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "real.toml").write_text("text")
    file.unlink()
    file.symlink_to("../elsewhere/link.toml")
    (elsewhere / "link.toml").symlink_to(elsewhere / "real.toml")
    elsewhere.chmod(0o757)
    return f"everyone may write to {elsewhere}"


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(_by_everyone, id="everyone may write the file"),
        pytest.param(_by_a_group, id="a group may"),
        pytest.param(_in_an_open_folder, id="everyone may replace it in its folder"),
        pytest.param(_in_a_sticky_folder, id="its folder is one for all, as /tmp"),
        pytest.param(_below_an_open_folder, id="its folder can be renamed"),
        pytest.param(_behind_a_link_in_an_open_folder, id="a link on the way to it can be replaced"),
    ],
)
def test_whoever_may_write_to_something_on_the_way_is_told(file: Path, spoil: Callable[[Path], str]) -> None:
    """By the file's own mode, or by that of a folder from which it can be renamed away."""
    expected = spoil(file)

    assert why_not_trusted(file, uid=ME) == expected


@needs_root
def test_whoever_owns_something_on_the_way_is_told(file: Path) -> None:
    """The file, its folder, a folder above, or a link to it: owners change modes as they like."""
    link = file.parent / "link.toml"
    link.symlink_to(file)
    found = []
    for path in (file, file.parent, file.parent.parent, link):
        os.chown(path, SOMEBODY, -1, follow_symlinks=False)
        found.append((why_not_trusted(link, uid=ME), why_not_ours(link, uid=ME), why_not_ours(link, uid=SOMEBODY)))
        with pytest.raises(OSError, match="belongs to"):
            bytes_of(link, only_own=True)
        os.chown(path, ME, -1, follow_symlinks=False)

    assert found == [
        (f"{path} belongs to {user_name(SOMEBODY)}", f"{path} belongs to {user_name(SOMEBODY)}", "")
        for path in (file, file.parent, file.parent.parent, link)
    ]


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir], ids=["a pipe", "a folder"])
def test_what_is_no_plain_file_is_not_read(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Nor waited for: nobody may ever write to a pipe."""
    make(tmp_path / "odd")

    with pytest.raises(OSError, match=r"it is no plain file|Is a directory"):
        bytes_of(tmp_path / "odd", only_own=True)


@pytest.mark.parametrize("name", ["zero", "sparse"])
def test_what_has_no_end_is_not_read_to_it(tmp_path: Path, name: str) -> None:
    """A device that never ends, or a file with a hole that is larger than the memory."""
    (tmp_path / "zero").symlink_to("/dev/zero")
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)

    with pytest.raises(OSError, match=r"it is larger than 64 MiB"):
        bytes_of(tmp_path / name)


def test_a_pipe_is_read_where_somebody_names_it() -> None:
    """As of `--config <(...)` in a shell."""
    reading, writing = os.pipe()
    os.write(writing, b"text")
    os.close(writing)

    assert bytes_of(Path(f"/proc/self/fd/{reading}")) == b"text"
    os.close(reading)


def test_links_are_followed_as_the_system_follows_them(file: Path) -> None:
    """Relative ones, absolute ones, `..` behind a link; a circle ends."""
    (file.parent / "up").symlink_to(file.parent.parent)
    (file.parent / "around").symlink_to("around")
    way = file.parent / "up" / "mine" / ".." / "mine" / "rules.toml"

    assert [*steps_to(way)][-1].path == file
    assert bytes_of(way, only_own=True) == b"text"
    with pytest.raises(OSError, match="too many links"):
        [*steps_to(file.parent / "around")]
    with pytest.raises(FileNotFoundError):
        [*steps_to(file.parent / "absent")]


def test_a_user_without_a_name_has_a_number() -> None:
    """As of a container's, or one that was removed."""
    assert user_name(0) == "root"
    assert user_name(4_000_000_000) == "user 4000000000"
