"""The files of the labelling tasks: canonical addresses and published checksums. No torch."""

from __future__ import annotations

from dlbench import DataFile, DataSet

SLOT_GATED = "https://raw.githubusercontent.com/MiuLab/SlotGated-SLU/61f0307c729b1fad479ef1de94aa5ac5dee601b0/data/atis"

ATIS = DataSet(
    name="atis",
    files=tuple(
        DataFile(path=f"text/atis/{name}", sha256=sha256, urls=(f"{SLOT_GATED}/{name}",))
        for name, sha256 in {
            "train/seq.in": "3a670980841b21ab39088b2595efc17d487cdc45769c075a3e5f9458bba28c7f",
            "train/seq.out": "14c7131bd66562f797dbd7189bc7358f0cf354c6afb0785a9ab973c35b58f34c",
            "valid/seq.in": "c7435b96e7948393608c34819628e863c5338f11ca68e8f896d2cc041d8e17f8",
            "valid/seq.out": "83ccff3e36f83a993f8e5b5b82adf3256076f234abda4d784051381d7ac76922",
            "test/seq.in": "4b2119fc59c37f9398c6605db435d4f467505009e6ee3e5af04fed09f39dc397",
            "test/seq.out": "a4690d6bceadc06876d1ff99bc401744aa981cb321e598ae12a3859d7be53254",
        }.items()
    ),
    licence="not stated; the utterances are the Linguistic Data Consortium's",
    source="https://github.com/MiuLab/SlotGated-SLU",
)

# No address gives these files as they are: the treebank's files, packed.
EWT = DataSet(
    name="ud_english_ewt",
    files=tuple(
        DataFile(path=f"text/ud-english-ewt/en_ewt-ud-{part}.conllu.gz", sha256=sha256)
        for part, sha256 in {
            "train": "bd47e08c9e18ec12d319e84df2ccdb272ff6de1d0dba5761117d3caf8b358f7b",
            "dev": "41086e3afc9ae572f899c9123f874d6d04a52e374a3d2ac7a6667ce48e3bf3e3",
            "test": "29c151eee8846d3f3ef7806c126ecac9932af2317c008c6d6b076c5e14950dbe",
        }.items()
    ),
    licence="CC BY-SA 4.0",
    source="https://github.com/UniversalDependencies/UD_English-EWT, commit 15d613d8",
)
