"""What augmentations and mixtures do for a small network on few images, each on a test of its own. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dlbench import Block, ProfileProtocol, Suite

NETWORK = "lenet5"
STEPS = {"budget.steps": 500, "evaluate_every": 125}
AUGMENTED: Mapping[str, str] = {
    "rotation": "rotation[degrees=40.0,fill=edge]",
    "translation": "translation[share=0.17,fill=edge]",
    "rescale": "rescale[factor=1.8,fill=edge]",
    "stretch": "stretch[factor=1.5,fill=edge]",
    "shear": "shear[degrees=40.0,fill=edge]",
    "flip": "flip",
    "crop": "crop[pad=3,fill=edge]",
    "resized crop": "resized_crop[area=0.5]",
    "noise": "input_noise[sd=1.45]",
    "blur": "blur[sigma=2.5]",
    "cutout": "cutout[share=0.5]",
    "brightness, contrast": "brightness[strength=2.3],contrast[strength=0.8]",
    "rand_augment": "rand_augment[count=2,magnitude=15.0,fill=edge]",
}
"""Treatments and their regularizers, about as strong as the transforms of the test images; a deviation of MNIST's
images is 0.31 of their range."""
MIXED: Mapping[str, str] = {
    "mixup": "mixup[alpha=1.0]",
    "cutmix": "cutmix[alpha=1.0]",
}
PROFILE = ProfileProtocol(rounds=3, block_s=0.1, warmup_s=0.1, launches=2)


def suites() -> Iterable[Suite]:
    yield Suite(
        name="augmentation",
        blocks=(_block(("mnist_small",), AUGMENTED),),
        seeds=3,
        profile=PROFILE,
        description="What each augmentation gives a small network, trained on 5,000 digits for 500 steps, on test "
        "images that are transformed as it does, and what it costs on those that aren't",
    )
    yield Suite(
        name="mixing",
        blocks=(_block(("mnist_small", "mnist_small[images=1000,label_noise=0.4]"), MIXED),),
        seeds=5,
        profile=PROFILE,
        description="Mixup and CutMix on 5,000 digits, on test images with foreign patches, and on 1,000 digits, 400 "
        "of them with a wrong label",
    )


def _block(tasks: tuple[str, ...], regularizers: Mapping[str, str]) -> Block:
    """The plain network, and one under each of these."""
    treated = {name: {"regularizers": text} for name, text in regularizers.items()}
    return Block(models=(NETWORK,), tasks=tasks, set=STEPS, treatments={"plain": {}, **treated})
