"""Each regularizer says before training what it is for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import dlbench_regularize
from dlbench import Boxes, Classes, Graph, Image, NodeClasses, NotApplicable, Signature, Tokens, Vector

IMAGES = Signature(input=Image(channels=1, height=8, width=8), output=Classes(num_classes=3))
FOUND = Signature(input=IMAGES.input, output=Boxes(num_classes=3, limit=4))
VECTORS = Signature(input=Vector(features=3), output=Classes(num_classes=3))
TEXT = Signature(input=Tokens(vocab=9), output=Classes(num_classes=3))
NODES = Signature(input=Graph(node_features=3), output=NodeClasses(num_classes=3))


def built() -> Iterator[tuple[str, Any]]:
    for spec in dlbench_regularize.dlbench_regularizers():
        if spec.name in FITS:
            yield spec.name, spec.build()


FITS = {
    "crop_flip": (IMAGES,), "alternating_flip": (IMAGES, FOUND), "flip_boxes": (FOUND,), "dropedge": (NODES,),
    "input_noise": (IMAGES, FOUND, VECTORS),
}  # fmt: skip


@pytest.mark.parametrize("signature", [IMAGES, FOUND, VECTORS, TEXT, NODES], ids=str)
def test_what_it_is_not_for_is_named(signature: Signature) -> None:
    for name, regularizer in built():
        if signature in FITS[name]:
            regularizer.start(None, signature, None)
        else:
            with pytest.raises(NotApplicable, match=f"the regularizer {name} "):
                regularizer.start(None, signature, None)
