"""`edge_detection` and `nuclei`: targets, metrics, crops, floors, what baselines reach, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Picture
from scipy.ndimage import sobel
from torch import Tensor, nn

import dlbench_vision
from dlbench import Batch, Mask, NoData, PixelValue, UsageError
from dlbench.data import Data
from dlbench.data.verify import state
from dlbench_baseline.constant import constant
from dlbench_baseline.otsu import Otsu
from dlbench_cnn.one_filter import OneFilter
from dlbench_vision.segmentation import load_edge_detection, load_nuclei, suites
from dlbench_vision.segmentation.edges import FILTERS, SIZES, draw, response
from dlbench_vision.segmentation.files import NUCLEI
from dlbench_vision.segmentation.nuclei import Foreground, overlap, read_labels, read_sheet

SPECS = {spec.name: spec for spec in dlbench_vision.dlbench_tasks()}
NOWHERE = Data(root=Path("none"), cache=Path("none"))


class Answers:
    """What a task sees of a learner."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    @torch.no_grad()
    def predict(self, batch: Batch) -> Tensor:
        return self.answer(batch.inputs)


def counted(model: Any, task: Any) -> Any:
    """A model that counts, after one pass."""
    for batch in task.batches("train", 16, torch.Generator().manual_seed(0)):
        model.train_step(batch, None)
    return Answers(model.predict)


@pytest.fixture(scope="module")
def edges() -> Any:
    return load_edge_detection(NOWHERE)


@pytest.fixture(scope="module")
def nuclei(request: pytest.FixtureRequest) -> Any:
    root = request.getfixturevalue("data_root")
    if not (root / NUCLEI.files[0].path).is_file():
        pytest.skip("nuclei is not in the data root")
    return load_nuclei(Data(root=root, cache=Path("none")))


# --- edges ------------------------------------------------------------------------------------------------


def test_targets_are_those_of_sobel_within_the_border() -> None:
    images = np.stack([draw(np.random.default_rng(seed)) for seed in range(3)])[:, None]
    for direction, axis in {"horizontal": 1, "vertical": 0}.items():
        found = response(images, FILTERS[direction])
        for picture, got in zip(images[:, 0], found, strict=True):
            expected = sobel(picture.astype(float), axis=axis)
            np.testing.assert_array_equal(got[1:-1, 1:-1], expected[1:-1, 1:-1])


def test_the_border_does_not_count_and_training_targets_have_variance_one(edges: Any) -> None:
    assert isinstance(edges.signature.output, PixelValue)
    (batch,) = edges.batches("train", 1000, None)
    assert batch.inputs.shape == (SIZES["train"], 1, 32, 32)
    assert batch.targets.shape == batch.mask.shape == (SIZES["train"], 32, 32)
    assert batch.mask.sum() == SIZES["train"] * 30 * 30
    assert not batch.mask[:, 0].any()
    assert not batch.mask[:, :, -1].any()
    assert batch.targets[batch.mask].std().item() == pytest.approx(1, abs=1e-3)
    wrong = batch.targets + (~batch.mask) * 100.0
    assert edges.loss(wrong, batch) == 0
    assert edges.loss(batch.targets + 2, batch).item() == pytest.approx(4)


@pytest.mark.parametrize("direction", ["horizontal", "vertical"])
def test_the_constant_model_has_the_declared_error_and_no_filter(direction: str) -> None:
    task = load_edge_detection(NOWHERE, direction=direction)
    found = task.judge(counted(constant(task.signature), task), "test")
    floor = SPECS["edge_detection"].floor_of({"direction": direction})
    assert found == {"mse": pytest.approx(floor, rel=1e-6), "cosine": 0}


def test_the_filter_itself_is_the_optimum(edges: Any) -> None:
    network = OneFilter(channels=1, num_outputs=1)
    (batch,) = edges.batches("train", 1000, None)
    with torch.no_grad():
        network.filter.weight[0, 0] = torch.tensor(FILTERS["horizontal"], dtype=torch.float32)
        network.filter.bias.zero_()
        answer = network(batch.inputs)[:, 0][batch.mask].double()
        network.filter.weight *= (batch.targets[batch.mask].double() @ answer) / answer.square().sum()
    found = edges.judge(Answers(lambda images: network(images)[:, 0]), "test")
    assert found["mse"] < 1e-10
    assert found["cosine"] == pytest.approx(1, abs=1e-6)
    flipped = edges.judge(Answers(lambda images: -network(images)[:, 0] + 5), "test")
    assert flipped["cosine"] == pytest.approx(-1, abs=1e-6)


