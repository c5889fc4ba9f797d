"""What a row on several devices says beside others: how fast each device is, what memory they take in all, and how
well the work was shared out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from .groups import Group, RowKey

COLUMNS = ("train_examples_per_s_per_device", "train_peak_mib_in_all", "scaling_efficiency")
"""Columns that stand only where rows are of several devices. Efficiency: the throughput over that of one device times
their number; 1 where each does as much as one alone."""
MIB = 2**20


def devices_of(key: RowKey) -> int:
    """How many devices trained each of the row's cells together."""
    found = re.search(r" x(\d+)( sharded)?$", key.device)
    return int(found[1]) if found else 1


def columns_of(found: Iterable[Group]) -> tuple[str, ...]:
    """COLUMNS, where there are rows of several devices."""
    return COLUMNS if any(devices_of(group.key) > 1 for group in found) else ()


def shared(found: Iterable[Group]) -> dict[RowKey, dict[str, Any]]:
    """Under COLUMNS what the rows of several devices say; None where it wasn't measured, or where there is no profile
    of the same row on one device."""
    by_key = {group.key: group for group in found}
    return {key: _figures(group, _alone(group, by_key)) for key, group in by_key.items() if devices_of(key) > 1}


def notes(found: Iterable[Group]) -> list[str]:
    """One line for each row of several devices: how well the work was shared out, or what it would take to know."""
    by_key, lines = {group.key: group for group in found}, []
    for key, figures in shared(by_key.values()).items():
        if figures["train_examples_per_s_per_device"] is None:
            continue
        efficiency, row = figures["scaling_efficiency"], f"{key.task} x {key.model_text}, {key.device}"
        if efficiency is None:
            lines.append(f"{row}: no scaling efficiency, because there is no profile of it on one device here")
        else:
            lines.append(f"{row}: {100 * efficiency:.0f} % of the throughput of {devices_of(key)} devices apart")
    return lines


def _alone(group: Group, by_key: dict[RowKey, Group]) -> Group | None:
    return by_key.get(group.key._replace(device=group.key.device.partition(" x")[0]))


def _figures(group: Group, alone: Group | None) -> dict[str, Any]:
    count, speed = devices_of(group.key), group.measured("train_examples_per_s")
    memory, single = group.measured("train_peak_bytes_in_all"), alone and alone.measured("train_examples_per_s")
    figures = (
        None if speed is None else speed / count,
        None if memory is None else memory / MIB,
        speed / (count * single) if speed and single else None,
    )
    return dict(zip(COLUMNS, figures, strict=True))
