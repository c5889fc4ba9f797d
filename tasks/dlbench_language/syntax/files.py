"""The files of the tasks on sentences as graphs: published checksums. No torch.

No address gives any of them as it is: all are packed, and of the treebank's two layers what the tasks don't read, or
may not be published with the words, was left out or put in.
"""

from __future__ import annotations

from dlbench import DataFile, DataSet

from ..labelling.files import EWT


def _files(folder: str, names: dict[str, str]) -> tuple[DataFile, ...]:
    return tuple(DataFile(path=f"text/{folder}/{name}.gz", sha256=sha256) for name, sha256 in names.items())


UNER = DataSet(
    name="ewt_uner",
    files=(
        *_files(
            "ewt-uner",
            {
                "ewt-ner-train.iob2": "6c79015ec6f7f8e9d51a38f1b1c6f69cf746ee201cdafabf58e9fe37de6cc145",
                "ewt-ner-dev.iob2": "80a0c725191089794d34221e35109b799b1f619359779a4b32e620ce38ed64e9",
                "ewt-ner-test.iob2": "c629445deafe6b0690a55ea3bfd943e23b6bc18667785060b2834de0962d3a3c",
            },
        ),
        *EWT.files,
    ),
    licence="CC BY-SA 4.0",
    source="https://github.com/UniversalNER/UNER_English-EWT, commit 8ed072de (train: d516dd33); and " + EWT.source,
)

PROPBANK = DataSet(
    name="ewt_propbank",
    files=(
        *_files(
            "ewt-propbank",
            {
                "ewt-srl-train.tsv": "21161df6a7de5aacf5f23d898afa0377b65d0636b11f0b8c1896da01d72ce2dc",
                "ewt-srl-dev.tsv": "f7367708b33a11f96e6ab5c86bea4f978b0aabd06774f70de51ab3473165c87c",
                "ewt-srl-test.tsv": "63971545ca1c316b6dff941d7f2bf8f9aa748a546a654c61d2a9e4495a68459f",
            },
        ),
        *EWT.files,
    ),
    licence="CC BY-SA 4.0",
    source="https://github.com/propbank/propbank-release, commit 4abade0b; and " + EWT.source,
)

SEMEVAL = DataSet(
    name="semeval2010_task8",
    files=_files(
        "semeval2010-task8",
        {
            "TRAIN_FILE.TXT": "4086f2d1669e8b5c633cadd8ca338094af67d79f2ad6b911924d518f37f07915",
            "TEST_FILE_FULL.TXT": "de449a27b1ac8742c587b102cdaf36dcfd796af6f34cb110b5aaf3edfd89ebde",
        },
    ),
    licence="CC BY 3.0",
    source="https://github.com/racerandom/RelationClassification, commit 438eff65",
)

WNUT = DataSet(
    name="wnut17",
    files=_files(
        "wnut17",
        {
            "wnut17train.conll": "73166ca232684f62c789af13efcbd7e2cc54937fd0e72a8ae53c3c7c2ac50c06",
            "emerging.dev.conll": "290cb9e279496df9fe592e29e8af80acb5fc56991ae7087020c038a0ad946bac",
            "emerging.test.annotated": "c2a9d98dc76b035b78f287f6f8f479d20832622ab2fdc79d0b380131d4ff4351",
        },
    ),
    licence="CC BY 4.0",
    source="https://github.com/leondz/emerging_entities_17, commit e52a2d2a",
)
