"""What each augmentation gives on test images that are changed as it changes those of training: a table in Markdown.

    python docs/own_tests.py results/augmentation/MACHINE

Gains are over the treatment `plain`, in points; the standard error of one is that of two independent means over seeds.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import fmean, stdev

from dlbench.results import load_by_suite
from dlbench.tables.groups import Group, groups

OWN = {
    "rotation": "rotated", "translation": "translated", "rescale": "rescaled", "stretch": "stretched",
    "shear": "sheared", "flip": "flipped", "crop": "cropped", "resized crop": "zoomed", "noise": "noisy",
    "blur": "blurred", "cutout": "cut", "brightness, contrast": "brightness", "mixup": "patched", "cutmix": "patched",
}  # fmt: skip
"""Treatment -> its own test images."""
HEAD = ("task", "treatment", "its own test", "plain", "treated", "gain", "clean images, gain")


def table(folder: Path) -> str:
    """The table of a published folder."""
    body = [HEAD, tuple("---" if i < 3 else "--:" for i in range(len(HEAD))), *rows(groups(load_by_suite(folder)))]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in body)


def rows(found: Iterable[Group]) -> Iterator[tuple[str, ...]]:
    """The cells of each treatment that has a test of its own."""
    by_row = {(group.key.task, group.key.treatment): group for group in found if group.cells}
    for (task, treatment), treated in by_row.items():
        plain = by_row.get((task, "plain"))
        if plain is not None and treatment in OWN:
            own = f"accuracy_{OWN[treatment]}"
            before, after = (f"{100 * fmean(group.scores(own).values()):.1f}" for group in (plain, treated))
            gains = [gain(plain, treated, metric) for metric in (own, "accuracy")]
            yield task, treatment, OWN[treatment], before, after, *gains


def gain(plain: Group, treated: Group, metric: str) -> str:
    """`+5.3 ± 0.2`: points, and the standard error."""
    scores = [[*group.scores(metric).values()] for group in (plain, treated)]
    error = math.sqrt(sum(stdev(own) ** 2 / len(own) for own in scores))
    return f"{100 * (fmean(scores[1]) - fmean(scores[0])):+.1f} ± {100 * error:.2f}"


if __name__ == "__main__":
    print(table(Path(sys.argv[1])), end="")
