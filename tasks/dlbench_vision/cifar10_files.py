"""The files of CIFAR-10, in three forms of one content: addresses where there are some, and checksums."""

from __future__ import annotations

from dlbench import DataFile, DataSet, unknown

LICENCE = "not stated; its authors ask for citation"
HOME = "https://www.cs.toronto.edu/~kriz/cifar.html"
FOLDER = "vision/cifar10/cifar-10-batches-py"
BATCHES = {
    "data_batch_1": "54636561a3ce25bd3e19253c6b0d8538147b0ae398331ac4a2d86c6d987368cd",
    "data_batch_2": "766b2cef9fbc745cf056b3152224f7cf77163b330ea9a15f9392beb8b89bc5a8",
    "data_batch_3": "0f00d98ebfb30b3ec0ad19f9756dc2630b89003e10525f5e148445e82aa6a1f9",
    "data_batch_4": "3f7bb240661948b8f4d53e36ec720d8306f5668bd0071dcb4e6c947f78e9682b",
    "data_batch_5": "d91802434d8376bbaeeadf58a737e3a1b12ac839077e931237e0dcd43adcb154",
    "test_batch": "f53d8d457504f7cff4ea9e021afcf0e0ad8e24a91f3fc42091b8adef61157831",
    "batches.meta": "f962466ef690d46b226450fb9aadc74ba4bc64a76aa526b5827fe4bc5c7125cb",
}
TRAIN_SHEETS = (
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
TEST_SHEETS = (
    "cb828dc0e9362b4226d735175a2f991ca927366a08942e433c12d13c7e23ff10",
    "02de5e41c699b5c9b8a20cf00a06bef34f5db78f92c346c16100688f94b0d2b2",
    "706a0270ef301627749b50f7328a4af01b221f9f812e31d1db1626b6d2b2915c",
    "d830d4471d4da80faa34300395f522b491074bc2bddf6684bf0ece4c446167c1",
    "432b1ac4df6704520f016b0f31b17db87d8f2782cce9645b34666df258a4e02b",
    "a3037a3994545d51f271166f22452b7ef5d15a1ea8176c112be5360ce424f1ea",
    "421bc1b3132e067bc0f90e6847c53ca984fc63443cc79f7d7432466db40c6685",
    "a15945e2f3688709419593fac8f37b889ce41f9de78f26f214ec83ade23611c2",
    "0c7faa01c029f4de225a748d2d7de43af9a20f336ef6f7ef1cb075f0a5f1a890",
    "7b90280465ccdba2062da6719f76dd6d4846b2fbc635ceba448870e087a7021b",
)


def _sheet(name: str, sha256: str) -> DataFile:
    return DataFile(path=f"vision/cifar10/{name}", sha256=sha256)


ARCHIVE_FILES = (
    DataFile(
        path="vision/cifar10/cifar-10-python.tar.gz",
        sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        urls=("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",),
    ),
)
CIFAR10_ARCHIVE = DataSet(name="cifar10_archive", files=ARCHIVE_FILES, licence=LICENCE, source=HOME)

CIFAR10_FOLDER = DataSet(
    name="cifar10_folder",
    files=tuple(DataFile(path=f"{FOLDER}/{name}", sha256=sha256) for name, sha256 in BATCHES.items()),
    licence=LICENCE,
    source="the folder cifar-10-batches-py that the archive unpacks to, as torchvision leaves it; a link to it will do",
)

CIFAR10_SHEETS = DataSet(
    name="cifar10_sheets",
    files=(
        *(_sheet(f"train_{index:02d}.webp", sha256) for index, sha256 in enumerate(TRAIN_SHEETS)),
        _sheet("train_labels.npy", "fad921ba16b0efeebb54393d1351545d1fe1a357f6f81324c821e3e11b956c70"),
        *(
            _sheet(f"test_{index:02d}.webp" if index else "test_first1000.webp", sha256)
            for index, sha256 in enumerate(TEST_SHEETS)
        ),
        _sheet("test_labels.npy", "19004b019bd095265b4ce6637c9ff979c66abcbc8e658a665f791b487cdea5eb"),
    ),
    licence=LICENCE,
    source="the published set as 60 lossless WebP pictures of 1,000 images each, in 25 rows and 40 columns",
)

CIFAR10 = DataSet(
    name="cifar10",
    files=ARCHIVE_FILES,
    licence=LICENCE,
    source=HOME,
    alternatives=(CIFAR10_FOLDER, CIFAR10_SHEETS),
)

CIFAR10_SOURCES = {"auto": CIFAR10, "archive": CIFAR10_ARCHIVE, "folder": CIFAR10_FOLDER, "sheets": CIFAR10_SHEETS}


def cifar10_files(*, source: str = "auto") -> DataSet:
    """The data set behind `cifar10[source=...]`; raises UsageError for an unknown source."""
    if source not in CIFAR10_SOURCES:
        raise unknown("source of cifar10", source, CIFAR10_SOURCES)
    return CIFAR10_SOURCES[source]
