"""What root may do in a folder of another user is what that user may do, and nothing outside of it."""

import os
import stat
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest

from alerter.folders import as_owner, find, find_folder, open_file
from tests.users import USER, give, make_folder, needs_root, state_of

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of another user, which that user cannot even reach: pytest's own are for root alone."""
    return make_folder(tmp_path / "data")


@pytest.fixture
def shadow(tmp_path: Path) -> Path:
    """A file of root's, which the other user may not read."""
    path = tmp_path / "shadow"
    path.write_text("root:secret\n")
    path.chmod(0o600)
    return path


@needs_root
def test_what_root_makes_in_a_users_folder_is_the_users(folder: Path) -> None:
    """Although that user has no name, and could not reach the folder."""
    os.close(open_file(folder / "made"))

    found = (folder / "made").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (USER, USER, 0o600)


@needs_root
def test_root_reads_nothing_there_that_the_user_may_not(folder: Path) -> None:
    """A name can be given to a file without the right to read it."""
    (folder / "roots").write_text("secret")
    (folder / "roots").chmod(0o600)

    with as_owner(folder / "roots") as reached, pytest.raises(PermissionError):
        reached.read_text()


@needs_root
@pytest.mark.parametrize("kind", ["link", "dangling link", "named pipe", "folder", "socket"])
def test_what_is_no_file_is_refused_and_left_as_it_is(folder: Path, shadow: Path, kind: str) -> None:
    """At once: a named pipe would keep root waiting."""
    path = folder / "alerter.db.lock"
    plant: dict[str, Callable[[], object]] = {
        "link": lambda: path.symlink_to(shadow),
        "dangling link": lambda: path.symlink_to(shadow.with_name("new")),
        "named pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "socket": lambda: os.mknod(path, stat.S_IFSOCK | 0o600),
    }
    plant[kind]()
    give(path)
    before = state_of(shadow.parent)

    with pytest.raises(OSError, match=f"expected a file, found a {kind.removeprefix('dangling ')}"):
        open_file(path)

    assert state_of(shadow.parent) == before


@needs_root
def test_a_link_within_the_block_leads_nowhere(folder: Path, shadow: Path) -> None:
    """Also one that comes after every check: what it names is not there."""
    give_link = folder / "late"

    with as_owner(folder / "alerter.db") as reached:
        late = reached.with_name("late")
        late.symlink_to(shadow)
        with pytest.raises(FileNotFoundError):
            late.read_text()
        assert [each.name for each in Path("/").iterdir()] == ["late"]

    assert give_link.lstat().st_uid == USER


@needs_root
def test_a_hard_link_lends_no_rights(folder: Path, shadow: Path) -> None:
    """It is the file itself; that it is root's counts."""
    os.link(shadow, folder / "alerter.db.lock")

    with pytest.raises(PermissionError):
        open_file(folder / "alerter.db.lock")

    assert shadow.read_text() == "root:secret\n"


@needs_root
@pytest.mark.parametrize("kind", ["the folder", "a folder above", "a link to root's folder"])
def test_a_user_cannot_lead_root_to_a_folder_of_roots(tmp_path: Path, kind: str) -> None:
    """Who has a link or a folder on the way decides where it ends."""
    (tmp_path / "etc").mkdir()
    if kind == "the folder":
        way = give_link(tmp_path / "data", tmp_path / "etc")
    elif kind == "a folder above":
        way = give_link(make_folder(tmp_path / "home") / "data", Path("../etc"))
    else:
        way = make_folder(tmp_path / "home") / "roots"
        way.mkdir()

    with pytest.raises(PermissionError, match=f"user {USER} leads to what is user 0's"):
        find(way / "alerter.db")


def give_link(path: Path, target: Path) -> Path:
    """Make a link that belongs to the other user."""
    path.symlink_to(target)
    return give(path)


@needs_root
def test_a_link_of_roots_own_is_followed(tmp_path: Path, folder: Path) -> None:
    """As systemd makes one: /var/lib/alerter leads to private/alerter. Also one to the file."""
    (tmp_path / "lib").symlink_to("data")
    (tmp_path / "link.db").symlink_to("lib/alerter.db")

    for path in (tmp_path / "lib/alerter.db", tmp_path / "link.db"):
        found = find(path)
        assert found.path == folder / "alerter.db"
        assert found.folder is not None
        assert found.folder.uid == USER


