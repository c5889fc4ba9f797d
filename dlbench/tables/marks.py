"""Flags as marks of one letter, and the legend that says in words what they mean."""

from __future__ import annotations

from collections.abc import Iterable

from .layout import paragraph

UNUSABLE = "~"
"""Stands before each speed of a profile that is flagged `unusable`."""
PROFILE = "profile_"
FLAGS = {
    "at_floor": ("f", "no better than a constant answer"),
    "provisional": ("p", "fewer than five seeds ended ok"),
    "outlier_seed": ("o", "one seed lies far from the others"),
    "beyond_bound": ("b", "better than can be, so the row has no rank"),
    "copies": ("y", "its samples are training examples, so the row has no rank"),
    "collapsed": ("z", "its samples are all alike, or of few classes"),
    "state_not_restored": ("s", "the selected state scores otherwise than when it was measured"),
    "changed_global_state": ("g", "a plugin changed settings of the process"),
    "unverified_data": ("u", "files without the published sha256"),
    "model_recipe": ("m", "the model set part of the recipe"),
    "range_edge": ("e", "tuning chose a value at the end of its range, so a better one may lie beyond"),
    "channels_last": ("c", "images in channels-last order"),
    "not_deterministic": ("r", "a repeated run differs a little"),
    "together": ("j", "its seeds trained together, so it has no training times"),
    "device_shared": ("d", "others used the device meanwhile"),
    "noisy": ("n", "timed blocks spread over 10 %"),
    "unusable": (UNUSABLE, "timed blocks spread over 25 %: don't use the speed"),
    "warmup_not_settled": ("w", "steps still got faster or slower when they were timed"),
    "loader_bound": ("l", "training waits for its batches"),
    "launch_bound": ("k", "the GPU waits for Python"),
    "throttled": ("t", "the GPU's clocks were held down"),
}


class Marks:
    """Gives each flag its mark, flags of plugins a number, and remembers which were used."""

    def __init__(self) -> None:
        self._numbers: dict[str, str] = {}
        self._used: dict[str, str] = {}

    def of(self, flags: Iterable[str]) -> str:
        """The marks of these flags, with spaces between."""
        marks = []
        for flag in flags:
            self._used[flag] = self._mark(flag)
            marks.append(self._used[flag])
        return " ".join(dict.fromkeys(marks))

    def legend(self, width: int) -> list[str]:
        """A line or more for each flag that was used: mark, name, meaning."""
        lines = []
        for flag, mark in sorted(self._used.items(), key=lambda item: (item[1], item[0])):
            lines += paragraph(f"{mark}  {flag}: {meaning(flag)}" if meaning(flag) else f"{mark}  {flag}", width, "   ")
        return lines

    def _mark(self, flag: str) -> str:
        if flag in FLAGS:
            return FLAGS[flag][0]
        if flag.startswith(PROFILE):
            return "x"
        return self._numbers.setdefault(flag, str(len(self._numbers) + 1))


def meaning(flag: str) -> str:
    """What a flag says; empty for one that a plugin has of its own."""
    if flag.startswith(PROFILE):
        return f"the profile ended with {flag.removeprefix(PROFILE)}, so there are no speeds"
    return FLAGS[flag][1] if flag in FLAGS else ""
