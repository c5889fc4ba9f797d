"""Steps of built-in models can be recorded on CUDA as far as tensors that only say that they are there can show it."""

from __future__ import annotations

import json
from pathlib import Path

import driver
import pytest

pytestmark = pytest.mark.skipif(bool(driver.CANT_PRETEND), reason=driver.CANT_PRETEND)

REPLAYED = [
    ("digits", "lenet5"), ("digits", "resnet20"), ("digits", "ensemble"), ("adding", "elman"), ("adding", "encoder"),
    ("markov_chars", "gru"), ("tiny_single", "gcn"), ("tiny_single", "ggnn"), ("family_links", "rgcn"),
    ("ring8", "gan"), ("ring8", "ddpm"), ("shapes_captions", "show_attend_tell"), ("quadratic", "point"),
]  # fmt: skip
REFUSED = {
    ("shapes_detection", "detr"): "its step can't be recorded as a CUDA graph: CUDA error: not permitted",
    ("tiny_streams", "lstm"): "it carries its state from batch to batch in Python",
    ("digits_inverted", "cyclegan"): "its step changes past.held of CycleGAN in Python",
    ("contacts", "gconv_gru"): "its step changes kept._tensors.0 of GConvGRU module in Python",
}


def test_steps_of_every_family_are_recorded_and_others_refused_in_a_sentence(tmp_path: Path) -> None:
    asked = [(*pair, precision) for pair in REPLAYED for precision in ("fp32", "bf16")]
    asked += [(*pair, "fp32") for pair in REFUSED]
    lines = driver.printed("graphs.py", tmp_path, input=json.dumps(asked), timeout=600).splitlines()
    rows = [json.loads(line) for line in lines if line.startswith("{")]
    ended = {row["model"]: row for row in rows if "reason" in row}
    assert [row["replayed"] for row in rows if row["model"] not in ended] == [4] * 2 * len(REPLAYED)
    assert {model for _, model in REFUSED} == set(ended)
    for (_, model), said in REFUSED.items():
        assert ended[model]["reason"].startswith(said)
    assert rows[0]["streams"] == 1  # one of its own for all work
