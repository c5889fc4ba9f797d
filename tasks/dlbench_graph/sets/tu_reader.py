"""Read a graph set in the TU Dortmund layout: Morris et al. 2020, "TUDataset: A collection of benchmark datasets".

A set NAME is a folder of text files with comma-separated numbers. NAME_A.txt lists edges between nodes, which are
numbered from 1 through all graphs; NAME_graph_indicator.txt gives each node's graph and NAME_graph_labels.txt each
graph's class; labels and attributes of nodes and edges may be there or not. An edge from a node to itself is left out,
and one that is listed again counts once, as in PyTorch Geometric.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlbench import NoData


@dataclass(frozen=True)
class TUGraphs:
    """G graphs with N nodes and E edges in all, flat as `GraphSet` takes them.

    `edges` (2, E) numbered within each graph; `node_labels` (N, L) and `edge_labels` (E, M) one-hot, one column for
    each label that occurs; `node_attributes` (N, A), `edge_attributes` (E, B) as they stand in the files; any of these
    may have no columns. `classes` (G,): 0 .. C - 1, in the order of the labels' values.
    """

    node_counts: NDArray[np.int64]
    edge_counts: NDArray[np.int64]
    edges: NDArray[np.int64]
    node_labels: NDArray[np.float32]
    node_attributes: NDArray[np.float32]
    edge_labels: NDArray[np.float32]
    edge_attributes: NDArray[np.float32]
    classes: NDArray[np.int64]


def read(folder: Path, name: str) -> TUGraphs:
    """The set `name` of a folder. Raises NoData, naming file and line, where a file is missing or broken."""
    files = _Files(folder, name)
    owner, labels = files.column("graph_indicator"), files.column("graph_labels")
    count, total = len(labels), len(owner)
    files.refuse("graph_indicator", (owner < 1) | (owner > count), f"the graphs are 1 to {count}")
    files.refuse("graph_indicator", np.diff(owner, prepend=1) < 0, "the graphs' numbers must not fall")
    owner = owner - 1
    sizes = np.bincount(owner, minlength=count)

    ends = files.table("A", np.int64)
    if ends.shape[1] != 2:
        raise NoData(f"{files.path('A').name} has {ends.shape[1]} columns where 2 are needed")
    files.refuse("A", ((ends < 1) | (ends > total)).any(axis=1), f"the nodes are 1 to {total}")
    source, target = (ends - 1).T
    files.refuse("A", owner[source] != owner[target], "it joins two graphs")
    linking = np.nonzero(source != target)[0]
    kept = linking[np.unique(source[linking] * total + target[linking], return_index=True)[1]]
    source, target = source[kept], target[kept]
    first = (sizes.cumsum() - sizes)[owner[source]]
    return TUGraphs(
        node_counts=sizes,
        edge_counts=np.bincount(owner[source], minlength=count),
        edges=np.stack([source - first, target - first]),
        node_labels=one_hot(files.optional("node_labels", np.int64, total)),
        node_attributes=files.optional("node_attributes", np.float32, total),
        edge_labels=one_hot(files.optional("edge_labels", np.int64, len(ends))[kept]),
        edge_attributes=files.optional("edge_attributes", np.float32, len(ends))[kept],
        classes=np.unique(labels, return_inverse=True)[1].reshape(-1).astype(np.int64),
    )


def one_hot(labels: NDArray[Any]) -> NDArray[np.float32]:
    """Labels (N, K) as columns of zeros and ones: for each of the K, one column per value that occurs."""
    places = [np.unique(column, return_inverse=True) for column in labels.T]
    parts = [np.eye(len(values), dtype=np.float32)[place.reshape(-1)] for values, place in places]
    return np.concatenate([np.zeros((len(labels), 0), dtype=np.float32), *parts], axis=1)


class _Files:
    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name

    def path(self, what: str) -> Path:
        return self._folder / f"{self._name}_{what}.txt"

    def table(self, what: str, dtype: Any) -> NDArray[Any]:
        """All numbers of a file (lines, columns). Empty lines don't count."""
        path = self.path(what)
        try:  # opened, not only looked for: the core notes which files were asked for
            empty = next(_lines(path), None) is None
        except FileNotFoundError:
            raise NoData(f"{path.name} is missing") from None
        if empty:
            raise NoData(f"{path.name} is empty")
        try:
            table = np.loadtxt(path, dtype=dtype, delimiter=",", comments=None, ndmin=2, encoding="utf-8-sig")
        except ValueError as error:
            raise NoData(_broken_line(path, dtype) or f"{path.name}: {error}") from error
        self.refuse(what, ~np.isfinite(table).all(axis=1), "it isn't finite")
        return np.asarray(table)

    def column(self, what: str) -> NDArray[np.int64]:
        """A file with one whole number a line."""
        table = self.table(what, np.int64)
        if table.shape[1] != 1:
            raise NoData(f"{self.path(what).name} has {table.shape[1]} columns where 1 is needed")
        return np.asarray(table[:, 0])

    def optional(self, what: str, dtype: Any, count: int) -> NDArray[Any]:
        """A file with `count` lines, or no columns where there is no file."""
        try:
            open(self.path(what)).close()
        except FileNotFoundError:
            return np.zeros((count, 0), dtype=dtype)
        table = self.table(what, dtype)
        if len(table) != count:
            raise NoData(f"{self.path(what).name} has {len(table)} lines where {count} are needed")
        return table

    def refuse(self, what: str, wrong: Any, why: str) -> None:
        """Raise NoData for the first line that is wrong, `wrong` (lines,) bool."""
        if wrong.any():
            row, path = int(wrong.argmax()), self.path(what)
            number, text = next(line for i, line in enumerate(_lines(path)) if i == row)
            raise NoData(f"{path.name}, line {number}: {text!r}: {why}")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that aren't empty, with their numbers."""
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        for number, line in enumerate(stream, start=1):
            if text := line.strip():
                yield number, text


def _broken_line(path: Path, dtype: Any) -> str | None:
    """What is wrong with the first line that can't be read like the line at the top."""
    columns = None
    kind = "whole numbers" if np.issubdtype(dtype, np.integer) else "numbers"
    for number, text in _lines(path):
        parts = text.split(",")
        columns = columns or len(parts)
        try:
            for part in parts:
                dtype(part)
        except ValueError:
            return f"{path.name}, line {number}: {text!r} isn't made of {kind}"
        if len(parts) != columns:
            return f"{path.name}, line {number}: {text!r} has {len(parts)} columns, the lines above have {columns}"
    return None
