"""Follows pages to the letter and writes what their commands printed into them. Run it after a change of what a command
of these pages prints:

    python docs/tutorials.py [PAGE]...

Blocks of a page, in order: one with a title is that file, `sh` is run by bash in a folder that begins empty, and `text`
right behind it is the screen. Blocks of another language (`console`) are for the reader's machine only.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).resolve().parent
TUTORIALS = ("first-run", "first-plugin", "first-leaderboard")
GUIDES = ("own-suite", "offline", "ci-gate", "several-machines")
PAGES = tuple(DOCS / f"{name}.md" for name in (*TUTORIALS, *GUIDES))
COLUMNS = 100
BLOCK = re.compile(
    r"^```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
SCREEN = re.compile(r"\n\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PIP = """
import pathlib, sys, tomllib
*_, folder = sys.argv
site = pathlib.Path(__file__).parent / "site"
project = tomllib.loads(pathlib.Path(folder, "pyproject.toml").read_text())["project"]
info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
info.mkdir(parents=True)
(info / "METADATA").write_text(f"Metadata-Version: 2.1\\nName: {project['name']}\\nVersion: {project['version']}\\n")
points = "".join(f"{name} = {target}\\n" for name, target in project["entry-points"]["dlbench"].items())
(info / "entry_points.txt").write_text(f"[dlbench]\\n{points}")
for target in project["entry-points"]["dlbench"].values():
    (site / target).symlink_to(pathlib.Path(folder, target).resolve())
"""
"""`pip install -e FOLDER` as far as entry points go: the interpreter's own packages stay as they are."""


def main(names: list[str]) -> None:
    """Write the screens of these pages, or of all."""
    for page in [DOCS / name for name in names] or PAGES:
        with tempfile.TemporaryDirectory() as folder:
            page.write_text(rewritten(page.read_text(encoding="utf-8"), Path(folder)), encoding="utf-8")


def rewritten(text: str, folder: Path) -> str:
    """A page with screens of today."""
    for end, _, printed in reversed(list(follow(text, folder))):
        if screen := SCREEN.match(text, end):
            text = text[: screen.start()] + f"\n\n```text\n{printed}```" + text[screen.end() :]
    return text


def follow(text: str, folder: Path) -> Iterator[tuple[int, str, str]]:
    """Do what a page says: where each command block ends, the screen that the page shows of it ('' for none) and what
    it printed. Raises RuntimeError where a command fails."""
    environment, here = prepared(folder), folder / "desk"
    for block in BLOCK.finditer(text):
        if block["title"]:
            (here / block["title"]).write_text(block["text"], encoding="utf-8")
        elif block["language"] == "sh":
            screen = SCREEN.match(text, block.end())
            script = f'set -eo pipefail\n{block["text"]}pwd > "$PLACE"\n'
            done = subprocess.run(
                ["bash", "-c", script], cwd=here, env=environment, text=True, check=False,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            if done.returncode:
                raise RuntimeError(f"{block['text']}ended with {done.returncode} and said:\n{done.stdout}")
            here = Path((folder / "place").read_text().strip())
            yield block.end(), screen[1] if screen else "", cleaned(done.stdout, folder)


def prepared(folder: Path) -> dict[str, str]:
    """The environment of the commands: dlbench, python and pytest are those that run this, and neither a
    data set nor a GPU is there."""
    for name in ("bin", "site", "desk"):
        (folder / name).mkdir()
    (folder / "pip.py").write_text(PIP)
    programs = {
        "dlbench": '-c "from dlbench.cli import main; main()"', "python": "", "pytest": "-m pytest -p no:cacheprovider",
        "pip": f'"{folder}/pip.py"',
    }  # fmt: skip
    for name, arguments in programs.items():
        (folder / "bin" / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        (folder / "bin" / name).chmod(0o755)
    path = [str(folder / "site"), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {
        **os.environ, "PATH": f"{folder}/bin{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": os.pathsep.join(path),
        "COLUMNS": str(COLUMNS), "PLACE": str(folder / "place"), "DLBENCH_DATA": str(folder / "data"),
        "CUDA_VISIBLE_DEVICES": "",
    }  # fmt: skip


def cleaned(printed: str, folder: Path) -> str:
    """Without empty lines at either end, blanks at the ends of lines, and the folder's own name."""
    lines = [line.rstrip() for line in printed.replace(f"{folder}/desk/", "").splitlines()]
    return "\n".join(lines).strip("\n") + "\n"


if __name__ == "__main__":
    main(sys.argv[1:])
