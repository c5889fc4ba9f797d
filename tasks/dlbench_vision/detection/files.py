"""The files of the detection tasks."""

from __future__ import annotations

from dlbench import DataFile, DataSet

BCCD = DataSet(
    name="bccd",
    files=(
        DataFile(
            path="vision/bccd/bccd.tar.xz",
            sha256="31480755401d141ec3eacdf17ddc2a6a4074da4e99351e9a3f3798ee8e9527cc",
        ),
    ),
    licence="MIT",
    source="https://github.com/Shenggan/BCCD_Dataset, the folder BCCD of commit d272fb1",
)
