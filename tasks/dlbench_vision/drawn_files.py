"""The files of USPS and Omniglot: checksums, and how they come from what was published."""

from __future__ import annotations

from dlbench import DataFile, DataSet

USPS = DataSet(
    name="usps",
    files=(
        DataFile(
            path="vision/usps/usps_train.npz",
            sha256="024c46ad310cff408bcb074fa937cf4386ff4c9f82341992c2fe64718fb6884e",
        ),
        DataFile(
            path="vision/usps/usps_test.npz",
            sha256="c5dc313a288dafc5da38d78789cf3e4f86701e74429fd1ba364fbf6f28535229",
        ),
    ),
    licence="not stated; distributed with an R package under GPL >= 2",
    source="data/zip.train.RData and zip.test.RData of https://github.com/cran/ElemStatLearn, as numpy archives of x "
    "int16 (N, 16, 16), thousandths of the published values, and y uint8 (N,); archives of your own hold the same "
    "arrays but have other checksums: run them with --unverified-data",
)

DRAWN = "vision/omniglot"
LAKE = "https://raw.githubusercontent.com/brendenlake/omniglot/057f034baf2ecb8530bc5710e5a23584d2a519cc/python/"

OMNIGLOT = DataSet(
    name="omniglot",
    files=(
        DataFile(
            path=f"{DRAWN}/background_packed.npy.xz",
            sha256="99798597397f71c185ea603a4b501d491c0b73434e0619a41e7472f0f1552990",
        ),
        DataFile(
            path=f"{DRAWN}/background_characters.tsv",
            sha256="205e87c288c4c1c55ff213497530cd0e9ba88e4cb2a24cd9e2450e855daf73af",
        ),
    ),
    licence="MIT",
    source="images_background.zip of https://github.com/brendenlake/omniglot: its 19,280 drawings by alphabet, "
    "character and drawer as rows of np.packbits, 1 for ink, in an xz-compressed .npy; and a table of the first row, "
    "alphabet, character and file prefix of each character; files of your own have other checksums: run them with "
    "--unverified-data",
)

OMNIGLOT_ONESHOT = DataSet(
    name="omniglot_oneshot",
    files=(
        *OMNIGLOT.files,
        DataFile(
            path=f"{DRAWN}/one_shot_runs.zip",
            sha256="437c1eeab0af8484112e1b4cc0f3d541ec727f7c47b9b202da738af9dfd6c325",
        ),
    ),
    licence="MIT",
    source=f"the files of the set omniglot, and {LAKE}one-shot-classification/all_runs.zip under this name",
)
