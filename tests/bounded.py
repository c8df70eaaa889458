"""A bound for what reads anything at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import thread_time

#: CPU time that no text takes, in seconds, however long it is and whatever else the machine does.
MAX_SECONDS = 2.0


@contextmanager
def bounded(seconds: float = MAX_SECONDS) -> Iterator[None]:
    """Check that the block takes no more CPU time."""
    began = thread_time()
    yield
    assert thread_time() - began < seconds
