"""The files of MNIST, equal to those of the task `mnist`: `dlbench data` shows both as one set."""

from __future__ import annotations

from dlbench import DataFile, DataSet

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
CHECKSUMS = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
MNIST = DataSet(
    name="mnist",
    files=tuple(
        DataFile(path=f"vision/mnist/{name}", sha256=sha256, urls=tuple(mirror + name for mirror in MIRRORS))
        for name, sha256 in CHECKSUMS.items()
    ),
    licence="not stated by its authors; commonly cited as CC BY-SA 3.0",
    source="LeCun, Cortes and Burges, The MNIST database of handwritten digits",
)