@needs_root
def test_a_group_of_roots_is_not_lent_to_the_user(tmp_path: Path) -> None:
    """`chown USER folder` leaves the group as it was, which may write what is root's."""
    folder = tmp_path / "data"
    folder.mkdir()
    os.chown(folder, USER, -1)

    found = find_folder(folder)

    assert found is not None
    assert (found.uid, found.gid) == (USER, USER)


@needs_root
@pytest.mark.parametrize("mode", [0o1777, 0o777])
def test_where_everybody_may_write_root_follows_no_link(tmp_path: Path, shadow: Path, mode: int) -> None:
    """As in /tmp; a file that has another name elsewhere is as little to be trusted."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(mode)
    give_link(folder / "a.lock", shadow)
    os.link(shadow, folder / "b.lock")

    for name, found in (("a.lock", "a link"), ("b.lock", "a file with several names")):
        with pytest.raises(OSError, match=f"expected a file, found {found}"):
            open_file(folder / name)
    os.close(open_file(folder / "c.lock"))

    assert shadow.read_text() == "root:secret\n"
    assert (folder / "c.lock").stat().st_uid == 0


def test_a_folder_of_ones_own_is_used_as_ever(tmp_path: Path) -> None:
    """Nothing changes for who runs alerter with one user, root or not: links are followed, and paths stay."""
    (tmp_path / "elsewhere").write_text("data")
    (tmp_path / "alerter.db").symlink_to("elsewhere")

    found = find(tmp_path / "alerter.db")
    with found.entered() as reached:
        text = reached.read_text()

    assert (found.folder, found.path, reached, text) == (
        None,
        tmp_path / "elsewhere",
        tmp_path / "alerter.db",
        "data",
    )


@needs_root
def test_other_threads_stay_who_and_where_they_are(folder: Path, shadow: Path) -> None:
    """A page is served, and a secret is read, while another thread writes the database."""
    is_inside, has_looked = Event(), Event()
    seen: list[str] = []

    def look() -> None:
        is_inside.wait()
        seen.extend((shadow.read_text(), str(Path.cwd())))
        has_looked.set()

    other = Thread(target=look)
    other.start()
    with as_owner(folder / "alerter.db"):
        is_inside.set()
        has_looked.wait()
    other.join()

    assert seen == ["root:secret\n", str(Path.cwd())]


@needs_root
def test_a_block_within_another_ends_in_the_other(tmp_path: Path, folder: Path, shadow: Path) -> None:
    """The garbage collector ends a connection at any time: who was here a user of a folder must not be root then."""
    other = make_folder(tmp_path / "other")
    os.chown(other, USER + 1, USER + 1)
    inner = find(other / "b")

    with as_owner(folder / "a") as reached:
        with inner.entered():
            Path("/of-the-other").touch()
        reached.touch()
        assert Path.cwd() == Path("/")

    assert (folder / "a").stat().st_uid == USER
    assert (other / "of-the-other").stat().st_uid == USER + 1
    assert shadow.read_text() == "root:secret\n"


@needs_root
def test_afterwards_root_is_root_again(folder: Path, shadow: Path) -> None:
    """In its own folder, with its own rights, whatever happened meanwhile."""
    here = Path.cwd()

    with pytest.raises(ZeroDivisionError), as_owner(folder / "alerter.db"):
        raise ZeroDivisionError

    assert Path.cwd() == here
    assert shadow.read_text() == "root:secret\n"


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_a_new_file_is_its_owners_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    """Neither more nor less: a database that its owner may not read is none."""
    before = os.umask(umask)
    try:
        os.close(open_file(tmp_path / "made"))
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o600


def test_a_folder_that_is_not_there_is_no_folder(tmp_path: Path) -> None:
    """Nor is a file."""
    (tmp_path / "file").touch()

    for name, error in (("none", FileNotFoundError), ("file", NotADirectoryError)):
        with pytest.raises(error):
            open_file(tmp_path / name / "alerter.db")
