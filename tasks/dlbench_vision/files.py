"""The files of the vision tasks: canonical addresses and published checksums."""

from __future__ import annotations

from dlbench import DataFile, DataSet, unknown

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

CIFAR10_ARCHIVE = DataSet(
    name="cifar10",
    files=(
        DataFile(
            path="vision/cifar10/cifar-10-python.tar.gz",
            sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
            urls=("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",),
        ),
    ),
    licence="not stated; its authors ask for citation",
    source="https://www.cs.toronto.edu/~kriz/cifar.html",
)

SHEET_CHECKSUMS = (
    "5b1c8418d55b9755e2402dc5fe5ced6b538e261066f7366cc73bc615b1836320",
    "758ca6f6aa78526be9b65c2e2653c464b7f32c7f12746c408ff46ad24290f462",
    "4b40da7e1bae96c2823c5df0dfa47a88f4349b27d18db4b5532a9bf0c0cea126",
    "6ea5e7e66924869d2385d75c0bf8b63692e070252b93db8913df28f000280a5d",
    "02bf2e3ecbf638ead2720c2dc18478e24e6b94ddd4fd978625ad77afb8332a8d",
    "f7aaa370f427354ccf492e0d7598a56163d9089f3e327af14cfd25eeab7a3fb5",
    "3b243adaf1b6563ab2b3e46d2377df8cb213c18f239ebad9ca1ff4459cb4ac3e",
    "8710ebf4fb30e72721ec2cf6158b917dea31542628918660a9e6a1a2e478a29e",
    "4fe7dc25ec0ab30e7ffacaeb8e4642df6fa125be919e9c9abe1dc4ad4897589e",
    "64bc96b847fa41e18067f16b61684c8ab38bfd82022f3df0cd8eb1c5cc881402",
    "39446658baea626f0acce7c7c07a4a0a04338cf47b2d8a1e25659120240259af",
    "cc7e3e8eb6711944bf99f309593033d18dd8bcd38ca16e29092b5044562b5dbc",
    "199bb697ae2f93ad9a9f6f8e49816236ddc2271786c8eb1304cceb7c09664eb2",
    "8e3b27232f21faf809cb7a0b6dcc6eb1d7ea1bda04afd053fc3d79661dbf106f",
    "b2d945281c25e1f0ce71ebb15cbb7f5dbe762f6e4081046774fbfdb7e42aa15e",
    "f7d0e66e7d00fca3e9ce93bfd809c04a4c69853f5fc27c07f72c1f10dfb1585f",
    "c874233efa84d43c2c7150a91081529601ece03129c68a68d20f42076760432e",
    "206194c07ad1fe795c3db9f4ccb033f1bec319f267918f992e07a4c3b0e609a5",
    "98522c062559a6d40ca2dd987c9693e34dde0f4e93ac3b5c459b99e3f98aed65",
    "e00d1b8a1e6882aabc7d6adcc821e6838998cac0efc506eb26f7be7b7ca5f00e",
    "f92434e78d71f605b5c709c18470d049b23a3c825379cc3e5ba06c86c19095bc",
    "1f3b0380fe21042888735d524023e18aae7637ef723db25a0393e6ee5822ca44",
    "d16bb2baa1df940eda8498a9a76014258dacfbba2922c681baa4a672bb31e180",
    "55320580d3f72ac5ddb56e27afe214d0091832be51645fa593c6d2e6af956f0a",
    "fedd71982e04fe4b76884ca2d77532fc8c64badf84f78bf18060a1de123f7bf7",
    "f6c647841c41ff33089cd82837c0b5c4f13dd14572101666e28aa42e3a6dd74e",
    "0df103c48bfa69c206c71d42c78c10bf01caf51f24cfe39a90b2726bc60e26db",
    "13d55eeec507dac785d4dd9d8046cafb882a5476fa5b93ef0e622be8391d8303",
    "dddca4080b73f218a192f7019747add92fa6df96906403848be244ca915b942b",
    "58f2901164a0d793b13d839fc55dbeb5bc5929736fd525efe9708e84bcdc413b",
    "cf958fe454889b9c9a2db7e7e4c425dee5d7c9370e9371f12d790917d3dfcd7a",
    "ee3c792765b3dd9cd909b4e6ff5f487221a3c22624266694e3e2b9ee6bb469c6",
    "bb692c87898acf60fb46e5e0add40da1d59bad0b5d850761171c99e63a213a9e",
    "359c89a664573e2e098671394f47fe41619afb9ab5d0be1cfa8292942c50add2",
    "e6b4e8c039beacb079416f729ce024de97d9f0d2825f8e3ebfedd44ca68e7de9",
    "326a405b311494171a0c6c595f3d7f4ae1791b73aa65b7db0442ac788e2f4dd9",
    "57980c4b5774c4edc36f8fae8d7ed095e5d663e0db4a045ce08dfd1ea3415cb7",
    "944cc75146efed363724064d0b7316a630f428a45b928eb8ad3728b157f7ff89",
    "ec5ce171e5bda76a3f948e608d8ff22015c11de983faebd0147024dc2a961ded",
    "eef56baeb7d8ec35fd5aa884b9ab783514f72e8076c73a4141712b15e0773a9c",
    "7a729f6a14a31a1c6fea36c59d4649c6e2330978e0266db2afa937c04ca29b68",
    "1e380d0eae62917a78d879c47e8bf160620d5501df9d85d328cda32d48636259",
    "04969dcd6ab14449b2fee4374471a911ebc6786fea9c71060abff852aad6741a",
    "66778053dfd7dc392c9243b61344a6819efd77ce5e2a8003522d8175f801eb9d",
    "5b9734aff2fbd16c79dad74b675e7516fd37c0c6fe81fca73e141fcf5ce5c1fb",
    "bc06ed1c65db27f4ecc778501ce60f95af78b62d411638572262531bacf428de",
    "12b23424a6313c9329bbc46abf009585f1b81d149a1269bde441892921e6a256",
    "1a2cc53221404688d24b5888ba20b7bc939b84f3277168b80a332364fc68c361",
    "a44c2eff668c34e3655c17aa52b91938f53a055a45baf5e403ab6c22faf59a50",
    "8560fff11995d165ee2a374c00a6bd50ed659561379eb9649a7f9bf3d9955dde",
)

CIFAR10_SHEETS = DataSet(
    name="cifar10_sheets",
    files=(
        *(
            DataFile(path=f"vision/cifar10/train_{index:02d}.webp", sha256=sha256)
            for index, sha256 in enumerate(SHEET_CHECKSUMS)
        ),
        DataFile(
            path="vision/cifar10/train_labels.npy",
            sha256="fad921ba16b0efeebb54393d1351545d1fe1a357f6f81324c821e3e11b956c70",
        ),
    ),
    licence="not stated; its authors ask for citation",
    source="the published training set as 50 lossless WebP pictures of 1,000 images each",
)

CIFAR10_SOURCES = {"archive": CIFAR10_ARCHIVE, "sheets": CIFAR10_SHEETS}


def cifar10_files(*, source: str = "archive") -> DataSet:
    """The data set behind `cifar10[source=...]`; raises UsageError for an unknown source."""
    if source not in CIFAR10_SOURCES:
        raise unknown("source of cifar10", source, CIFAR10_SOURCES)
    return CIFAR10_SOURCES[source]
