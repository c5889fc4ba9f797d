"""The files of MNIST and Fashion-MNIST: canonical addresses and published checksums."""

from __future__ import annotations

from dlbench import DataFile, DataSet

MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
FASHION_MIRRORS = ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",)


def _idx_files(folder: str, mirrors: tuple[str, ...], checksums: dict[str, str]) -> tuple[DataFile, ...]:
    return tuple(
        DataFile(path=f"{folder}/{name}", sha256=sha256, urls=tuple(mirror + name for mirror in mirrors))
        for name, sha256 in checksums.items()
    )


MNIST = DataSet(
    name="mnist",
    files=_idx_files(
        "vision/mnist",
        MNIST_MIRRORS,
        {
            "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
    ),
    licence="not stated by its authors; commonly cited as CC BY-SA 3.0",
    source="LeCun, Cortes and Burges, The MNIST database of handwritten digits",
)

FASHION_MNIST = DataSet(
    name="fashion_mnist",
    files=_idx_files(
        "vision/fashion-mnist",
        FASHION_MIRRORS,
        {
            "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        },
    ),
    licence="MIT",
    source="https://github.com/zalandoresearch/fashion-mnist",
)
