"""dlbench: a plugin-based benchmark suite for deep learning.

This module is what plugin authors import; nothing here imports torch until `Batch`, `Learner` or `Regularizer` is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .data.sets import DataFile as DataFile
    from .data.sets import DataSet as DataSet
    from .errors import NoData as NoData
    from .errors import NotApplicable as NotApplicable
    from .errors import UsageError as UsageError
    from .errors import unknown as unknown
    from .hookspecs import hookimpl as hookimpl
    from .kinds import Classes as Classes
    from .kinds import DynamicGraph as DynamicGraph
    from .kinds import DynamicGraphBatch as DynamicGraphBatch
    from .kinds import EdgeClasses as EdgeClasses
    from .kinds import Embedding as Embedding
    from .kinds import Graph as Graph
    from .kinds import GraphBatch as GraphBatch
    from .kinds import GraphClasses as GraphClasses
    from .kinds import GraphValue as GraphValue
    from .kinds import Hypergraph as Hypergraph
    from .kinds import HypergraphBatch as HypergraphBatch
    from .kinds import Image as Image
    from .kinds import InputKind as InputKind
    from .kinds import Kind as Kind
    from .kinds import MaskedTokens as MaskedTokens
    from .kinds import NextToken as NextToken
    from .kinds import NodeClasses as NodeClasses
    from .kinds import OutputKind as OutputKind
    from .kinds import Sample as Sample
    from .kinds import Series as Series
    from .kinds import SeriesBatch as SeriesBatch
    from .kinds import Signature as Signature
    from .kinds import TokenBatch as TokenBatch
    from .kinds import Tokens as Tokens
    from .kinds import TokenSequence as TokenSequence
    from .kinds import TokenTags as TokenTags
    from .kinds import Value as Value
    from .kinds import Vector as Vector
    from .learner import Batch as Batch
    from .learner import Batches as Batches
    from .learner import Carry as Carry
    from .learner import Learner as Learner
    from .learner import Regularizer as Regularizer
    from .measure.environment import usable_cores as usable_cores
    from .optimizers import Optimizers as Optimizers
    from .recipe import Settings as Settings
    from .schedule import Factor as Factor
    from .schedule import Progress as Progress
    from .schedule import Stop as Stop
    from .specs import Block as Block
    from .specs import Metric as Metric
    from .specs import ModelSpec as ModelSpec
    from .specs import OptimizerSpec as OptimizerSpec
    from .specs import ProfileProtocol as ProfileProtocol
    from .specs import Reference as Reference
    from .specs import RegularizerSpec as RegularizerSpec
    from .specs import ScheduleSpec as ScheduleSpec
    from .specs import Suite as Suite
    from .specs import TaskSpec as TaskSpec

_HOMES = {
    "data.sets": ("DataFile", "DataSet"),
    "errors": ("NoData", "NotApplicable", "UsageError", "unknown"),
    "hookspecs": ("hookimpl",),
    "kinds": (
        "Kind", "InputKind", "OutputKind", "Signature", "Image", "Vector", "Tokens", "Series", "Graph",
        "Hypergraph", "DynamicGraph", "Classes", "NextToken", "MaskedTokens", "TokenTags", "TokenSequence",
        "NodeClasses", "EdgeClasses", "GraphClasses", "GraphValue", "Value", "Embedding", "Sample", "TokenBatch",
        "SeriesBatch", "GraphBatch", "HypergraphBatch", "DynamicGraphBatch",
    ),
    "learner": ("Batch", "Batches", "Carry", "Learner", "Regularizer"),
    "measure.environment": ("usable_cores",),
    "optimizers": ("Optimizers",),
    "recipe": ("Settings",),
    "schedule": ("Factor", "Progress", "Stop"),
    "specs": (
        "ModelSpec", "TaskSpec", "Metric", "Reference", "OptimizerSpec", "ScheduleSpec", "RegularizerSpec",
        "Suite", "Block", "ProfileProtocol",
    ),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
__all__ = ["__version__", *_HOME_OF]


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
