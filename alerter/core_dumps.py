"""Core dumps, switched off: a crash leaves nothing behind that holds a secret."""

import resource
from contextlib import suppress
from pathlib import Path

#: Which parts of the memory a core dump holds (core(5)): none.
_FILTER = Path("/proc/self/coredump_filter")


def disable_core_dumps() -> None:
    """See to it that no core dump of this process, or of one that it starts, holds its memory, and with it the keys.

    The limit keeps the kernel from writing a file, and systemd-coredump from storing one. Other programs that the
    kernel hands its dumps to take them in spite of the limit; they find no memory in them. Where neither may be set, as
    in some sandboxes, things stay as they are: our unit sets the limit itself.
    """
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        _FILTER.write_text("0", encoding="ascii")
