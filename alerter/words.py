"""Numbers in words. No I/O."""

_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def size_text(size_bytes: float) -> str:
    """Return a size in the largest unit of which it has at least one: `812.3 KiB`, `1.5 GiB`."""
    unit = next((unit for unit in reversed(_UNITS) if size_bytes >= _UNITS[unit]), "B")
    return f"{size_bytes / _UNITS[unit]:.{0 if unit == 'B' else 1}f} {unit}"


def counted(number: int, noun: str) -> str:
    """Return `1 error`, `2 errors`, `3,000 errors`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
