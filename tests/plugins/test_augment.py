"""dlbench_augment: identities and inverses, exact laws where there are some, one draw for each image, and what each is
for."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import pytest
import torch
from augmentparts import MIXING, SPECS, build, images, learner, seeded, started
from scipy.stats import chisquare
from torch import Tensor

from dlbench import (
    Batch,
    Boxes,
    Classes,
    Image,
    Mask,
    NotApplicable,
    Regularizer,
    Signature,
    TokenSequence,
    UsageError,
    Vector,
)
from dlbench.contract.choice import option_defaults
from dlbench.contract.learner import overrides
from dlbench_augment.affine import maps, warp
from dlbench_augment.blur import blurred
from dlbench_augment.colour import colour_maps, recoloured
from dlbench_augment.cutout import inside
from dlbench_augment.geometric import turned
from dlbench_augment.rand_augment import STRONGEST, sources
from dlbench_augment.whole import mirrored, moved

OF_IMAGES = [name for name in SPECS if name not in MIXING]
MOVING = ("rotation", "translation", "rescale", "stretch", "shear", "resized_crop", "flip", "crop", "rand_augment")
COLOURED = ("saturation", "hue", "pca_jitter", "colour_jitter")
IDENTITIES = (
    "rotation[degrees=0.0]", "translation[share=0.0]", "rescale[factor=1.0]", "stretch[factor=1.0]",
    "shear[degrees=0.0]", "resized_crop[area=1.0,ratio=1.0]", "flip[horizontal=false]", "crop[pad=0]",
    "colour_jitter[brightness=0.0,contrast=0.0,saturation=0.0,hue=0.0]", "brightness[strength=0.0]",
    "contrast[strength=0.0]", "saturation[strength=0.0]", "hue[degrees=0.0]", "pca_jitter[alpha=0.0]",
    "blur[sigma=0.0]", "cutout[share=0.0]", "rand_augment[count=0]", "rand_augment[magnitude=0.0]",
    "mixup[alpha=0.0]", "cutmix[alpha=0.0]", "label_smoothing[epsilon=0.0]",
)  # fmt: skip
IMPOSSIBLE = (
    "rotation[degrees=-1.0]", "rotation[degrees=181.0]", "rotation[fill=black]", "translation[share=1.5]",
    "rescale[factor=0.5]", "stretch[factor=0.0]", "shear[degrees=90.0]", "resized_crop[area=0.0]",
    "resized_crop[ratio=0.5]", "crop[pad=-1]", "colour_jitter[contrast=1.5]", "brightness[strength=-1.0]",
    "contrast[strength=2.0]", "saturation[strength=2.0]", "hue[degrees=200.0]", "pca_jitter[alpha=-1.0]",
    "blur[sigma=-1.0]", "cutout[share=2.0]", "rand_augment[count=-1]", "rand_augment[magnitude=31.0]",
    "mixup[alpha=-1.0]", "cutmix[alpha=-0.1]", "label_smoothing[epsilon=1.1]", "rescale[factor=inf]",
)  # fmt: skip


def changed(text: str, given: Tensor, seed: int = 0) -> Tensor:
    return build(text).on_batch(Batch(given), seeded(seed)).inputs


# --- all of them ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SPECS)
def test_each_acts_on_batches_and_has_its_constructors_defaults(name: str) -> None:
    built = SPECS[name].build()
    assert isinstance(built, Regularizer)
    assert overrides([built], "on_batch")
    assert option_defaults(SPECS[name].build) == option_defaults(type(built))
    assert built.name == name
    assert SPECS[name].paper


@pytest.mark.parametrize("text", IDENTITIES)
def test_without_strength_a_batch_stays_the_same_object(text: str) -> None:
    batch, generator = Batch(images(), torch.arange(8) % 5), seeded()
    assert started(text).on_batch(batch, generator) is batch
    assert torch.equal(generator.get_state(), seeded().get_state())  # nothing was drawn
    assert {text.partition("[")[0] for text in IDENTITIES} == set(SPECS)


@pytest.mark.parametrize("text", IMPOSSIBLE)
def test_impossible_options_are_one_sentence(text: str) -> None:
    name = text.partition("[")[0]
    with pytest.raises(UsageError, match=f"^the regularizer {name} [^\n]*, not [^\n]*$"):
        build(text)
    assert {text.partition("[")[0] for text in IMPOSSIBLE} == set(SPECS) - {"flip"}


@pytest.mark.parametrize("name", OF_IMAGES)
def test_draws_differ_within_a_batch_follow_the_generator_and_touch_the_inputs_only(name: str) -> None:
    one = images(1, height=12, width=10)
    batch = Batch(
        one.repeat(16, 1, 1, 1), torch.arange(16), torch.ones(16, dtype=torch.bool), 16, True, torch.arange(16)
    )
    kept = batch.inputs.clone()
    first, again, other = (build(name).on_batch(batch, seeded(seed)) for seed in (0, 0, 1))
    assert torch.equal(batch.inputs, kept)
    assert (first.inputs.shape, first.inputs.dtype) == (kept.shape, kept.dtype)
    assert torch.equal(first.inputs, again.inputs)
    assert not torch.equal(first.inputs, other.inputs)
    assert len({tuple(image.flatten().tolist()) for image in first.inputs}) > 1
    assert all(getattr(first, f.name) is getattr(batch, f.name) for f in fields(batch) if f.name != "inputs")
    assert bool(first.inputs.isfinite().all())


@pytest.mark.parametrize("name", OF_IMAGES)
def test_channels_last_and_double_precision_stay(name: str) -> None:
    plain, given = changed(name, images()), images().contiguous(memory_format=torch.channels_last)
    other = changed(name, given)
    torch.testing.assert_close(plain, other, rtol=1e-5, atol=1e-5)  # sums in another order
    assert plain.is_contiguous()
    assert other.is_contiguous(memory_format=torch.channels_last)
    assert changed(name, images().double()).dtype == torch.float64


@pytest.mark.parametrize("name", OF_IMAGES)
def test_what_is_no_image_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} works on float images"):
        build(name).on_batch(Batch(torch.ones(3, 4)), seeded())
    with pytest.raises(NotApplicable, match=f"{name} is for images, not for vector"):
        started(name, Signature(input=Vector(features=4), output=Classes(num_classes=5)))
    image = Image(channels=3, height=9, width=9)
    words = TokenSequence(vocab=4, length=5, start=1, end=2)
    with pytest.raises(NotApplicable, match=f"{name} is for images alone"):
        started(name, Signature(input=image, output=words))
    for output in (Mask(num_classes=2), Boxes(num_classes=2, limit=3)):
        placed = Signature(input=image, output=output)
        if name in MOVING:
            with pytest.raises(NotApplicable, match="but not the targets that say where they are"):
                started(name, placed)
        else:
            started(name, placed)


@pytest.mark.parametrize("name", COLOURED)
def test_colours_need_three_channels(name: str) -> None:
    grey = Signature(input=Image(channels=1, height=9, width=9), output=Classes(num_classes=5))
    with pytest.raises(NotApplicable, match=f"{name} needs 3 channels of colour, not 1"):
        started(name, grey)
    started("colour_jitter[saturation=0.0,hue=0.0]", grey)


# --- places -----------------------------------------------------------------------------------------------


def angles(*degrees: float) -> Tensor:
    return torch.tensor(degrees, dtype=torch.float64).deg2rad().float()


def test_a_quarter_turn_is_rot90_and_a_whole_one_the_identity() -> None:
    given = images(5, height=8, width=8)
    turns = warp(given, turned(angles(0, 90, 180, 270, 360)), "zero")
    for k in range(5):
        torch.testing.assert_close(turns[k], torch.rot90(given[k], k, (1, 2)), rtol=0, atol=1e-5)


def test_rotation_keeps_shapes_where_sides_differ() -> None:
    wide = torch.zeros(1, 1, 5, 9)
    wide[0, 0, 2, 6] = 1  # two to the right of the centre; a quarter against the clock puts it two above
    assert warp(wide, turned(angles(90)), "zero")[0, 0, 0, 4] == pytest.approx(1, abs=1e-5)


def test_a_rotation_there_and_back_keeps_the_middle_of_a_smooth_image() -> None:
    rows = torch.linspace(-1, 1, 33)
    smooth = torch.exp(-4 * (rows[:, None].square() + (rows - 0.2).square()))[None, None]
    back = warp(warp(smooth, turned(angles(25)), "edge"), turned(angles(-25)), "edge")
    torch.testing.assert_close(back[..., 8:25, 8:25], smooth[..., 8:25, 8:25], rtol=0, atol=0.02)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (2, -3), (-1, 4), (-9, 0)])
def test_translation_by_whole_pixels_is_a_shift_with_zeros(down: int, right: int) -> None:
    given = images(2, height=9, width=11)
    expected = torch.zeros_like(given)
    for row in range(9):
        for column in range(11):
            if 0 <= row - down < 9 and 0 <= column - right < 11:
                expected[:, :, row, column] = given[:, :, row - down, column - right]
    assert torch.equal(moved(given, torch.tensor([down] * 2), torch.tensor([right] * 2), 9, "zero"), expected)
    torch.testing.assert_close(warp(given, maps(2, x=-right, y=-down), "zero"), expected, rtol=0, atol=2e-5)


def test_edges_are_repeated_where_asked() -> None:
    given = images(1, height=4, width=5)
    one = torch.tensor([2]), torch.tensor([0])
    whole, part = moved(given, *one, 2, "edge"), warp(given, maps(1, y=-2.0), "edge")
    for row, source in enumerate((0, 0, 0, 1)):
        assert torch.equal(whole[:, :, row], given[:, :, source])
        torch.testing.assert_close(part[:, :, row], given[:, :, source], rtol=0, atol=1e-5)


def test_enlarging_stretching_and_slanting_are_what_they_say() -> None:
    dot = torch.zeros(1, 1, 9, 9)
    dot[0, 0, 6, 6] = 1  # two to the right of the centre and two below

    def place(**how: float) -> tuple[int, int]:
        return divmod(int(warp(dot, maps(1, **how), "zero").argmax()), 9)

    assert place(xx=0.5, yy=0.5) == (8, 8)
    assert place(xx=0.5, yy=2.0) == (5, 8)
    assert place(xy=1.0) == (6, 4)
    for name, how in (("rescale[factor=1.5]", "rescale"), ("stretch[factor=1.5]", "stretch")):
        xx, _, _, _, yy, _ = build(name).sources(4000, (9, 9), seeded())
        assert (xx.log().mean().abs() < 0.02).all()
        assert (float(xx.min()), float(xx.max())) == pytest.approx((1 / 1.5, 1.5), abs=0.01)
        assert torch.allclose(yy, xx if how == "rescale" else 1 / xx)


@pytest.mark.parametrize(
    ("text", "row", "most"),
    [
        ("translation[share=0.25]", 2, 5.0),
        ("translation[share=0.25]", 5, 2.5),
        ("shear[degrees=30.0]", 1, math.tan(math.pi / 6)),
    ],
)
def test_draws_fill_their_range_evenly_on_both_sides(text: str, row: int, most: float) -> None:
    drawn = build(text).sources(4000, (10, 20), seeded())[row]
    assert (float(drawn.min()), float(drawn.max())) == pytest.approx((-most, most), rel=0.01)
    assert chisquare([int((drawn > 0).sum()), int((drawn <= 0).sum())]).pvalue > 0.01


def test_a_resized_crop_stays_inside_and_has_the_asked_areas() -> None:
    height, width = 20, 30
    xx, xy, x, yx, yy, y = build("resized_crop[area=0.25,ratio=1.5]").sources(4000, (height, width), seeded())
    assert not xy.any()
    assert not yx.any()
    area = xx * yy
    assert 0.2 < float(area.min()) < 0.26
    assert float(area.max()) > 0.95
    assert bool((x.abs() + xx * width / 2 <= width / 2 + 1e-4).all())
    assert bool((y.abs() + yy * height / 2 <= height / 2 + 1e-4).all())
    shape = (xx / yy)[area < 0.5]  # none of these is cut
    assert (float(shape.min()), float(shape.max())) == pytest.approx((1 / 1.5, 1.5), rel=0.02)


@pytest.mark.parametrize("way", [2, 3])
def test_flip_twice_is_the_identity(way: int) -> None:
    given, which = images(), torch.arange(8) % 2
    once = mirrored(given, which, way)
    assert torch.equal(once[1::2], given[1::2].flip(way))
    assert torch.equal(once[::2], given[::2])
    assert torch.equal(mirrored(once, which, way), given)


def test_every_way_to_mirror_and_every_offset_is_equally_likely() -> None:
    corners = torch.zeros(4000, 1, 4, 4)
    corners[:, 0, 0, 0] = 1
    found = changed("flip[vertical=true]", corners).flatten(1).argmax(1)
    counts = torch.bincount(found, minlength=16)
    assert set(counts.nonzero().flatten().tolist()) == {0, 3, 12, 15}
    assert chisquare(counts[[0, 3, 12, 15]].numpy()).pvalue > 0.01
    dots = torch.zeros(5000, 1, 9, 9)
    dots[:, 0, 4, 4] = 1
    counts = torch.bincount(changed("crop[pad=2]", dots).flatten(1).argmax(1), minlength=81).view(9, 9)
    assert counts.sum() == counts[2:7, 2:7].sum()
    assert chisquare(counts[2:7, 2:7].flatten().numpy()).pvalue > 0.01


def test_cutout_blanks_a_square_and_nothing_else() -> None:
    given = torch.ones(500, 2, 12, 10)
    cut = changed("cutout[share=0.4]", given)
    assert set(cut.unique().tolist()) == {0.0, 1.0}
    areas = (cut[:, 0] == 0).flatten(1).sum(1)
    assert int(areas.max()) == 16
    assert 4 <= int(areas.min()) < 16  # some lie partly outside
    assert torch.equal(cut[:, 0], cut[:, 1])
    box, share = inside(given[:1], torch.tensor([1]), torch.tensor([-2]), torch.tensor(3), torch.tensor(4))
    assert share.tolist() == pytest.approx([6 / 120])
    assert box[0, 0].nonzero().tolist() == [[row, column] for row in (1, 2, 3) for column in (0, 1)]


# --- colours ----------------------------------------------------------------------------------------------


def test_brightness_and_contrast_are_their_formulas() -> None:
    given = images(3)
    brightness, contrast = torch.tensor([0.5, 0.0, -0.2]), torch.tensor([1.0, 0.0, 1.7])
    got = recoloured(given, brightness, contrast, None)
    mean = given.mean(dim=(1, 2, 3), keepdim=True)
    expected = mean + contrast.view(3, 1, 1, 1) * (given - mean) + brightness.view(3, 1, 1, 1)
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(recoloured(given, brightness, contrast, torch.eye(3).expand(3, 3, 3)), expected)


def test_greys_keep_their_colour_and_no_saturation_makes_grey() -> None:
    maps = colour_maps(torch.tensor([0.3, 1.6, 0.0]), angles(40, -100, 0))
    torch.testing.assert_close(maps.sum(dim=2), torch.ones(3, 3))
    grey = maps[2] @ torch.tensor([1.0, 0.0, 0.0])
    torch.testing.assert_close(grey, torch.full((3,), 0.299))


def test_hues_turn_back_and_come_round() -> None:
    one = torch.ones(1)
    there, back, round_ = (colour_maps(one, angles(degrees))[0] for degrees in (70, -70, 360))
    torch.testing.assert_close(there @ back, torch.eye(3), rtol=0, atol=1e-6)
    torch.testing.assert_close(round_, torch.eye(3), rtol=0, atol=1e-6)
    third = colour_maps(one, angles(120))[0]  # red becomes green, green blue, blue red
    torch.testing.assert_close(third, torch.eye(3)[[2, 0, 1]], rtol=0, atol=1e-6)


def test_pca_jitter_moves_along_the_components_by_their_variances() -> None:
    """AlexNet's P (a * l), with a normal of deviation alpha, has the covariance alpha^2 P diag(l^2) P'."""
    spread = torch.tensor([[1.0, 0.0, 0.0], [0.8, 0.3, 0.0], [0.5, -0.2, 0.1]])
    pixels = torch.einsum("ij,bjhw->bihw", spread, images(4000, height=4, width=4)) + 2
    moves = (changed("pca_jitter[alpha=0.2]", pixels) - pixels)[:, :, 0, 0]
    assert float((changed("pca_jitter[alpha=0.2]", pixels) - pixels).std(dim=(2, 3)).max()) < 1e-5
    values, vectors = torch.linalg.eigh(torch.cov(pixels.transpose(0, 1).reshape(3, -1)))
    expected = 0.04 * vectors @ torch.diag(values.square()) @ vectors.T
    torch.testing.assert_close(torch.cov(moves.T), expected, rtol=0.15, atol=2e-4)  # 4,000 draws


def test_pca_jitter_learns_colours_from_the_first_batches_and_then_stays() -> None:
    jitter = build("pca_jitter")
    for seed in range(30):
        jitter.on_batch(Batch(images(4, seed=seed)), seeded())
    seen = torch.cat([images(4, seed=seed) for seed in range(20)]).transpose(0, 1).reshape(3, -1)
    torch.testing.assert_close(jitter._covariance(images(4)), torch.cov(seen, correction=0), rtol=1e-3, atol=1e-4)


# --- blur and RandAugment ---------------------------------------------------------------------------------


def test_blur_is_a_gaussian_of_each_images_own_width() -> None:
    dot = torch.zeros(3, 2, 29, 31)
    dot[:, :, 14, 15] = 1
    sigmas = torch.tensor([0.0, 0.8, 1.5])
    got = blurred(dot, sigmas, 7)
    assert torch.equal(got[0], dot[0])
    places = torch.arange(-7.0, 8.0)
    for k in (1, 2):
        line = torch.exp(-0.5 * (places / sigmas[k]).square())
        torch.testing.assert_close(
            got[k, 1, 7:22, 8:23], torch.outer(line, line) / line.sum().square(), rtol=1e-4, atol=1e-7
        )
        assert float(got[k].sum()) == pytest.approx(2, rel=1e-5)


def test_blur_keeps_what_is_flat() -> None:
    torch.testing.assert_close(changed("blur[sigma=2.0]", torch.full((4, 3, 8, 6), 3.0)), torch.full((4, 3, 8, 6), 3.0))


def test_rand_augment_applies_its_operations_one_after_the_other() -> None:
    amounts = {name: torch.zeros(2, 1) for name in STRONGEST}
    amounts["rotation"][0], amounts["translate_x"][1] = math.pi / 2, 0.25
    given = images(1, height=8, width=8)
    got = warp(given, sources(amounts, (8, 8)), "zero")
    turn = torch.rot90(given, 1, (2, 3))
    expected = torch.zeros_like(turn)
    expected[..., :6] = turn[..., 2:]
    torch.testing.assert_close(got, expected, rtol=0, atol=2e-5)


def test_rand_augment_draws_all_operations_alike_and_none_of_colour_for_grey_images(monkeypatch: Any) -> None:
    seen: list[dict[str, Tensor]] = []

    def noting(amounts: dict[str, Tensor], size: tuple[int, int]) -> Tensor:
        seen.append(amounts)
        return sources(amounts, size)

    monkeypatch.setattr("dlbench_augment.rand_augment.sources", noting)
    for channels in (3, 1):
        changed("rand_augment[count=1,magnitude=30.0]", images(3000, channels=channels, height=2, width=2))
    counts = [int((seen[0][name] != 0).sum()) for name in STRONGEST if name != "identity"]
    assert chisquare([3000 - sum(counts), *counts]).pvalue > 0.01
    assert not seen[1]["saturation"].any()
    for name, most in STRONGEST.items():
        assert float(seen[0][name].abs().max()) == pytest.approx(most)


def test_augmentations_start_where_the_learner_is_of_any_kind() -> None:
    for name in OF_IMAGES:
        assert started(name, of=learner()).name == name
