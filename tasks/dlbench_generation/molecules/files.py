"""The files of the molecules: checksums, licences, sources. No torch.

None has an address: ZINC's list was put together from several, the others are published in another form or as a whole.
"""

from __future__ import annotations

from dlbench import DataFile, DataSet

FOLDER = "graph/molecules"

QM9 = DataSet(
    name="qm9_smiles",
    files=(
        DataFile(
            path=f"{FOLDER}/qm9_smiles/qm9_smiles.csv.xz",
            sha256="592cbba91e6db37023a4ee550f7600dedff032a2917c02e3e3829389be6a24f1",
        ),
    ),
    licence="CC0 (QM9, as its publisher states it), Apache-2.0 (the list)",
    source="tests/test_sets/qm9.csv of https://github.com/aspuru-guzik-group/selfies, packed; QM9 is by Ramakrishnan "
    "et al. 2014, doi 10.6084/m9.figshare.978904",
)

ZINC = DataSet(
    name="zinc_smiles",
    files=(
        DataFile(
            path=f"{FOLDER}/zinc/zinc12k.csv",
            sha256="127ef08346fff879af23b8edcd30e3c3ec117641d42d70d6ee2f649cb33a3d21",
        ),
    ),
    licence="MIT (the lists of molecules)",
    source="validation and test molecules chosen from the lists of https://github.com/wengong-jin/icml18-jtnn by the "
    "indices of https://github.com/graphdeeplearning/benchmarking-gnns, training molecules from "
    "https://github.com/wenhao-gao/mol_opt",
)

MOSES = DataSet(
    name="moses",
    files=(
        DataFile(
            path=f"{FOLDER}/moses/train_every10th.csv.xz",
            sha256="f490902a61f1c2f558951a2dbe7b5a8d14c9e262ea398e9530749ebae833d035",
        ),
        DataFile(
            path=f"{FOLDER}/moses/test_every4th.csv.xz",
            sha256="c733a826b979687b75312a64b0cbd61d8c55eabae9384cb1c2a6405a6aebd772",
        ),
    ),
    licence="MIT",
    source="every tenth training and every fourth test molecule of the Python package molsets 0.3.1",
)
