"""The conformance kit, for the tests of plugins: `check_model`, `check_task`, `check_plugin`, `report`."""

from __future__ import annotations

from .kit import Finding as Finding
from .kit import check_model as check_model
from .kit import check_plugin as check_plugin
from .kit import check_task as check_task
from .kit import report as report
