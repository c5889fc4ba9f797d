"""The files of Multi30k, task 1: canonical addresses and checksums."""

from __future__ import annotations

from dlbench import DataFile, DataSet

FOLDER = "text/multi30k/tok"
ADDRESS = "https://raw.githubusercontent.com/multi30k/dataset/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1/tok/"
PARTS = {"train": "train", "val": "val", "test": "test_2016_flickr"}
CHECKSUMS = {
    ("train", "de"): "cb5a23529b65ec2061f1dc446192a9c37382b63cc75f81a0be59d34894b3a505",
    ("train", "en"): "08925f8e0572bcd5a006702fc5fe20e2d77c6917d4eebd576fc20de6693c2119",
    ("val", "de"): "97232bd273eceb7207f689527386a97e4be2616b18ada47576bdaf96c8ae1f00",
    ("val", "en"): "46573ce391ae227f1c72f873392436a20ef18e0a6d518098cfbd70b77c8572ec",
    ("test", "de"): "c6a33d39d48f9f510de147651316cd9d918e09ad0219df734a2f16b6baccacc4",
    ("test", "en"): "5b7f32627cf99eced828311b955dae9800bb52bc8b91cf8b6526829e605b29d2",
}


def name_of(split: str, language: str) -> str:
    """The file's name: lower-cased, punctuation normalised, tokenised by the Moses scripts, in that order."""
    return f"{PARTS[split]}.lc.norm.tok.{language}"


MULTI30K = DataSet(
    name="multi30k",
    files=tuple(
        DataFile(
            path=f"{FOLDER}/{name_of(split, language)}",
            sha256=sha256,
            urls=(ADDRESS + name_of(split, language),),
        )
        for (split, language), sha256 in CHECKSUMS.items()
    ),
    licence="not stated; for research and education that is not commercial, and its authors ask for citation",
    source="https://github.com/multi30k/dataset; Elliott, Frank, Sima'an, Specia 2016, Multi30K: Multilingual "
    "English-German Image Descriptions",
)
