"""Rows of pictures as one."""

from __future__ import annotations

import numpy as np
import torch

from dlbench_generation.drawing import sheet


def test_pictures_lie_row_by_row_on_grey_and_small_ones_are_enlarged() -> None:
    pictures = torch.linspace(-1, 1, 12).view(12, 1, 1, 1).expand(12, 1, 2, 2)
    found = sheet(pictures.split(10))
    assert found.shape == (2 * 51 + 3, 10 * 51 + 3, 3)
    np.testing.assert_array_equal(found[3, 3::51, 0][:10], np.round(np.linspace(0, 255, 12))[:10])
    assert len(set(found[54:102, 3:51].flatten().tolist())) == 1  # one picture, one shade
    assert set(found[54:102, 2 * 51 :].flatten().tolist()) == {128}  # places that are left
    assert set(found[:3].flatten().tolist()) == {128}


def test_colours_stay_and_what_is_not_finite_is_grey() -> None:
    colour = torch.tensor([1.0, -1.0, torch.nan]).view(1, 3, 1, 1)
    assert sheet([colour])[3, 3].tolist() == [255, 0, 128]
