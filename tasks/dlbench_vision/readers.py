"""A task on pictures of your own with boxes in the form of PASCAL VOC. For a folder for each class there is
`dlbench.data.ImageFolder`."""

from __future__ import annotations

from .detection.voc import voc_folder as voc_folder
