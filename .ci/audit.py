"""Looks for known holes in what is locked, and in the oldest versions that `pyproject.toml` allows.

pip-audit asks a public database, and calls it a success when nothing could be asked. Here that is said, and the exit
code is 0, for a machine without that database must be able to build; 1 means that there is a hole.
"""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]


def main() -> int:
    """Audit both, and say what was found."""
    with TemporaryDirectory() as folder:
        floors = Path(folder) / "floors.txt"
        floors.write_text("".join(f"{each}\n" for each in lowest()), encoding="utf-8")
        outcomes = [
            audit("what is locked", ROOT / "requirements.txt", "--require-hashes"),
            audit("floors", floors, "--no-deps"),
        ]
    return max(outcomes)


def lowest() -> list[str]:
    """Return the oldest version of each dependency that the project allows, pinned."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["postgresql"]]
    return [each.partition(",")[0].replace(">=", "==") for each in wanted]


def audit(subject: str, requirements: Path, *options: str) -> int:
    """Audit one file of pinned requirements; return 1 if there is a hole in any."""
    command = [
        sys.executable,
        "-P",
        "-m",
        "pip_audit",
        "--format",
        "json",
        "--progress-spinner",
        "off",
        "--disable-pip",
    ]
    done = subprocess.run(  # noqa: S603 - the command is our own
        [*command, "--requirement", str(requirements), *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        packages = []
    skipped = [each["name"] for each in packages if "skip_reason" in each]
    holes = [(each, hole) for each in packages for hole in each.get("vulns", ())]
    for package, hole in holes:
        fixed = ", ".join(hole["fix_versions"]) or "no version"
        print(f"audit of {subject}: {package['name']} {package['version']} has {hole['id']}, mended in {fixed}")
    if len(skipped) == len(packages):
        print(f"audit of {subject}: nothing was checked, the database of known holes cannot be reached from here")
        return 0
    print(f"audit of {subject}: {len(packages) - len(skipped)} of {len(packages)} packages checked, {len(holes)} holes")
    if skipped:
        print(f"audit of {subject}: not checked, because the database lacks them: {', '.join(skipped)}")
    return int(bool(holes))


if __name__ == "__main__":
    sys.exit(main())
