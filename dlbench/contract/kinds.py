"""Input and output kinds, and the signature they form. No torch: kinds are matched while planning.

A kind is a frozen dataclass. Its class says what an example is (or what is asked of it); its fields are the
sizes, known once the task is loaded. A plugin may define its own kinds: the core only ever uses the methods of
`InputKind` and `OutputKind`.

The docstring of an input kind fixes its runtime value: what `Batch.inputs` holds and `forward` receives.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar

from .values import batch_size_of


class Kind:
    """Base of all kinds."""

    @classmethod
    def label(cls) -> str:
        """The name in tables and messages: the class name in snake case; `any` for the bases of all kinds."""
        if cls in (Kind, InputKind, OutputKind):
            return "any"
        return "".join("_" + c.lower() if c.isupper() and i else c.lower() for i, c in enumerate(cls.__name__))

    def __str__(self) -> str:
        sizes = [getattr(self, f.name) for f in fields(self)]  # type: ignore[arg-type]
        shown = ",".join(str(size) for size in sizes if size is not None and size is not False)
        return f"{self.label()}[{shown}]" if shown else self.label()


class InputKind(Kind):
    """What one example is."""


class OutputKind(Kind):
    """What is asked of an example; `verbs` are what a task may call on the model."""

    verbs: ClassVar[tuple[str, ...]] = ("predict",)

    def shape(self, inputs: Any) -> tuple[int, ...] | None:
        """The shape that `predict(inputs)` must return; None where any shape is right."""
        return None

    def fits(self, got: Any, inputs: Any) -> bool:
        """Whether `got`, a shape or the name of another type, is right for these inputs: `shape`, or one like it."""
        return self.shape(inputs) in (None, got)


@dataclass(frozen=True, kw_only=True)
class Signature:
    """Input kind -> output kind, with sizes."""

    input: InputKind
    output: OutputKind

    def __str__(self) -> str:
        return f"{self.input} -> {self.output}"


# --- what one example is ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Image(InputKind):
    """Runtime value: a float tensor (B, channels, height, width), normalised by the task; where a `TokenSequence` is
    asked for, an `ImageBatch` of it."""

    channels: int
    height: int
    width: int


@dataclass(frozen=True, kw_only=True)
class Vector(InputKind):
    """A table's row or a point. Runtime value: a float tensor (B, features)."""

    features: int


@dataclass(frozen=True, kw_only=True)
class Tokens(InputKind):
    """Runtime value: a `TokenBatch`. `length` is the longest sequence, None where there is no limit; `characters` the
    number of different characters, the padding's 0 included, where tokens come with their spelling, else 0."""

    vocab: int
    length: int | None = None
    characters: int = 0

    def __str__(self) -> str:
        sizes = [str(self.vocab), *([] if self.length is None else [str(self.length)])]
        spelling = [f"characters={self.characters}"] if self.characters else []
        return f"{self.label()}[{','.join(sizes + spelling)}]"


@dataclass(frozen=True, kw_only=True)
class Series(InputKind):
    """Steps of several numbers each: sound, sensors, the rows of an image. Runtime value: a `SeriesBatch` with
    `features` columns, normalised by the task. `length` is the longest series, None where there is no limit."""

    features: int
    length: int | None = None


@dataclass(frozen=True, kw_only=True)
class Graph(InputKind):
    """Runtime value: a `GraphBatch` with `node_features` columns and `edge_features` columns (0: None).

    The last `positions` of the node features are a positional encoding. `single`: every batch shows one and the same
    graph (or parts of it), and the splits are sets of its nodes. `nodes_max`: the most nodes of a graph, which models
    that draw graphs build for; 0 where the task doesn't say.
    """

    node_features: int
    edge_features: int = 0
    positions: int = 0
    single: bool = False
    nodes_max: int = 0

    def __str__(self) -> str:
        sizes = {"edges": self.edge_features, "positions": self.positions, "nodes_max": self.nodes_max}
        return f"{self.label()}[{','.join([str(self.node_features), *(f'{k}={v}' for k, v in sizes.items() if v)])}]"


@dataclass(frozen=True, kw_only=True)
class Hypergraph(InputKind):
    """A graph whose edges join any number of nodes. Runtime value: a `HypergraphBatch`."""

    node_features: int


@dataclass(frozen=True, kw_only=True)
class DynamicGraph(InputKind):
    """A graph in discrete time. Runtime value: a `DynamicGraphBatch` with `node_features` columns."""

    node_features: int


