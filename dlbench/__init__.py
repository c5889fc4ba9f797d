"""dlbench: a plugin-based benchmark suite for deep learning.

This module is what plugin authors import; torch comes with a learner's names (`Batch`, `Learner`, ...).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
API_VERSION = 1
"""Of what plugins import: raised when a public name, method or parameter goes away (docs/api.md)."""

if TYPE_CHECKING:
    from .contract.executor import Executor as Executor
    from .contract.executor import Lost as Lost
    from .contract.executor import Message as Message
    from .contract.executor import Resources as Resources
    from .contract.hookspecs import hookimpl as hookimpl
    from .contract.kinds import Boxes as Boxes
    from .contract.kinds import Classes as Classes
    from .contract.kinds import ConditionalSample as ConditionalSample
    from .contract.kinds import DynamicGraph as DynamicGraph
    from .contract.kinds import EdgeClasses as EdgeClasses
    from .contract.kinds import Embedding as Embedding
    from .contract.kinds import Graph as Graph
    from .contract.kinds import GraphClasses as GraphClasses
    from .contract.kinds import GraphValue as GraphValue
    from .contract.kinds import Hypergraph as Hypergraph
    from .contract.kinds import Image as Image
    from .contract.kinds import InputKind as InputKind
    from .contract.kinds import Kind as Kind
    from .contract.kinds import KnowledgeGraph as KnowledgeGraph
    from .contract.kinds import Links as Links
    from .contract.kinds import Mask as Mask
    from .contract.kinds import MaskedTokens as MaskedTokens
    from .contract.kinds import NextToken as NextToken
    from .contract.kinds import NodeClasses as NodeClasses
    from .contract.kinds import NodeValue as NodeValue
    from .contract.kinds import Objective as Objective
    from .contract.kinds import OutputKind as OutputKind
    from .contract.kinds import PixelValue as PixelValue
    from .contract.kinds import Sample as Sample
    from .contract.kinds import Series as Series
    from .contract.kinds import Signature as Signature
    from .contract.kinds import Tokens as Tokens
    from .contract.kinds import TokenSequence as TokenSequence
    from .contract.kinds import TokenTags as TokenTags
    from .contract.kinds import Translate as Translate
    from .contract.kinds import Value as Value
    from .contract.kinds import Vector as Vector
    from .contract.learner import Batch as Batch
    from .contract.learner import Batches as Batches
    from .contract.learner import Carry as Carry
    from .contract.learner import Learner as Learner
    from .contract.learner import Optimizers as Optimizers
    from .contract.learner import Regularizer as Regularizer
    from .contract.recipe import Settings as Settings
    from .contract.schedule import Factor as Factor
    from .contract.schedule import Progress as Progress
    from .contract.schedule import Stop as Stop
    from .contract.sets import DataFile as DataFile
    from .contract.sets import DataSet as DataSet
    from .contract.specs import Block as Block
    from .contract.specs import ExecutorSpec as ExecutorSpec
    from .contract.specs import InitializerSpec as InitializerSpec
    from .contract.specs import Metric as Metric
    from .contract.specs import ModelSpec as ModelSpec
    from .contract.specs import OptimizerSpec as OptimizerSpec
    from .contract.specs import ProfileProtocol as ProfileProtocol
    from .contract.specs import Reference as Reference
    from .contract.specs import RegularizerSpec as RegularizerSpec
    from .contract.specs import ScheduleSpec as ScheduleSpec
    from .contract.specs import Suite as Suite
    from .contract.specs import TaskSpec as TaskSpec
    from .contract.specs import TrackerSpec as TrackerSpec
    from .contract.syntax import SyntaxBatch as SyntaxBatch
    from .contract.syntax import SyntaxGraph as SyntaxGraph
    from .contract.syntax import WordTags as WordTags
    from .contract.values import DynamicGraphBatch as DynamicGraphBatch
    from .contract.values import GraphBatch as GraphBatch
    from .contract.values import HypergraphBatch as HypergraphBatch
    from .contract.values import ImageBatch as ImageBatch
    from .contract.values import LinkBatch as LinkBatch
    from .contract.values import SeriesBatch as SeriesBatch
    from .contract.values import TokenBatch as TokenBatch
    from .contract.values import Triples as Triples
    from .errors import NoData as NoData
    from .errors import NotApplicable as NotApplicable
    from .errors import UsageError as UsageError
    from .errors import unknown as unknown
    from .execute.remote import run_job as run_job
    from .measure.environment import usable_cores as usable_cores

_HOMES = {
    "contract.sets": ("DataFile", "DataSet"),
    "errors": ("NoData", "NotApplicable", "UsageError", "unknown"),
    "contract.executor": ("Executor", "Lost", "Message", "Resources"),
    "contract.hookspecs": ("hookimpl",),
    "contract.kinds": (
        "Kind", "InputKind", "OutputKind", "Signature", "Image", "Vector", "Tokens", "Series", "Graph",
        "Hypergraph", "DynamicGraph", "KnowledgeGraph", "Classes", "NextToken", "MaskedTokens", "TokenTags",
        "TokenSequence", "NodeClasses", "NodeValue", "EdgeClasses", "GraphClasses", "GraphValue", "Value", "Links",
        "Embedding", "Sample", "ConditionalSample", "Translate", "Mask", "PixelValue", "Boxes", "Objective",
    ),
    "contract.syntax": ("SyntaxGraph", "WordTags", "SyntaxBatch"),
    "contract.values": (
        "TokenBatch", "SeriesBatch", "ImageBatch", "GraphBatch", "HypergraphBatch", "DynamicGraphBatch", "Triples",
        "LinkBatch",
    ),
    "contract.learner": ("Batch", "Batches", "Carry", "Learner", "Optimizers", "Regularizer"),
    "execute.remote": ("run_job",),
    "measure.environment": ("usable_cores",),
    "contract.recipe": ("Settings",),
    "contract.schedule": ("Factor", "Progress", "Stop"),
    "contract.specs": (
        "ModelSpec", "TaskSpec", "Metric", "Reference", "OptimizerSpec", "ScheduleSpec", "RegularizerSpec",
        "InitializerSpec", "Suite", "Block", "ProfileProtocol", "TrackerSpec", "ExecutorSpec",
    ),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
__all__ = ["API_VERSION", "__version__", *_HOME_OF]


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
