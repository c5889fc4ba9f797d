"""The files of the tasks on knowledge graphs: canonical addresses and published checksums. No torch."""

from __future__ import annotations

from dlbench import DataFile, DataSet

FIRST = "https://raw.githubusercontent.com/ZhenfengLei/KGDatasets/3f8c12defd62c94cc512a693228906b019ff73b9/UMLS"
SECOND = (
    "https://raw.githubusercontent.com/pykeen/pykeen/05c7bbb20c952f3e5e958e694344ace4005b1bbb/src/pykeen/datasets/umls"
)
FOLDER = "graph/umls"
PACKAGE = "pykeen/datasets/umls"
CHECKSUMS = {
    "train": "873ef4925516b83e7f6f8cc02b4be51d848828710a7f65a956f0ac4a9e452f35",
    "valid": "025c98f8a4891e2a6582ec5b40ee0d904031edad9c52554522f4b7904820c98e",
    "test": "a7eb529a3d2810fcc96341ccc97c625a5e202f8389673aa6bd317eeebbb79014",
}
LICENCE = (
    "not stated (PyKEEN, which ships the same files, is under the MIT licence); the facts are those of the UMLS "
    "Semantic Network, McCray 2003, An Upper-Level Ontology for the Biomedical Domain"
)
SOURCE = "https://github.com/ZhenfengLei/KGDatasets"

UMLS = DataSet(
    name="umls",
    files=tuple(
        DataFile(path=f"{FOLDER}/{split}.txt", sha256=sha256, urls=(f"{FIRST}/{split}.txt", f"{SECOND}/{split}.txt"))
        for split, sha256 in CHECKSUMS.items()
    ),
    licence=LICENCE,
    source=SOURCE,
    alternatives=(
        DataSet(
            name="umls_pykeen",
            files=tuple(DataFile(path=f"{PACKAGE}/{split}.txt", sha256=sha256) for split, sha256 in CHECKSUMS.items()),
            licence=LICENCE,
            source="the Python package pykeen, where the folder that holds it is one of the data root's",
        ),
    ),
)
