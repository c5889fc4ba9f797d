"""docs/augmentation.md: its tables name every regularizer, option, default and metric, and its strengths."""

from __future__ import annotations

import re
from pathlib import Path

import dlbench_augment
from dlbench.contract.choice import option_defaults
from dlbench_ingredients import pictures_transforms as how
from dlbench_ingredients.pictures import TRANSFORMED

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "augmentation.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if line.startswith("| `")]


def test_every_regularizer_stands_with_its_options_and_defaults() -> None:
    builders = {spec.name: spec.build for spec in dlbench_augment.dlbench_regularizers()}
    named = {name: row[1] for row in ROWS if len(row) == 3 for name in re.findall(r"`(\w+)`", row[0])}
    assert set(named) == set(builders)
    for name, build in builders.items():
        if name == "colour_jitter":  # has its sentence
            continue
        written = dict(re.findall(r"`(\w+)=([\w.]+)`", named[name]))
        defaults = {key: value for key, value in option_defaults(build).items() if key != "fill"}
        assert set(written) == set(defaults), name
        for key, value in defaults.items():
            same = written[key] == str(value).lower() if isinstance(value, bool) else float(written[key])
            assert same is True or abs(same - value) < 1e-3, (name, key)


def test_every_transformed_set_stands_with_its_strength() -> None:
    rows = {row[0].strip("`").removeprefix("accuracy_"): row[1] for row in ROWS if len(row) == 2}
    assert list(rows) == list(TRANSFORMED)
    strengths = {
        "rotated": how.DEGREES, "rescaled": how.RESCALED, "stretched": how.STRETCHED, "sheared": how.SLANT,
        "zoomed": how.AREA, "noisy": how.NOISE, "brightness": how.BRIGHT, "patched": how.PATCH,
    }  # fmt: skip
    for name, value in strengths.items():
        assert f"{value:g}" in rows[name], name
    words = {"translated": ("a sixth", 1 / 6), "cropped": ("a tenth", 0.1), "blurred": ("a fourteenth", 1 / 14),
             "cut": ("half", 0.5)}  # fmt: skip
    values = {"translated": how.SHIFT, "cropped": how.PAD, "blurred": how.SIGMA, "cut": how.SQUARE}
    for name, (word, value) in words.items():
        assert word in rows[name], name
        assert values[name] == value, name
    assert f"{1 - how.CONTRAST:.1g} to {1 + how.CONTRAST:g}" in rows["brightness"]
