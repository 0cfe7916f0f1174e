"""Prints line and branch coverage for each package from the last `coverage run`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path


def package_of(file: str) -> str:
    parts = Path(file).parts
    return ".".join(parts[: 2 if parts[0] == "dialer" and len(parts) > 2 else 1])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        command = [sys.executable, "-m", "coverage", "json", "--quiet", "-o", str(report)]
        subprocess.run(command, check=True)
        files = json.loads(report.read_text())["files"]
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for file, data in files.items():
        summary = data["summary"]
        package = sums[package_of(file)]
        package[0] += summary["covered_lines"] + summary.get("covered_branches", 0)
        package[1] += summary["num_statements"] + summary.get("num_branches", 0)
    for name, (covered, total) in sorted(sums.items()):
        if total:
            print(f"{name:24} {covered / total:6.1%} of {total} lines and branches")


if __name__ == "__main__":
    main()
