"""Child process that makes a PNG of an SVG: `python -m alerter.notifiers.rasterize WIDTH < SVG > PNG`.

It has a process of its own because rendering holds Python's lock for a tenth of a second, and so that whatever it does
ends with it. It limits its own memory and time, imports nothing else of alerter, and reads no file but its font.
"""

import resource
import sys
from pathlib import Path
from typing import Final

#: Latin letters of DejaVu Sans: a server may have no fonts, and without one all text is left out without an error.
FONT: Final = Path(__file__).with_name("fonts") / "DejaVuSans-Latin.ttf"
#: Exit code where the library is not installed.
NO_LIBRARY: Final = 3
#: Of address space: the interpreter, the library, and a picture of 1280 by 480 with room to spare.
MAX_MEMORY_BYTES: Final = 512 * 1024 * 1024
MAX_CPU_SECONDS: Final = 5


def png_of(svg: str, width: int) -> bytes:
    """Return an SVG as PNG.

    Args:
        svg: A document whose only font is `DejaVu Sans`.
        width: In pixels; its height follows.

    Raises:
        ImportError: The library of the extra `charts` is not installed.
    """
    from resvg_py import svg_to_bytes  # noqa: PLC0415 - an optional library, which this process alone loads

    return bytes(svg_to_bytes(svg_string=svg, width=width, skip_system_fonts=True, font_files=[str(FONT)]))


def main() -> int:
    """Read an SVG, write a PNG, and return the exit code."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_SECONDS, MAX_CPU_SECONDS))
    try:
        png = png_of(sys.stdin.read(), int(sys.argv[1]))
    except ImportError as error:
        sys.stderr.write(f"{error}\n")
        return NO_LIBRARY
    sys.stdout.buffer.write(png)
    return 0


if __name__ == "__main__":
    sys.exit(main())
