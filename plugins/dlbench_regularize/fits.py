"""What regularizers are for, asked of a task's signature before training. No torch."""

from __future__ import annotations

from dlbench import Image, NotApplicable, Signature


def check_images(name: str, signature: Signature) -> None:
    """Raises NotApplicable for a regularizer of images where the inputs are something else."""
    if not isinstance(signature.input, Image):
        raise NotApplicable(f"the regularizer {name} works on images, not on {signature.input}")