@dataclass(frozen=True, kw_only=True)
class KnowledgeGraph(InputKind):
    """Facts about `entities` things, each a triple of head, relation and tail, of which ends are asked for. Runtime
    value: a `LinkBatch`; an example is a triple without its tail, or without its head."""

    entities: int
    relations: int


# --- what is asked of it ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Classes(OutputKind):
    """`predict(inputs)` returns logits (B, num_classes); targets are int64 (B,)."""

    num_classes: int

    def shape(self, inputs: Any) -> tuple[int, ...]:
        return (batch_size_of(inputs), self.num_classes)


@dataclass(frozen=True, kw_only=True)
class NextToken(OutputKind):
    """`predict(inputs)` returns logits (B, T, vocab), causal: place t sees ids up to t; targets int64 (B, T).

    `carried`: each of the B rows is one long text in segments, and the model carries its state from one segment to
    the next: it is called as `forward(inputs, state) -> (logits, state)` (see `Batch.continues`).
    `generate(batch, ...)` continues the ids of a batch: any model can (see `dlbench.decoding`).
    """

    vocab: int
    carried: bool = False

    verbs: ClassVar[tuple[str, ...]] = ("predict", "generate")

    def shape(self, inputs: Any) -> tuple[int, ...]:
        return (*inputs.ids.shape, self.vocab)


@dataclass(frozen=True, kw_only=True)
class MaskedTokens(OutputKind):
    """`predict(inputs)` returns logits (B, T, vocab) for what stood at each place before some were masked; it may see
    all places. Targets int64 (B, T); the batch's mask says which places were masked."""

    vocab: int

    def shape(self, inputs: Any) -> tuple[int, ...]:
        return (*inputs.ids.shape, self.vocab)


@dataclass(frozen=True, kw_only=True)
class TokenTags(OutputKind):
    """A class for every place. `predict(inputs)` returns logits (B, T, num_classes); targets int64 (B, T)."""

    num_classes: int

    def shape(self, inputs: Any) -> tuple[int, ...]:
        steps = inputs.ids if hasattr(inputs, "ids") else inputs.values
        return (*steps.shape[:2], self.num_classes)


@dataclass(frozen=True, kw_only=True)
class TokenSequence(OutputKind):
    """Another sequence, as long as it comes: a translation. Targets int64 (B, U), each row closed by the token `end`.

    `predict(inputs)` returns logits (B, U, vocab), given in `inputs.previous` what stands before each place (teacher
    forcing); place u sees those up to u, and all of the source. `generate(batch, ...)` writes by itself, from the token
    `start` up to `end` or `length` tokens. Any model can by its `forward`; one with `start(inputs) -> state` and
    `step(token, state) -> (logits, state)` does it faster (see `dlbench.decoding`). `attend(inputs)` is for models that
    look at places of an image: how much each place u looks at each cell of a grid over it, (B, U, rows, columns) of
    sum 1, given `previous` as for `predict`; a task asks `learner.offers("attend")` first.
    """

    vocab: int
    length: int
    start: int
    end: int

    verbs: ClassVar[tuple[str, ...]] = ("generate", "predict", "attend")

    def shape(self, inputs: Any) -> tuple[int, ...]:
        return (*inputs.previous.shape, self.vocab)


@dataclass(frozen=True, kw_only=True)
class Mask(OutputKind):
    """A class for every pixel: `predict(inputs)` returns logits (B, num_classes, height, width); targets int64 (B,
    height, width)."""

    num_classes: int

    def shape(self, inputs: Any) -> tuple[int, ...]:
        return (len(inputs), self.num_classes, *inputs.shape[2:])


@dataclass(frozen=True, kw_only=True)
class PixelValue(OutputKind):
    """A number for every pixel: `predict(inputs)` returns (B, height, width); targets are float (B, height, width)."""

    def shape(self, inputs: Any) -> tuple[int, ...]:
        return (len(inputs), *inputs.shape[2:])


@dataclass(frozen=True, kw_only=True)
class Boxes(OutputKind):
    """Where the objects of an image are. `limit`: the most that one holds.

    Targets float (B, limit, 5): left, top, right, bottom as shares of the image's width and height, 0 to 1, and the
    class; rows of class -1 fill up. `detect(inputs)` returns float (B, K, 6), K its own choice: the four sides, the
    class, and a score from 0 to 1; rows of score 0 are no finding. Models bring their own loss (`Learner.loss`): what
    is compared with what is their idea.
    """

    num_classes: int
    limit: int

    verbs: ClassVar[tuple[str, ...]] = ("detect",)


