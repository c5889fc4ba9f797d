"""The files of the tasks on one graph: canonical addresses and published checksums. No torch."""

from __future__ import annotations

from dlbench import DataFile, DataSet

PLANETOID = "https://raw.githubusercontent.com/kimiyoung/planetoid/af6abf468a772cc055bec88c52e4d6f51b7c37e3/data"
GEOM_GCN = "https://raw.githubusercontent.com/graphdml-uiuc-jlu/geom-gcn/f1fc0d14b3b019c562737240d06ec83b07d16a8f"


def planetoid_folder(name: str) -> str:
    """Where the files of `cora`, `citeseer` or `pubmed` lie in the data root, as PyTorch Geometric has them."""
    folder = {"cora": "Cora", "citeseer": "CiteSeer", "pubmed": "PubMed"}[name]
    return f"graph/planetoid/{folder}/raw"


def webkb_folder(name: str) -> str:
    """Where the files of `cornell`, `texas` or `wisconsin` lie in the data root."""
    return f"graph/webkb/{name}/raw"


def _planetoid(name: str, checksums: dict[str, str]) -> DataSet:
    return DataSet(
        name=name,
        files=tuple(
            DataFile(
                path=f"{planetoid_folder(name)}/ind.{name}.{part}",
                sha256=sha256,
                urls=(f"{PLANETOID}/ind.{name}.{part}",),
            )
            for part, sha256 in checksums.items()
        ),
        licence="MIT (the repository); the papers and their links come from Sen et al. 2008 and Namata et al. 2012",
        source="https://github.com/kimiyoung/planetoid",
    )


def _webkb(name: str, edges: str, nodes: str, splits: tuple[str, ...]) -> DataSet:
    checksums = {
        "new_data/{name}/out1_graph_edges.txt": edges,
        "new_data/{name}/out1_node_feature_label.txt": nodes,
        **{f"splits/{{name}}_split_0.6_0.2_{fold}.npz": sha256 for fold, sha256 in enumerate(splits)},
    }
    places = {place.format(name=name): sha256 for place, sha256 in checksums.items()}
    return DataSet(
        name=name,
        files=tuple(
            DataFile(
                path=f"{webkb_folder(name)}/{place.rpartition('/')[2]}", sha256=sha256, urls=(f"{GEOM_GCN}/{place}",)
            )
            for place, sha256 in places.items()
        ),
        source="https://github.com/graphdml-uiuc-jlu/geom-gcn",
    )


CORA = _planetoid(
    "cora",
    {
        "x": "23cfa55d91c6f624233f5eb7b6e3f141f1bd2b2ae39608a63cf5d084bb27baab",
        "tx": "b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a",
        "allx": "9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543",
        "y": "94465c14eb53e04ca262198dcbb2521ee8af60fb3f3d546cd6ca24a511b0e7d1",
        "ty": "41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad",
        "ally": "2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71",
        "graph": "58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d",
        "test.index": "297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875",
    },
)

CITESEER = _planetoid(
    "citeseer",
    {
        "x": "d20de19150741e555de0ed037195630fc194114ebc7fd72ced62810148aa22f6",
        "tx": "539a8906a2da97628d212f2fdd668c109a8b3f0d36574b59e5d3fd5b5303da21",
        "allx": "2ac30345d95c9ec933a817ee0bdd6a5f077f8c184a20e696910192d534414668",
        "y": "8ba87e515d8e3ee3cf52f6d2c5b86aa73f11ecad825a808455209ec26cd54924",
        "ty": "55e5bd1ba1e733a04598753ad1a8d57957f4b8f89e74519f41f4f4938767e4ce",
        "ally": "f704b2d986dde6c2669934de1f3ae5696a6cf9455c0f6b2646a2d135ea0a1c95",
        "graph": "d79a4ef9d3e7169aee8946145f6b7306e35bc79bffad26346cfb94e10e9912a7",
        "test.index": "2af990671580b6b2df5d158d1038f8292e30c9cd821b5453f399659b25b723d4",
    },
)

PUBMED = _planetoid(
    "pubmed",
    {
        "x": "fbe9cb5c47200d1b7769a26e579be3b7130b556831f9d850e77c4c74f2599b33",
        "tx": "4eb5f5d0f30f26497eb0ac6ac9719d09c67e284f1ed0385c93f3ef27a671da3d",
        # No copy was at hand to hash: the checksum and a size of 7,578,385 bytes stand in the Git LFS pointers of
        # github.com/D61-IA/FisherGCN (140cb297), whose tx and graph are those of planetoid.
        "allx": "508e538e2abdccdd54c4d3e9f49d638b4af7107d85845f66ddea5a5152658b7e",
        "y": "e6c807633307a07ed659249006536a147c7999c797f11a2560752990181b41b3",
        "ty": "ee2e0d4819d9fbcc403689c3bf2e49face401b605932f093bc58ab6461130fdd",
        "ally": "0c37bbe3b5014ec365e9d393cf4791925e5ed94fb194305d74f064a8d7b50f0e",
        "graph": "5b89f0036ca22909471f1e6558eb42fa06e0c730a577bde5b058b40638f81dc9",
        "test.index": "b101d421688bbaecbd82e8a18f1e282378d6830f3a37666f28ebc47f844341b5",
    },
)

