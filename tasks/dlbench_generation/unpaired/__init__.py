"""Pictures of one domain as another would have them, learnt without pairs. No torch.

What ranks is the error to the true partner, which no training batch holds. Neither of the other figures could: drawing
any picture of the second domain has the best Frechet distance, and both copying and a relabelling of the classes are
perfect cycles. Training picks its state by the Frechet distance on validation, which needs no pair.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import DataSet, Image, Metric, TaskSpec, Translate
from dlbench.data import Data

from .suites import suites as suites

ERROR = Metric(name="error", unit="squared error", higher_is_better=False)
COMMON = (
    Metric(name="frechet_floor", unit="distance", higher_is_better=False),
    Metric(name="cycle_error", unit="absolute error", higher_is_better=False),
    Metric(name="spread", unit="ratio"),
)
CLASSES = (Metric(name="kept"), Metric(name="kept_back"), Metric(name="kept_true"))
LOOKS = (Metric(name="accepted"), Metric(name="accepted_back"))


def load_digits_inverted(data: Data) -> Any:
    """Dark on bright, of digits that are bright on dark."""
    from .digits import load

    return load(data, change="inverted")


def load_digits_rotated(data: Data) -> Any:
    """Turned by 90 degrees to the left."""
    from .digits import load

    return load(data, change="rotated")


def load_emoji_style(data: Data) -> Any:
    from .emoji import load

    return load(data, emoji_files())


def load_folders(data: Data, *, member: str, size: int | None = None, grey: bool = False) -> Any:
    """`member`: both folders, a comma between. `size`: the side to which pictures are resized and cut, where they have
    several sizes; `grey`: one channel."""
    from .folders import load

    return load(data, member, size=size, grey=grey)


def emoji_files(**_: object) -> DataSet:
    """Both sheets of drawings and the table of names and categories, as the captions of `emoji_captions` have them."""
    from dlbench_vision.captioning.files import EMOJI, TABLE

    noto, twemoji = EMOJI["noto"], EMOJI["twemoji"]
    return DataSet(
        name="emoji_styles",
        files=(noto.files[0], twemoji.files[0], TABLE),
        licence=f"{noto.licence}; {twemoji.licence}",
        source=noto.source,
    )


def frechet(network: str) -> Metric:
    """The distance in the features of a network, to so many true partners where a number stands in its name."""
    return Metric(name=f"frechet_{network}", unit="distance", higher_is_better=False)


def specs() -> Iterable[TaskSpec]:
    yield _digits(
        "inverted",
        load_digits_inverted,
        "Digits of 8x8, bright on dark, as other digits dark on bright; the true partner is the inverted picture",
    )
    yield _digits(
        "rotated",
        load_digits_rotated,
        "Digits of 8x8 as other digits turned by 90 degrees to the left; the true partner is the turned picture",
    )
    yield _emoji()
    yield _folders()


def _digits(change: str, load: Any, description: str) -> TaskSpec:
    return TaskSpec(
        name=f"digits_{change}",
        input_kind=Image,
        output_kind=Translate,
        load=load,
        unit="image",
        metric=ERROR,
        metrics=(frechet(f"{change}_360"), *COMMON, *CLASSES),
        monitor=f"frechet_{change}_360",
        floor=None,
        bound=0.0,
        recipe={"optimizer": "adam", "lr": 1e-3, "schedule": "cosine", "batch_size": 32, "budget.steps": 120,
                "evaluate_every": 20},
        preload=("sklearn.datasets", "sklearn.model_selection"),
        description=f"{description}. 538 training pictures of one domain, 539 of the other, none of the same digit. "
        "`error` is the mean squared difference from the true partner, of values 0 to 1; `kept` the share of "
        "translated test pictures that a classifier of the second domain recognises as the source's class, `kept_back` "
        f"the other way, `kept_true` that of the true partners; `frechet_{change}_360` the Frechet distance in the "
        "classifier's features between 360 translations and the true partners, `frechet_floor` that of training and "
        "test pictures of the second domain; `cycle_error` the mean absolute difference after going there and back, "
        "both ways; `spread` how different translations are, 1 as true ones, 0 where all are alike",
    )  # fmt: skip


def _emoji() -> TaskSpec:
    return TaskSpec(
        name="emoji_style",
        input_kind=Image,
        output_kind=Translate,
        load=load_emoji_style,
        unit="image",
        metric=ERROR,
        metrics=(frechet("twemoji_379"), *COMMON, *CLASSES),
        monitor="frechet_twemoji_379",
        floor=None,
        bound=0.0,
        recipe={"optimizer": "adam", "lr": 1e-3, "schedule": "cosine", "batch_size": 16, "budget.steps": 300,
                "evaluate_every": 60},
        data=emoji_files,
        datasets=(emoji_files(),),
        preload=("PIL.Image",),
        description="Emoji of 32x32 as Google draws them (Noto) in the style of Twitter's (Twemoji, CC BY 4.0). Rows "
        "0, 1, 2 and 4 of ten are training pictures of the first style, 5, 6, 8 and 9 of the second, so no emoji is in "
        "both; 7 is for validation, 3 for test. Variants of a test emoji by tone and person are in training. `error` "
        "is the mean squared difference from the hidden partner, of values 0 to 1: over all 3,786 rows copying has "
        "0.0763 and a random target 0.1555. Classes are the ten categories; the other metrics are those of "
        "`digits_inverted`",
    )  # fmt: skip


def _folders() -> TaskSpec:
    return TaskSpec(
        name="unpaired:*",
        input_kind=Image,
        output_kind=Translate,
        load=load_folders,
        unit="image",
        metric=frechet("folders"),
        metrics=(*COMMON, *LOOKS),
        floor=None,
        recipe={"optimizer": "adam", "lr": 1e-3, "schedule": "cosine", "batch_size": 16, "budget.steps": 1000},
        preload=("PIL.Image",),
        description="pictures of two folders, as in unpaired:horses,zebras, below the data root or at absolute paths; "
        "in train, val and test, or a tenth each is held out; size=32 resizes and cuts to 32x32. There are no classes "
        "and no partners: `frechet_folders` is taken in the features of a network that tells both folders apart, and "
        "`accepted` is the share of translated test pictures that it takes for the second folder's. Copying has the "
        "worst of both, but nothing here says whether the meaning was kept",
    )