@pytest.mark.numbers
@pytest.mark.parametrize("direction", ["horizontal", "vertical"])
def test_the_learnt_filter_is_sobels(direction: str) -> None:
    """Under the task's recipe: cosine 0.998 or more over three seeds, on the code for any processor and for AVX2."""
    task = load_edge_detection(NOWHERE, direction=direction)
    recipe = SPECS["edge_detection"].recipe
    torch.manual_seed(0)
    network = nn.Sequential(OneFilter(channels=1, num_outputs=1), nn.Flatten(1, 2))
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe["lr"])
    generator = torch.Generator().manual_seed(0)
    steps = recipe["budget.epochs"] * len(task.batches("train", recipe["batch_size"], None))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(recipe["budget.epochs"]):
        for batch in task.batches("train", recipe["batch_size"], generator):
            optimizer.zero_grad()
            task.loss(network(batch.inputs), batch).backward()
            optimizer.step()
            schedule.step()
    learnt = network[0].filter.weight.detach().flatten()
    wanted = torch.tensor(FILTERS[direction], dtype=torch.float32).flatten()
    cosine = torch.cosine_similarity(learnt, wanted, dim=0).item()
    assert cosine >= 0.99
    found = task.judge(Answers(network), "test")
    assert found["cosine"] == pytest.approx(cosine, abs=1e-4)
    assert found["mse"] < 0.01


def test_an_unknown_direction_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'vertical'"):
        load_edge_detection(NOWHERE, direction="vertcal")
    with pytest.raises(UsageError, match="direction of edges"):
        SPECS["edge_detection"].floor_of({"direction": "up"})


# --- a mask of the foreground -----------------------------------------------------------------------------