@dataclass(frozen=True, kw_only=True)
class NodeClasses(OutputKind):
    """`predict(inputs)` returns logits (N, num_classes), one row per node; targets int64 (N,)."""

    num_classes: int

    def shape(self, inputs: Any) -> tuple[int, ...]:
        return (inputs.nodes.shape[0], self.num_classes)


@dataclass(frozen=True, kw_only=True)
class Value(OutputKind):
    """`predict(inputs)` returns one number per example (B,); targets float (B,)."""

    def shape(self, inputs: Any) -> tuple[int, ...]:
        return (batch_size_of(inputs),)


@dataclass(frozen=True, kw_only=True)
class GraphClasses(Classes):
    """Classes of whole graphs: `predict(inputs)` returns logits (B, num_classes); targets are int64 (B,)."""


@dataclass(frozen=True, kw_only=True)
class Links(Classes):
    """The missing ends of triples: `predict(inputs)` returns a score of every entity (B, num_classes), the higher the
    likelier; targets are the entities that were left out, int64 (B,)."""


@dataclass(frozen=True, kw_only=True)
class GraphValue(Value):
    """A number for each whole graph: `predict(inputs)` returns (B,); targets are float (B,)."""


@dataclass(frozen=True, kw_only=True)
class NodeValue(OutputKind):
    """A number for each node: `predict(inputs)` returns (N,), one per node; targets are float (N,)."""

    def shape(self, inputs: Any) -> tuple[int, ...]:
        return (inputs.nodes.shape[0],)


@dataclass(frozen=True, kw_only=True)
class EdgeClasses(OutputKind):
    """`predict(inputs)` returns logits (E, num_classes), one row per edge in the batch's order; targets int64 (E,)."""

    num_classes: int

    def shape(self, inputs: Any) -> tuple[int, ...]:
        return (inputs.edges.shape[1], self.num_classes)


@dataclass(frozen=True, kw_only=True)
class Embedding(OutputKind):
    """`embed(inputs)` returns vectors of the model's own size, float (N, D) for the level `nodes`, (B, D) for `graphs`.
    Training batches have no targets."""

    level: str = "nodes"

    verbs: ClassVar[tuple[str, ...]] = ("embed",)

    def rows(self, inputs: Any) -> int:
        """How many vectors `embed` must return."""
        return int(inputs.nodes.shape[0]) if self.level == "nodes" else batch_size_of(inputs)


@dataclass(frozen=True, kw_only=True)
class Sample(OutputKind):
    """`sample(count, generator)` returns `count` new examples, as a runtime value of the input kind.

    `generator` is a torch.Generator on the CPU: draw noise with it and move it, so that samples are repeatable. Many
    examples are asked for in several calls. Rows of tokens begin with 1, the start, which may be missing in what is
    drawn, and end with 2; 0 fills up. `log_density(inputs)` is for models that know it: the logarithm of the density at
    each example, or a lower bound of it, in nats, (B,); a task asks `learner.offers("log_density")` first.
    Training batches have no targets.
    """

    verbs: ClassVar[tuple[str, ...]] = ("sample", "log_density")


@dataclass(frozen=True, kw_only=True)
class ConditionalSample(OutputKind):
    """`sample(count, generator, classes)` returns a new example of each of the `classes` (count,) int64, as a runtime
    value of the input kind; otherwise as for `Sample`. Targets of training batches are the classes, int64 (B,)."""

    num_classes: int

    verbs: ClassVar[tuple[str, ...]] = ("sample",)


@dataclass(frozen=True, kw_only=True)
class Translate(OutputKind):
    """Examples of one domain as another domain would have them, learnt without pairs.

    `translate(inputs)` returns examples of the first domain as examples of the second; `translate(inputs, back=True)`
    goes from the second to the first. Both domains are of the input kind. In training batches `inputs` are examples of
    the first domain and `targets` as many of the second, which have nothing to do with them.
    """

    verbs: ClassVar[tuple[str, ...]] = ("translate",)

    def shape(self, inputs: Any) -> tuple[int, ...]:
        """Of what `translate(inputs)` returns."""
        return tuple(inputs.shape)


@dataclass(frozen=True, kw_only=True)
class Objective(OutputKind):
    """A point where a function is small: the function is the task's loss, and the model is the point.

    `predict(inputs)` returns the point, float (D,), one for the whole batch; `start` is where the search for it begins.
    The input kind is `Vector(features=D)`: its rows are draws of the noise of a step's gradient, zeros where there is
    none. There are no targets.
    """

    start: tuple[float, ...]

    def shape(self, inputs: Any) -> tuple[int, ...]:
        return (len(self.start),)

    def __str__(self) -> str:
        return f"{self.label()}[{len(self.start)}]"
