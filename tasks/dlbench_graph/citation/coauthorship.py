"""Cora as a hypergraph: the papers of one author are the members of one hyperedge.

Yadati, Nimishakavi, Yadav, Nitin, Louis & Talukdar 2019, "HyperGCN: A New Method of Training Graph Convolutional
Networks on Hypergraphs": its data and its ten splits, as folds; 140 papers are labelled, all 2,568 others are the test.
Rows of the features add up to 1, as there.

There is no validation set: it judges the state after 200 epochs, so the recipe says `select="last"`, and the figures of
`val` are those of the training nodes. The numbering of papers and the features are not those of `cora`.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix

from dlbench import NoData
from dlbench.data import Data

from .arrays import to_features, to_indices
from .files import COAUTHORSHIP_FOLDER
from .hypergraph import SingleHypergraph, single_hypergraph


def load(data: Data, *, features: str) -> SingleHypergraph:
    """`features`: `csr` or `dense`. Raises NoData for missing or damaged files, BadGraph on an author of a paper that
    doesn't exist."""
    labels = np.asarray(_json(data, "labels.json"), dtype=np.int64)
    papers = [author["nodes"] for author in _json(data, "hyperedges.json")["edges"]]
    hyperedges = np.repeat(np.arange(len(papers)), [len(nodes) for nodes in papers])
    members = torch.from_numpy(np.stack([np.concatenate(papers).astype(np.int64), hyperedges]))
    trains = _json(data, "splits_train_ids.json")
    folds = [
        to_indices({"train": train, "test": np.setdiff1d(np.arange(len(labels)), train)}, data.device)
        for train in (trains[number] for number in sorted(trains, key=int))
    ]
    words = to_features(_read_words(data), features, data.device)
    return SingleHypergraph(
        graph=single_hypergraph(words, members.to(data.device), len(papers)),
        labels=torch.from_numpy(labels).to(data.device),
        splits=folds[0],
        num_classes=int(labels.max()) + 1,
        folds=folds,
    )


def _read_words(data: Data) -> csr_matrix:
    with np.load(data.path(f"{COAUTHORSHIP_FOLDER}/features_csr.npz")) as parts:
        return csr_matrix((parts["data"], parts["indices"], parts["indptr"]), shape=tuple(parts["shape"]))


def _json(data: Data, name: str) -> Any:
    try:
        return json.loads(data.path(f"{COAUTHORSHIP_FOLDER}/{name}").read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise NoData(f"can't read {name}: {error}") from error