CORNELL = _webkb(
    "cornell",
    edges="c4522a00cc40873c8a04a3a07c49e24a48a507eb284ac9c9f2d3e0590351bbb7",
    nodes="cf5a3ca346cdd1210b8342e22517fcbbdae658065b7a3145f59350e50e6236a3",
    splits=(
        "14022a1e19ec7fc0a07a2c06a785a2f9dc52809dbcd1c14fc318f7800675d73f",
        "5568fa27e968a724c92211bf97026a36a08893cf94b218043e49b4c973c35cfb",
        "763fc1f423395e4172617fa5b6bc0d7adad2241e5fedd1a4f0a098a67f9dc8e9",
        "4334321cd9ec42de9d51107fb9a6dc310512e0921bc1cff0f390301ee37315fa",
        "2b6b3ef396f4dc7fcdc276fb16b88bb87409b25879dd672b3a506eca844dd8d7",
        "1a40ef8b20aa9e1aa850e1abdaba3efac1f66c98ef2c6a59eadefa21136ece6b",
        "bcddf4ab59eae4c7d47b8a6cec9025a54ec0e6d3f3bdcd7678e201f25ace4642",
        "2b497e12dfc123d7e7c9bb4fc4a82b5bee18409e109a3e3a04da439cacec964d",
        "5c4e110d252d7ad156b2e4cd34b6dbd1cecbcc1755f8d72e932cc2a54f2b643c",
        "80f1531807194d301affbf6f879a4ab4f56a19bdccb62d192e3ecd1b5275f052",
    ),
)

TEXAS = _webkb(
    "texas",
    edges="0fe85183243a78cbee9b85a684f8240963d04d1020d10e9cd2b8cfb25e33b476",
    nodes="cf5a3ca346cdd1210b8342e22517fcbbdae658065b7a3145f59350e50e6236a3",
    splits=(
        "7ba77bf7a8856fcc0ab15623a611b8cdce994e820f577da914123fb4f45272b0",
        "21cc244a96e3c51ad7993afb4dd227f90e467d82b964bb42d7d9fc500a6ef87f",
        "b9e96a699ccf3a4c31ffbd03e52b25570889833425d20fa44e06c37b327cf61e",
        "1a7deeb1285009789d5e6045d7e39f7d019c9223d9a75a2b7ce5e26d33b51f63",
        "b5419ff3fe31adcae66fdb085d4f47d0b188e9436ab59f438632af969aafc674",
        "68405fd1b9ff6105d99717220ecbd198785e338bf4a73abee722bbc9703d2667",
        "8ad78b973164e70e5ac0d282e79adcbc6006e373909fbdfd72a13131e09040b8",
        "a84bcbf997365bddf5fdf72ed49dc7e435e475f8c6210f8cdee7c8581a2bd6df",
        "65ba65f296f91d40d2d7d3c9369b67415094a7e254c6eee48cd6d6531c586fdf",
        "4306981d654ad8835c000c1f73fb6c1e60dfe99e26c13a6073f3b0f4cc3ce6ee",
    ),
)

WISCONSIN = _webkb(
    "wisconsin",
    edges="ebd213511c88fce1eda450c2f920600c4b8cbb38f02384856bcc47c6ec1807ae",
    nodes="a32b0aa38d42f0d36841e8a8cb646d197f0ff33a182ac75a2b4476aeed3c7e4b",
    splits=(
        "f66f641e191d35d491cd3b63d6c2cd93c4b436da398984b44c19a8d4d7e7b1a5",
        "534aeb97266bd5a85a8587adf8eebad3f2e001c1240610f24b62c0ad0c2466ee",
        "047a5b641778ec3a4c76055fd7f18ecb2424c0952f20dfff7e1b17749d8acbdd",
        "706c27b4c51d046c0316f1e915f093e4a1fff48b3436b3e7c421eab596a99e77",
        "7ee813605eec086457aaff022cf3837f2f893fcf8bd37e3a8d2ff0c80e4c4f87",
        "8094ac2bdaf2cbea8f7a48df66a0800c809b2fd5942740e6b0441b660d3a0dd5",
        "c423a8deea9b18f9ecb6cfd703578e2159df167de01fe7e6195b88995010252d",
        "57ad808c8d4dd94dc4404124370bbcebb3dcc597c2bea6457bf05f220adf1527",
        "27d4d62a2a6aea2cdc399302237512ab0d64fb0c84e648112f97c5896274e42f",
        "3c149cd124a19021031609e0d7743a7be59aae4f88c8d38410138e8f06f5daaf",
    ),
)

COAUTHORSHIP_FOLDER = "graph/hypergraph/cora_coauthorship"
CORA_COAUTHORSHIP = DataSet(
    name="cora_coauthorship",
    files=tuple(
        DataFile(path=f"{COAUTHORSHIP_FOLDER}/{name}", sha256=sha256)
        for name, sha256 in {
            "features_csr.npz": "510d98cce864c4cc260e7ca681c5e56d7e09d052ad5232d7aa767ae4a3970ca2",
            "hyperedges.json": "4f0e802d1a699b59e7d86853bc778a58c0959b36319bb91b78be269d4e8b789f",
            "labels.json": "8fc7301bda1b5b96bc15a1ebe30768afdb372f602a5baa9f9c118433bb0242c5",
            "splits_train_ids.json": "855db95015c055a24af334d42d40817e25f1dcdee147ed676884a4a6d02bdbd3",
        }.items()
    ),
    licence="Apache-2.0 (the repository)",
    source="https://github.com/malllabiisc/HyperGCN (data/coauthorship/cora), its pickles rewritten as npz and JSON",
)
