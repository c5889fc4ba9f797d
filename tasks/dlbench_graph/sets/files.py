"""The files of the graph sets: checksums, licences, sources.

None has an address: the molecules and CSL were converted from other formats, and the TU sets are published as archives,
one for each set.
"""

from __future__ import annotations

import re
from typing import Any

from dlbench import DataFile, DataSet, UsageError

REQUIRED = ("A", "graph_indicator", "graph_labels")  # the files without which no TU set can be read


def _files(folder: str, checksums: dict[str, str]) -> tuple[DataFile, ...]:
    return tuple(DataFile(path=f"graph/{folder}/{name}", sha256=sha256) for name, sha256 in checksums.items())


def _tu(name: str, checksums: dict[str, str]) -> DataSet:
    return DataSet(
        name=name.lower().replace("-", "_"),
        files=_files(f"tu/{name}/raw", {f"{name}_{what}.txt": sha256 for what, sha256 in checksums.items()}),
        source=f"the folder of https://www.chrsmrrs.com/graphkerneldatasets/{name}.zip",
    )


CSL = DataSet(
    name="csl",
    files=_files(
        "csl",
        {
            "csl.npz": "412ae84a3981224de91eb4b235bda87a136988557713cf8b7cadca44a23d2601",
            "csl_5fold.json": "819005b6a8e2d818e232c497ec34cf89ad962e6fac7f36d5922f18c0757d4fcd",
        },
    ),
    source="graphs of https://github.com/PurdueMINDS/RelationalPooling, without self-loops; folds (MIT) of "
    "https://github.com/graphdeeplearning/benchmarking-gnns",
)

ZINC = DataSet(
    name="zinc",
    files=_files(
        "molecules/zinc",
        {
            "zinc12k_graphs.npz": "0cb50a0abca22bc642ebe0c235b5587c941081507fd999750ea899c577855764",
        },
    ),
    licence="MIT (the lists of molecules)",
    source="validation and test molecules chosen from the lists of https://github.com/wengong-jin/icml18-jtnn by the "
    "indices of https://github.com/graphdeeplearning/benchmarking-gnns, training molecules from "
    "https://github.com/wenhao-gao/mol_opt; targets recomputed with RDKit",
)

AQSOL = DataSet(
    name="aqsol",
    files=_files(
        "molecules/aqsol",
        {
            "aqsol_graphs.npz": "a10c94dc47e06d1372d37ca92b8372b6590822343c90e7fb7946b0fb8750bc99",
        },
    ),
    licence="CC0 (AqSolDB, as its publisher states it)",
    source="AqSolDB, doi 10.7910/DVN/OVHAW8, made into graphs and split as in "
    "https://github.com/graphdeeplearning/benchmarking-gnns",
)

MUTAG = _tu(
    "MUTAG",
    {
        "A": "d9656ca7493f3445d737c711710bb36fd432dddd1c0ea32e1d4713c86ebd28e2",
        "edge_labels": "4669ce755075ff86c3240709345745886400908fa637a49310459b9c267b3e56",
        "graph_indicator": "7d520a4d6c7961c0cdeabe076d8fe27e795b6d373485c9a2b744987e560a2056",
        "graph_labels": "a1518ea39ba3426bd42f57396b9c4baffe68e9adc718caeeab0119c6591a5f2c",
        "node_labels": "678f429965490e84dd27713017538c995fc05d1621beac910848b600015ee863",
    },
)

ENZYMES = _tu(
    "ENZYMES",
    {
        "A": "5553c84f8f562f3e199dfd27192174f485e85c44c1357661098668937a739cbf",
        "graph_indicator": "95ba0fa47eba6f02e6b754a215dc66d5b49de3f45f57a128514301a8d7ed5f46",
        "graph_labels": "04743e08967e61e65cdacbb90f8df6ee53742b3d2e7b84675b85ebac70506856",
        "node_attributes": "305a8fc3b12f79fb844ef3374d6a3c8ceeb4887dd4f86bbfe37932c4c5434e7b",
        "node_labels": "8263eb9b64efa231a5886343483ccfc0342f2407014763a8f738fd51c32ce770",
    },
)

NCI1 = _tu(
    "NCI1",
    {
        "A": "2c028eda59a5fe96e2265a63d9ac236901bd9a7dc658498be13cd704a703076d",
        "graph_indicator": "ffe5acfa754b057d5ce0dc725c5aadb631628161886cc040d38c719635257dc5",
        "graph_labels": "fae44681e70113f496256ae87eaac33b7836e3a97fe8e023933b84fde6a5c8a2",
        "node_labels": "dc0a22b6cbff0c939de00373e823977ba32b358f560e4288d7602f7b51407ee2",
    },
)

IMDB_BINARY = _tu(
    "IMDB-BINARY",
    {
        "A": "23c8964bab82f81469271186d721131714a265d0ca8c44ae048118da1d0c4092",
        "graph_indicator": "415cc3ba25b8c647dcf34d3de034f675ee070616f3b803be939cb26773489f26",
        "graph_labels": "63a44411fd6342b9c4429828c16e144a2a11ef5244e25bb60f0ffa8b3ee2ffce",
    },
)

KNOWN_TU = {"MUTAG": MUTAG, "ENZYMES": ENZYMES, "NCI1": NCI1, "IMDB-BINARY": IMDB_BINARY}


def csl_files(*, source: str = "generated", **_: Any) -> DataSet | None:
    """What `csl[source=...]` reads."""
    return CSL if source == "published" else None


def tu_files(*, member: str, **_: Any) -> DataSet:
    """What `tu:member` reads. Of sets without a checksum here only the three files are declared that each has, so they
    always count as unverified. Raises UsageError for a name that can't be that of a folder."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", member):
        raise UsageError(f"{member!r} can't be the name of a TU set")
    return KNOWN_TU.get(member) or _tu(member, dict.fromkeys(REQUIRED, ""))
