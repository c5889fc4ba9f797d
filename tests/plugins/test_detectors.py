"""`centernet`, `detr` and the floor of detection: published counts, matching, heatmaps, boxes read back."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from imageparts import count, same_outputs
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d, generalized_box_iou

import dlbench_baseline
import dlbench_cnn
import dlbench_transformer
from dlbench import Batch, Boxes, Image, NotApplicable, Signature, UsageError
from dlbench.contract.choice import option_defaults
from dlbench.train.sizing import fit_width
from dlbench_cnn.centernet import CenterNet
from dlbench_cnn.centernet_targets import OVERLAP, at_centres, focal_loss, heatmap, in_cells, radius, read_boxes
from dlbench_transformer.detr import Detr, Layer, waves
from dlbench_transformer.detr_backbone import Backbone
from dlbench_transformer.detr_learner import matched_loss
from dlbench_transformer.detr_matching import centred, corners, generalised_overlap, match, matching_costs

pytestmark = pytest.mark.numbers

SPECS = {
    spec.name: spec
    for plugin in (dlbench_baseline, dlbench_cnn, dlbench_transformer)
    for spec in plugin.dlbench_models()
    if spec.name in ("centernet", "detr", "constant")
}
TOLERANCE = 1e-4  # of the largest number: the kernels are the same, the order of sums may differ


@pytest.fixture(autouse=True)
def _one_seed() -> None:
    torch.manual_seed(0)


def signature(height: int = 64, width: int = 64, *, channels: int = 3, limit: int = 4) -> Signature:
    image = Image(channels=channels, height=height, width=width)
    return Signature(input=image, output=Boxes(num_classes=3, limit=limit))


def some_targets(images: int = 6, limit: int = 4) -> Tensor:
    """Boxes (images, limit, 5): of the first image none, of the second one, and so on; those that are there come
    last."""
    start = torch.rand(images, limit, 2) * 0.5
    targets = torch.cat([start, start + 0.1 + 0.4 * torch.rand(images, limit, 2), torch.zeros(images, limit, 1)], 2)
    targets[..., 4] = torch.randint(0, 3, (images, limit))
    for image in range(images):
        targets[image, : max(limit - image, 0)] = torch.tensor([0.0, 0, 0, 0, -1])
    return targets


def same_classes(answers: Tensor, targets: Tensor) -> None:
    """The findings of score above 0 are the targets, in any order."""
    for found, wanted in zip(answers, targets, strict=True):
        found, wanted = found[found[:, 5] > 0.5], wanted[wanted[:, 4] >= 0]
        assert len(found) == len(wanted)
        for row in wanted:
            assert (found[:, :5] - row).abs().amax(dim=1).min() < 1e-4


# --- both networks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["centernet", "detr"])
@pytest.mark.parametrize("sizes", [(64, 64), (60, 44), (16, 130)])
def test_findings_are_boxes_in_the_image(name: str, sizes: tuple[int, int]) -> None:
    model = SPECS[name].build(signature(*sizes, channels=1)).eval()
    found = model.detect(torch.randn(2, 1, *sizes)).detach()
    assert found.shape[0] == 2 and found.shape[2] == 6  # noqa: PT018
    sides, label, score = found[..., :4], found[..., 4], found[..., 5]
    assert bool(((sides >= 0) & (sides <= 1)).all())
    assert bool((sides[..., :2] <= sides[..., 2:]).all())
    assert set(label.unique().tolist()) <= {0.0, 1.0, 2.0}
    assert bool(((score >= 0) & (score <= 1)).all())


@pytest.mark.parametrize("name", ["centernet", "detr"])
def test_every_parameter_learns_and_the_loss_falls_on_one_batch(name: str) -> None:
    model = SPECS[name].build(signature(), width=16)
    batch = Batch(inputs=torch.randn(6, 3, 64, 64), targets=some_targets(), size=6)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = model.loss(batch)
        loss.backward()
        if not losses:
            silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
            # the queries' first self-attention mixes zeros, as published: its bias is all that can learn
            assert all(
                name.startswith(("network.decoder.0.attention.", "network.decoder.0.norms.0.")) for name in silent
            )
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.75 * losses[0]


@pytest.mark.parametrize("name", ["centernet", "detr"])
def test_images_without_objects_and_batches_without_any_have_a_finite_loss(name: str) -> None:
    model = SPECS[name].build(signature(), width=16)
    nothing = torch.tensor([0.0, 0, 0, 0, -1]).expand(2, 4, 5)
    loss = model.loss(Batch(inputs=torch.randn(2, 3, 64, 64), targets=nothing, size=2))
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("name", ["centernet", "detr"])
@pytest.mark.parametrize("target", [150_000, 300_000, 1_000_000])
def test_a_budget_of_parameters_is_met(name: str, target: int) -> None:
    build = SPECS[name].build
    width = fit_width(lambda width: build(signature(), width=width), target)
    got = sum(p.numel() for p in build(signature(), width=width).parameters())
    assert abs(got - target) <= 0.1 * target


def test_options_that_can_not_be() -> None:
    centernet, detr = SPECS["centernet"].build, SPECS["detr"].build
    with pytest.raises(NotApplicable, match="a side of at least 16, not 12x40"):
        centernet(signature(12, 40))
    with pytest.raises(UsageError, match="not 0 and 100"):
        centernet(signature(), depth=0)
    with pytest.raises(NotApplicable, match="divisible by its 4 heads, not 30"):
        detr(signature(), width=30)
    with pytest.raises(NotApplicable, match="divisible by 4, not 6"):
        detr(signature(), width=6, heads=2)
    with pytest.raises(UsageError, match="queries and a depth"):
        detr(signature(), queries=0)
    shared = option_defaults(centernet).keys() & option_defaults(detr).keys()
    assert shared == {"width", "depth"}


# --- DETR -------------------------------------------------------------------------------------------------


def test_detr_has_the_published_parameters() -> None:
    assert count(Detr.published) == 41_524_768
    with torch.device("meta"):
        backbone = Detr.published().backbone
    frozen = sum(p.numel() for part in (backbone.stem, backbone.stages[0]) for p in part.parameters())
    assert 41_524_768 - frozen == 41_302_368  # what the paper's training moves


def test_the_published_backbone_is_resnet50() -> None:
    class Headless(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            made = torchvision.models.resnet50(norm_layer=FrozenBatchNorm2d)
            self.body = nn.Sequential(*list(made.children())[:-2])

        def forward(self, x: Tensor) -> Tensor:
            return self.body(x).flatten(1)

    class Flat(Backbone):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images).flatten(1)

    ours = Flat(channels=3, width=64, blocks=(3, 4, 6, 3), published=True)
    assert same_outputs(ours, Headless()) < TOLERANCE


@pytest.mark.parametrize("cross", [False, True])
def test_layers_without_positions_are_torchs(cross: bool) -> None:
    ours = Layer(16, 4, 32, 0.0, cross=cross).eval()
    theirs: Any = (nn.TransformerDecoderLayer if cross else nn.TransformerEncoderLayer)(
        16, 4, 32, 0.0, batch_first=True
    )
    with torch.no_grad():
        for p in theirs.parameters():
            p.normal_(std=0.3)
    assert len(ours.state_dict()) == len(theirs.state_dict())
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    x, seen, none = torch.randn(2, 5, 16), torch.randn(2, 7, 16), torch.zeros(1, 16)
    wanted = theirs.eval()(x, seen) if cross else theirs.eval()(x)
    assert torch.allclose(ours(x, none, *((seen, none) if cross else ())), wanted, atol=1e-5)


def test_positions_tell_all_places_apart_and_rows_from_columns() -> None:
    network = Detr(channels=1, num_classes=2, width=16)
    places = network._places(torch.zeros(1, 16, 5, 8)).view(5, 8, 16)
    assert torch.equal(places[:, :1, :8].expand(5, 8, 8), places[..., :8])
    assert torch.equal(places[:1, :, 8:].expand(5, 8, 8), places[..., 8:])
    flat = places.view(40, 16)
    assert torch.cdist(flat, flat).fill_diagonal_(9.0).min() > 0.1
    with torch.no_grad():
        network.queries[:40] = torch.cartesian_prod(torch.arange(5) + 0.5, torch.arange(8) + 0.5).flip(1)
        network.queries[:40] = (network.queries[:40] / torch.tensor([8.0, 5.0])).logit()
    assert torch.allclose(network._asked(16)[:40], flat, atol=1e-5)  # a point in the middle of a cell


def test_waves_are_the_published_ones() -> None:
    places = torch.tensor([0.25, 1.0])
    got = waves(places, 4, turns=1.0, temperature=10_000.0)
    angles = 2 * torch.pi * places
    wanted = [angles.sin(), angles.cos(), (angles / 100).sin(), (angles / 100).cos()]
    assert torch.allclose(got, torch.stack(wanted, dim=1), atol=1e-6)


def test_answers_start_from_their_points_or_from_vectors() -> None:
    network = Detr(channels=3, num_classes=2, queries=9)
    with torch.no_grad():
        network.boxes[-1].weight.zero_()
        network.boxes[-1].bias.zero_()
    boxes = network(torch.randn(2, 3, 32, 32))[1]
    assert torch.allclose(boxes[..., :2], network.queries.sigmoid().expand(2, 2, 9, 2))
    assert Detr(channels=3, num_classes=2, queries=9, anchors=False).queries.shape == (9, 64)


def some_answers(layers: int = 2, images: int = 6, queries: int = 7) -> tuple[Tensor, Tensor]:
    return torch.randn(layers, images, queries, 4), torch.rand(layers, images, queries, 4) * 0.5 + 0.2


def test_the_loss_does_not_change_when_targets_are_permuted() -> None:
    (logits, boxes), targets = some_answers(), some_targets()
    loss = matched_loss(logits, boxes, targets)
    for _ in range(5):
        order = torch.stack([torch.randperm(4) for _ in targets])
        moved = targets.gather(1, order[..., None].expand_as(targets))
        assert matched_loss(logits, boxes, moved).item() == pytest.approx(loss.item(), abs=1e-6)


def test_the_loss_does_not_change_when_answers_are_permuted() -> None:
    (logits, boxes), targets = some_answers(), some_targets()
    order = torch.randperm(7)
    moved = matched_loss(logits[:, :, order], boxes[:, :, order], targets)
    assert moved.item() == pytest.approx(matched_loss(logits, boxes, targets).item(), abs=1e-5)


def test_matching_costs_least_of_all_assignments() -> None:
    (logits, boxes), targets = some_answers(layers=1, queries=5), some_targets()
    costs, owners = matching_costs(logits, boxes, targets)[0], match(logits, boxes, targets)[0]
    for image, (cost, owner) in enumerate(zip(costs, owners, strict=True)):
        real = [row for row in range(4) if targets[image, row, 4] >= 0]
        assert sorted(owner[owner >= 0].tolist()) == real
        got = sum(cost[query, row].item() for query, row in enumerate(owner.tolist()) if row >= 0)
        ways = itertools.permutations(range(5), len(real))
        least = min(sum(cost[q, r].item() for q, r in zip(way, real, strict=True)) for way in ways)
        assert got == pytest.approx(least, abs=1e-5)


def test_more_objects_than_queries_and_answers_that_are_no_numbers() -> None:
    (logits, boxes), targets = some_answers(queries=2), some_targets()
    owners = match(logits, boxes, targets)
    assert (owners[:, -1] >= 0).all()
    assert match(logits * float("nan"), boxes, targets).shape == owners.shape
    assert matched_loss(logits * float("nan"), boxes, targets).isnan()


def test_right_and_sure_answers_cost_next_to_nothing() -> None:
    targets = some_targets()
    logits = torch.full((1, 6, 5, 4), -20.0)
    logits[..., 3] = 20.0
    boxes = torch.rand(1, 6, 5, 4)
    for image, row in itertools.product(range(6), range(4)):
        if (label := int(targets[image, row, 4])) >= 0:
            logits[0, image, 4 - row], boxes[0, image, 4 - row] = -20.0, centred(targets[image, row, :4])
            logits[0, image, 4 - row, label] = 20.0
    assert matched_loss(logits, boxes, targets) < 1e-5
    assert matched_loss(logits, boxes.flip(2), targets) > 0.1


def test_generalised_overlap_is_torchvisions() -> None:
    boxes = corners(torch.rand(2, 30, 4))
    got = generalised_overlap(boxes[0][:, None], boxes[1][None])
    assert torch.allclose(got, generalized_box_iou(boxes[0], boxes[1]), atol=1e-6)
    assert torch.allclose(centred(corners(boxes)), boxes, atol=1e-6)


# --- CenterNet --------------------------------------------------------------------------------------------


def test_centernets_grid_is_a_quarter_and_rare_at_first() -> None:
    centres, sizes, offsets = CenterNet(channels=3, num_classes=5)(torch.randn(2, 3, 30, 45))
    assert [tuple(x.shape) for x in (centres, sizes, offsets)] == [(2, 5, 8, 12), (2, 2, 8, 12), (2, 2, 8, 12)]
    assert centres.sigmoid().mean().item() == pytest.approx(0.1, abs=0.05)


def test_heatmaps_have_a_peak_of_one_for_each_object_on_its_class() -> None:
    targets = some_targets()
    middle, extent = in_cells(targets[..., :4], (16, 20))
    maps = heatmap(middle, extent, targets[..., 4], num_classes=3, grid=(16, 20))
    for image, label in itertools.product(range(6), range(3)):
        rows = (targets[image, :, 4] == label).nonzero().flatten()
        cells = {(int(down), int(across)) for across, down in middle[image, rows]}
        assert {tuple(cell) for cell in (maps[image, label] == 1).nonzero().tolist()} == cells
    assert bool(((maps >= 0) & (maps <= 1)).all())


def test_a_box_shifted_by_the_radius_still_overlaps() -> None:
    """In each of the three ways: a corner each way, both inwards, both outwards. One of them overlaps by just 0.7."""
    for width, height in ((10.0, 10.0), (30.0, 8.0), (5.0, 60.0)):
        r = radius(torch.tensor([[width, height]])).item()
        area = width * height
        common = (width - r) * (height - r)
        ways = [
            common / (2 * area - common),
            (width - 2 * r) * (height - 2 * r) / area,
            area / ((width + 2 * r) * (height + 2 * r)),
        ]
        assert min(ways) == pytest.approx(OVERLAP, abs=1e-4)


def test_perfect_maps_are_read_back_as_the_boxes() -> None:
    targets = some_targets()
    quarters = torch.tensor([[0.0, 0.0], [0.5, 0.0], [0.0, 0.5], [0.5, 0.5]])  # two in one cell can't be told apart
    targets[..., 2:4] -= targets[..., :2]
    targets[..., :2] = targets[..., :2] * 0.2 + quarters
    targets[..., 2:4] = targets[..., 2:4] * 0.6 + targets[..., :2]
    grid = (16, 20)
    middle, extent = in_cells(targets[..., :4], grid)
    wanted = heatmap(middle, extent, targets[..., 4], num_classes=3, grid=grid)
    centres = torch.where(wanted == 1, 10.0, -10.0)
    sizes, offsets = torch.zeros(6, 2, *grid), torch.zeros(6, 2, *grid)
    for image, row in itertools.product(range(6), range(4)):
        across, down = middle[image, row].long()
        if targets[image, row, 4] >= 0:
            sizes[image, :, down, across] = extent[image, row]
            offsets[image, :, down, across] = middle[image, row] - middle[image, row].floor()
    there = (targets[..., 4] >= 0)[..., None]
    assert torch.equal(at_centres(sizes, middle) * there, extent * there)
    found = read_boxes(centres, sizes, offsets, most=10)
    assert found.shape == (6, 10, 6)
    same_classes(found, targets)
    exact = torch.where(wanted == 1, 40.0, -40.0)
    assert focal_loss(exact, torch.where(wanted == 1, 1.0, 0.0), torch.tensor(1.0)) < 1e-6


# --- the floor --------------------------------------------------------------------------------------------


def test_the_constant_answer_is_the_most_frequent_boxes() -> None:
    model = SPECS["constant"].build(signature(limit=2))
    often, seldom, never = [0.1, 0.1, 0.3, 0.3, 2.0], [0.5, 0.5, 0.9, 0.8, 0.0], [0, 0, 0, 0, -1.0]
    nearly = [0.12, 0.1, 0.32, 0.3, 2.0]  # of the same tenths
    batches = [[[often, seldom], [nearly, never]], [[often, [0.4, 0.4, 0.6, 0.6, 1.0]], [seldom, never]]]
    for rows in batches:
        batch = Batch(inputs=torch.zeros(2, 3, 8, 8), targets=torch.tensor(rows), size=2)
        loss = model.train_step(batch, SimpleNamespace())
    assert loss == pytest.approx(1 / 3)
    found = model.detect(torch.zeros(5, 3, 8, 8))
    assert found.shape == (5, 2, 6)
    mean = np.mean([often[:4], often[:4], nearly[:4]], axis=0)
    assert torch.allclose(found[4], torch.tensor([[*mean, 2, 3 / 4], [*seldom, 2 / 4]]).float(), atol=1e-6)
