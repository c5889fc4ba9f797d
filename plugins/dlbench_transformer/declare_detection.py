"""`detr`, which finds objects: builder and spec. Torch comes in inside the builder."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Boxes, Image, ModelSpec, NotApplicable, Signature, UsageError

from .declare_options import check_heads

MOST_QUERIES = 100


def build_detr(
    signature: Signature,
    *,
    queries: int | None = None,
    width: int = 64,
    depth: int = 2,
    encoder: int = 1,
    heads: int = 4,
    feed: int | None = None,
    dropout: float = 0.0,
    anchors: bool = True,
) -> Any:
    """`queries`: how many answers for an image, none for four times as many as it may hold, up to 100 and no fewer than
    it may hold. `depth`, `encoder`: layers of the decoder and the encoder. `feed`: the inner width of their
    feed-forward parts. `anchors`: queries are points of the image, else vectors, as in the paper. Raises NotApplicable
    where 4 or `heads` doesn't divide the width."""
    from .detr_learner import DetrLearner

    image, boxes = signature.input, signature.output
    check_heads(width, heads)
    if width % 4:
        raise NotApplicable(f"needs a width divisible by 4, not {width}")
    if min(depth, 1 if queries is None else queries) < 1 or encoder < 0:
        raise UsageError("needs queries and a depth of at least 1")
    return DetrLearner(
        channels=image.channels,
        num_classes=boxes.num_classes,
        queries=queries or max(boxes.limit, min(4 * boxes.limit, MOST_QUERIES)),
        width=width,
        depth=depth,
        encoder=encoder,
        heads=heads,
        feed=feed,
        dropout=dropout,
        anchors=anchors,
    )


def models() -> Iterable[ModelSpec]:
    yield ModelSpec(
        name="detr",
        build=build_detr,
        accepts=[(Image, Boxes)],
        family="Transformer",
        paper="Carion, Massa, Synnaeve, Usunier, Kirillov and Zagoruyko 2020, End-to-End Object Detection with "
        "Transformers",
        recipes={
            Boxes: {
                "optimizer": "adamw",
                "lr": 1e-3,
                "weight_decay": 1e-4,
                "schedule": "cosine[warmup_share=0.03]",
            }
        },
        preload=("scipy.optimize",),
    )
