"""Pages that are followed to the letter: every command of theirs ends as it should and prints what the page shows, but
for figures, the doubts of a busy machine, and where a table breaks its lines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docpages import DOCS, blocks, load

TUTORIALS = load("tutorials")
SKIPPED = re.compile(r"^(?:\S  \w+: .*|every row: .*|[─ ]+|Left out where(?:.*\n  )*.*)$", flags=re.MULTILINE)
"""What flags mean, and what a width has no room for: busy machines have more of both."""
OWN = re.compile(
    r"· [\w.+-]+ · torch|results/[\w-]+/\S+|^[\w.-]+-\d+c\S*$|--[0-9a-f]{12}\b|\(at .*?\)", re.MULTILINE | re.DOTALL
)
"""Names of machines, digests of sources, places inside libraries."""


def essence(text: str) -> set[str]:
    """The words of a screen that are the same on every machine."""
    return set(re.findall(r"[A-Za-z_]{3,}", OWN.sub("", SKIPPED.sub("", text))))


@pytest.mark.slow
@pytest.mark.parametrize("page", TUTORIALS.PAGES, ids=lambda page: page.stem)
def test_a_page_can_be_followed_to_the_letter(page: Path, tmp_path: Path) -> None:
    steps = list(TUTORIALS.follow(page.read_text(encoding="utf-8"), tmp_path))
    assert sum(bool(shown) for _, shown, _ in steps) >= 2
    for _, shown, printed in steps:
        assert not shown or essence(printed) == essence(shown), f"run: python docs/tutorials.py {page.name}\n{printed}"


@pytest.mark.parametrize("page", TUTORIALS.PAGES, ids=lambda page: page.stem)
def test_every_screen_stands_behind_its_command_and_was_taken(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    screens = [block for block in blocks(page) if block.language == "text"]
    behind = re.findall(r"^```\n\n```text\n", text, flags=re.MULTILINE)
    assert len(screens) == len(behind)
    assert all(len(block.text.splitlines()) >= 1 and block.text.strip() for block in screens)


def test_what_a_page_says_is_done_in_order_and_its_screens_are_put_right(tmp_path: Path) -> None:
    text = """
```text title="a.txt"
one
```

```sh
cd /tmp && cd "$OLDPWD" && mkdir inner && cd inner
```

```sh
cat ../a.txt && python -c "print(1 + 1)"
```

```text
stale
```

```console
no-such-command
```
"""
    assert TUTORIALS.rewritten(text, tmp_path) == text.replace("stale\n", "one\n2\n")


def test_a_command_that_fails_is_said(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"ended with 7 and said:\nword"):
        list(TUTORIALS.follow("```sh\necho word\nexit 7\n```\n", tmp_path))


def test_the_essence_leaves_out_figures_and_doubts_only() -> None:
    calm = "mlp  97.3 [93.5, 98.9] %  1  24.6k\n\np  provisional: fewer than five seeds ended ok\n"
    busy = "every row: d\n\nmlp  95.1 ± 0.3 %  1  ~2.1k  n\n\nd  device_shared: others used it\n"
    assert essence(calm) == essence(busy) == {"mlp"}
    assert essence("quick · cpu fp32 · amd-epyc-2c · torch 2.14.1") == essence("quick · cpu fp32 · xeon-8c · torch 2.9")


def test_every_tutorial_is_followed() -> None:
    listed = (DOCS / "README.md").read_text().partition("## Tutorials\n")[2].partition("\n## ")[0]
    names = re.findall(r"\]\(([\w-]+\.md)\)", listed)
    assert len(names) == 3
    assert set(names) <= {page.name for page in TUTORIALS.PAGES}
