"""Pictures for messages: a chart's SVG as PNG, made by a child process that is never waited for beyond its time."""

from collections import OrderedDict
from collections.abc import Sequence
from importlib.util import find_spec
from threading import Lock
from typing import Final

from alerter.core.charts.svg import PICTURE_WIDTH
from alerter.health import ChartOutcome
from alerter.notifiers.rasterize import NO_LIBRARY
from alerter.processes import TookTooLong, convert, module_command

#: Seconds for a picture, from the moment at which it is wanted.
PICTURE_TIMEOUT: Final = 2.0
#: Larger ones are not sent: a mail with one should pass every gateway.
MAX_PICTURE_BYTES: Final = 60 * 1024
#: Twice as many pixels as it is wide, for displays that have them.
_PIXELS: Final = 2 * PICTURE_WIDTH
#: A message for several targets is drawn once.
_MAX_CACHED: Final = 8
#: What is missing, for people.
NO_LIBRARY_TEXT: Final = "the library for pictures is not installed: pip install 'alerter[charts]'"


class NoPicture(Exception):
    """There is no picture, and the message goes without it.

    Attributes:
        outcome: Why, in a word.
    """

    def __init__(self, outcome: ChartOutcome, text: str) -> None:
        super().__init__(text)
        self.outcome = outcome


def is_library_installed() -> bool:
    """Return True if pictures can be made, found without loading what makes them."""
    return find_spec("resvg_py") is not None


class Painter:
    """Makes pictures one at a time; safe to use from several threads.

    Args:
        seconds: How long a picture may take, waiting for others included.
        command: What makes a PNG of an SVG; None for our own.
    """

    def __init__(self, *, seconds: float = PICTURE_TIMEOUT, command: Sequence[str] | None = None) -> None:
        self._seconds = seconds
        self._command = module_command("alerter.notifiers.rasterize", str(_PIXELS)) if command is None else command
        self._lock = Lock()
        self._cached: OrderedDict[str, bytes | NoPicture] = OrderedDict()

    def png(self, message_id: str, svg: str) -> bytes:
        """Return the picture of a message.

        Args:
            message_id: Whose picture it is; it is made once.
            svg: What it shows.

        Raises:
            NoPicture: It could not be made in time, or not at all.
        """
        if not self._lock.acquire(timeout=self._seconds):
            raise NoPicture(ChartOutcome.LATE, f"another picture took longer than {self._seconds:g} s")
        try:
            found = self._cached.get(message_id)
            if found is None:
                found = self._cached[message_id] = self._made(svg)
                while len(self._cached) > _MAX_CACHED:
                    self._cached.popitem(last=False)
        finally:
            self._lock.release()
        if isinstance(found, NoPicture):
            raise found
        return found

    def _made(self, svg: str) -> bytes | NoPicture:
        try:
            done = convert(self._command, svg.encode(), seconds=self._seconds)
        except TookTooLong as error:
            return NoPicture(ChartOutcome.LATE, f"the picture was {error}")
        except OSError as error:
            return NoPicture(ChartOutcome.FAILED, f"the picture could not be made: {error.strerror or error}")
        if done.returncode == NO_LIBRARY:
            return NoPicture(ChartOutcome.MISSING, NO_LIBRARY_TEXT)
        if done.returncode or not done.stdout:
            last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2][:200]
            return NoPicture(
                ChartOutcome.FAILED, f"the picture could not be made: {last or f'exit code {done.returncode}'}"
            )
        if len(done.stdout) > MAX_PICTURE_BYTES:
            return NoPicture(
                ChartOutcome.FAILED,
                f"the picture has {len(done.stdout):,} bytes, at most {MAX_PICTURE_BYTES:,} are sent",
            )
        return done.stdout
