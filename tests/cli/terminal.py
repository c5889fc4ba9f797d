"""The command line in this process, as a terminal would see it."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import dataclass
from unittest import mock

from dlbench.cli import main


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


def dlbench(*words: object) -> Done:
    """Run `dlbench WORDS...`; an exception that isn't dlbench's own comes through."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    argv = ["dlbench", *map(str, words)]
    with mock.patch.object(sys, "argv", argv), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return Done(code, out.getvalue(), err.getvalue())