def squares(count: int, side: int = 16, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Dark images with a bright square each, whose place is the target."""
    random = np.random.default_rng(seed)
    images = random.integers(60, size=(count, 1, side, side), dtype=np.uint8)
    targets = np.zeros((count, side, side), dtype=np.uint8)
    for image, target in zip(images, targets, strict=True):
        down, right = random.integers(side - 5, size=2)
        target[down : down + 5, right : right + 5] = 1
        image[0][target == 1] += 150
    return images, targets


def made(crop: int = 0) -> Foreground:
    parts = {split: squares(count, seed=count) for split, count in {"train": 12, "val": 4, "test": 5}.items()}
    return Foreground(parts, output=Mask(num_classes=2), crop=crop)


def test_dice_and_iou_by_hand() -> None:
    wanted = torch.zeros(3, 2, 4, dtype=torch.bool)
    found = wanted.clone()
    wanted[0, 0], found[0, 0, :2], found[0, 1, 0] = True, True, True  # 2 of 4 found, 1 beside them
    wanted[1, 0, 0] = True  # not found; the third has nothing, and nothing is found
    dice, iou = overlap(found, wanted)
    assert dice.tolist() == pytest.approx([2 * 2 / (4 + 3), 0, 1])
    assert iou.tolist() == pytest.approx([2 / 5, 0, 1])


def test_metrics_are_means_over_images_not_over_pixels() -> None:
    task = made()
    perfect = task.judge(Answers(counted(Otsu(), task).answer), "test")
    assert perfect["dice"] == perfect["iou"] == 1
    nothing = task.judge(counted(constant(task.signature), task), "test")
    assert nothing["dice"] == nothing["iou"] == 0
    share = np.mean([target.mean() for target in squares(12, seed=12)[1]])
    at_random = -(share * np.log(share) + (1 - share) * np.log(1 - share))
    assert nothing["cross_entropy"] == pytest.approx(at_random, rel=1e-6)  # each image has 25 pixels of the class


def test_crops_are_parts_of_their_images_elsewhere_in_each_pass() -> None:
    task = made(crop=7)
    (whole,) = task.batches("train", 99, None)
    assert whole.inputs.shape == (12, 1, 16, 16)
    generator = torch.Generator().manual_seed(0)
    passes = [next(iter(task.batches("train", 99, generator))) for _ in range(2)]
    for batch in passes:
        assert batch.inputs.shape == (12, 1, 7, 7)
        assert batch.targets.shape == (12, 7, 7)
        for image, target in zip(batch.inputs, batch.targets, strict=True):
            windows = whole.inputs[:, 0].unfold(1, 7, 1).unfold(2, 7, 1)  # (12, 10, 10, 7, 7)
            hits = (windows == image[0]).all(-1).all(-1).nonzero()
            assert len(hits) == 1
            index, down, right = hits[0].tolist()
            assert torch.equal(target, whole.targets[index, down : down + 7, right : right + 7])
    assert not torch.equal(passes[0].inputs, passes[1].inputs)
    assert next(iter(task.batches("val", 9, None))).inputs.shape == (4, 1, 16, 16)


# --- nuclei -----------------------------------------------------------------------------------------------


def test_of_every_five_images_the_fourth_is_validation_and_the_fifth_test(nuclei: Any) -> None:
    counts = {split: nuclei.count(split) for split in ("train", "val", "test")}
    assert counts == {"train": 201, "val": 67, "test": 66}
    batches = {split: next(iter(nuclei.batches(split, 8, None))) for split in ("val", "test")}
    assert all(batch.inputs.shape == (8, 1, 256, 256) for batch in batches.values())
    assert 0.02 < batches["test"].targets.float().mean() < 0.3


def test_otsu_has_the_published_overlap_and_the_constant_model_the_floor(nuclei: Any) -> None:
    model = Otsu()
    for batch in list(nuclei.batches("train", 8, torch.Generator().manual_seed(0)))[:3]:
        model.train_step(batch, None)  # type: ignore[arg-type]
    found = nuclei.judge(Answers(model.predict), "test")
    assert found["dice"] == pytest.approx(0.879, abs=0.0005)
    assert found["iou"] == pytest.approx(0.794, abs=0.0005)
    floor = constant(nuclei.signature)
    for batch in list(nuclei.batches("train", 8, torch.Generator().manual_seed(0)))[:3]:
        floor.train_step(batch, None)  # type: ignore[arg-type]
    assert nuclei.judge(Answers(floor.predict), "test")["dice"] == SPECS["nuclei"].floor == 0


def test_the_files_at_hand_have_the_declared_checksums(data_root: Path, tmp_path: Path) -> None:
    found = state(NUCLEI, data_root, tmp_path)
    assert not found.paths("differs")
    if not found.paths("verified"):
        pytest.skip("nuclei is not in the data root")


def test_damaged_files_are_refused_by_name(tmp_path: Path) -> None:
    data = Data(root=tmp_path, cache=tmp_path)
    with pytest.raises(NoData, match=r"images_0\.webp is missing"):
        load_nuclei(data)
    with pytest.raises(UsageError, match="can't be cropped to 300"):
        load_nuclei(data, crop=300)
    (tmp_path / "a.webp").write_text("nothing")
    with pytest.raises(NoData, match=r"a\.webp can't be read as a picture"):
        read_sheet(tmp_path / "a.webp")
    Picture.new("L", (256, 512)).save(tmp_path / "a.webp", lossless=True)
    with pytest.raises(NoData, match=r"a\.webp has 512x256 pixels, not 1536x2048"):
        read_sheet(tmp_path / "a.webp")
    (tmp_path / "a.npz").write_text("nothing")
    with pytest.raises(NoData, match=r"a\.npz can't be read"):
        read_labels(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", label=np.zeros((2, 256, 256), dtype=np.uint8))
    with pytest.raises(NoData, match=r"a\.npz holds uint8 \(2, 256, 256\), not"):
        read_labels(tmp_path / "a.npz")


def test_the_suite_has_both_tasks_and_a_floor() -> None:
    (suite,) = suites()
    pairs = {(model, task) for block in suite.blocks for model in block.models for task in block.tasks}
    assert {("unet", "nuclei"), ("otsu", "nuclei"), ("one_filter", "edge_detection"), ("constant", "nuclei")} <= pairs
