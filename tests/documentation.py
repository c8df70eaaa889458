"""The documentation as the tests read it: README, and the pages below docs/, as one text."""

from pathlib import Path

ROOT = Path(__file__).parents[1]

#: README, and every page.
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

#: All of it; each section stands once.
DOCUMENTATION = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
