"""docs/detection.md: its detector learns and is judged, and its folder of pictures becomes a task."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from docpages import REPOSITORY, blocks
from PIL import Image

from dlbench import Batch
from dlbench.contract.runtime import Runtime
from dlbench.data import Data
from dlbench.plan.catalog import Catalog, discover
from dlbench.train.execution import Execution
from dlbench.train.judging import judge

FILES = {block.title: block.text for block in blocks(REPOSITORY / "docs" / "detection.md") if block.title}
XML = """<annotation><object><name>cat</name><bndbox><xmin>4</xmin><ymin>4</ymin><xmax>36</xmax><ymax>20</ymax></bndbox>
</object></annotation>"""


@pytest.fixture
def plugins(tmp_path: Path) -> Catalog:
    for title, text in FILES.items():
        (tmp_path / title).write_text(text)
    return discover([str(tmp_path / title) for title in FILES])


def test_the_detector_learns_and_is_judged(plugins: Catalog, tmp_path: Path) -> None:
    data = Data(root=tmp_path, cache=tmp_path)
    task = plugins.task("shapes_detection").load(data, num_train=64, num_val=8, num_test=8)
    torch.manual_seed(0)
    model = plugins.model("largest").build(task.signature)
    (batch,) = task.batches("train", 64, None)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        losses.append(model.loss(batch))
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.8 * losses[0]
    scores = judge(model, task, "test", Execution(Runtime()), needed=(plugins.task("shapes_detection").metric,))
    assert set(scores) == {"ap50", "ap75", "map"}
    empty = Batch(inputs=batch.inputs[:2], targets=torch.tensor([0.0, 0, 0, 0, -1]).expand(2, 4, 5), size=2)
    assert model.loss(empty).isfinite()


def test_the_folder_becomes_a_task(plugins: Catalog, tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        for folder, name, text in (
            ("ImageSets/Main", f"{split}.txt", f"{split}\n"), ("Annotations", f"{split}.xml", XML)
        ):  # fmt: skip
            path = tmp_path / "pets" / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (tmp_path / "pets" / "JPEGImages").mkdir(exist_ok=True)
        Image.new("RGB", (40, 40)).save(tmp_path / "pets" / "JPEGImages" / f"{split}.jpg")
    spec = plugins.task("pets")
    task = spec.load(Data(root=tmp_path, cache=tmp_path))
    assert str(task.signature) == "image[3,96,128] -> boxes[1,1]"
    constant = plugins.model("constant").build(task.signature)
    for batch in task.batches("train", 8, None):
        constant.train_step(batch, None)
    needed = (spec.metric, *spec.metrics)
    assert judge(constant, task, "test", Execution(Runtime()), needed=needed) == {"ap50": 1.0, "ap75": 1.0, "map": 1.0}
