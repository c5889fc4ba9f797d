"""What plugins yield: frozen, keyword-only descriptions with a `name`. Torch is imported only in their callables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..errors import UsageError, unknown
from .choice import Options, only_defaults
from .importing import guest
from .kinds import InputKind, Kind, OutputKind
from .recipe import Settings
from .sets import DataSet, rooted

if TYPE_CHECKING:
    from .executor import Executor
    from .learner import Learner, Regularizer
    from .runtime import Runtime
    from .schedule import Factor
    from .sets import Data


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A named architecture.

    `build(signature, **options)` returns an `nn.Module` (trained with the task's loss) or a `Learner`; its
    keyword-only parameters are the model's options. It may raise `NotApplicable`.
    `accepts`: pairs of input and output kind classes.
    `recipes`: settings for a task's name or a kind class (optimizer, lr, weight_decay, schedule, clip, regularizers,
    also per part); shown as a flag on the row.
    `why_not(input_kind, output_kind, runtime)`: an early reason to skip, or None.
    `preload`: modules that the fork server imports so that cells start fast.
    An open family is named `timm:*`: `-m timm:resnet18` calls `build(signature, member="resnet18", ...)`.
    `wraps`: the option whose value names another model, as in `ensemble[model=lenet5]`. `build(signature, make=...,
    **options)` then also gets a function that returns a fresh learner of that model on the task, each time another.
    Of the pairs in `accepts` it takes those that the other model takes, and has its recipes. `inner` is that model's
    spec and its options, filled in by the catalog.
    """

    name: str
    build: Callable[..., Any]
    accepts: Iterable[tuple[type[InputKind], type[OutputKind]]]
    family: str = ""
    paper: str = ""
    recipes: Mapping[str | type[Kind], Settings] = field(default_factory=dict)
    why_not: Callable[[type[InputKind], type[OutputKind], Runtime], str | None] | None = None
    preload: tuple[str, ...] = ()
    member: str | None = None
    wraps: str = ""
    inner: tuple[ModelSpec, Options] | None = None


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A figure that `judge` returns. `unit`: `fraction` (0 to 1, shown as %), `points` (0 to 100), `nats`, ..."""

    name: str
    unit: str = "fraction"
    higher_is_better: bool = True


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A published value of the task's metric, by whom, under which protocol."""

    value: float
    source: str


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """A named data set, what is asked of it, and how it is judged.

    `load(data, **options)` returns a `Task` (see `dlbench.contract.learner`); `data` is a `dlbench.data.Data`. Its
    keyword-only parameters are the task's options.
    `metric` is the one that ranks; `metrics` describes the others that `judge` returns.
    `floor`: what the `constant` model scores on the test split, exactly, or a function of the options that gives it;
    None (also from the function): tables take the row of `constant`. `bound`: the best possible, a row beyond which
    isn't ranked; `reference`: a published value. All three hold for the default options only, a function's for all.
    `data`: the files, or a function of the options that gives them; None where everything is embedded or generated.
    `datasets`: all sets that such a function may give, so that `dlbench data` knows them.
    `recipe`: how it is trained where nobody says otherwise. `unit`: what throughput counts.
    `monitor`: the metric that picks the best state and that patience and schedules watch, on validation, where it isn't
    `metric`; one of `metrics`, as the validation loss often is.
    `milestones`: values of `metric` for which tables say how many seconds of training it took validation to reach them.
    `heavy`: the first load takes minutes or hours, so models aren't checked on it.
    `folds`, `flags`: may be functions of the options.
    An open family is named `tu:*`: `-t tu:PROTEINS` calls `load(data, member="PROTEINS", ...)`, `data` and `floor`
    likewise.
    """

    name: str
    input_kind: type[InputKind]
    output_kind: type[OutputKind]
    load: Callable[..., Any]
    unit: str
    metric: Metric
    floor: float | Callable[..., float | None] | None
    bound: float | None = None
    reference: Reference | None = None
    recipe: Settings = field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    monitor: str = ""
    milestones: tuple[float, ...] = ()
    folds: int | Callable[..., int] = 1
    version: str = "1"
    data: DataSet | Callable[..., DataSet | None] | None = None
    datasets: tuple[DataSet, ...] = ()
    flags: tuple[str, ...] | Callable[..., tuple[str, ...]] = ()
    preload: tuple[str, ...] = ()
    description: str = ""
    heavy: bool = False
    member: str | None = None

    @property
    def monitored(self) -> Metric:
        """The metric that training watches on validation."""
        known = {metric.name: metric for metric in (self.metric, *self.metrics)}
        if self.monitor and self.monitor not in known:
            raise unknown(f"metric of {self.name} to monitor", self.monitor, known)
        return known[self.monitor or self.metric.name]

    def files(self, options: Mapping[str, Any]) -> DataSet | None:
        """The data set read under these options."""
        return self._asked("data", {**self._member, **options})  # type: ignore[no-any-return]

    def open(self, data: Data, options: Mapping[str, Any]) -> Any:
        """The loaded task."""
        if (files := self.files(options)) is not None:
            data = rooted(data, files)
        return self.load(data, **self._member, **options)

    def floor_of(self, options: Mapping[str, Any]) -> float | None:
        """The floor under these options; None where the task doesn't know it."""
        if callable(self.floor):
            return self._asked("floor", {**self._member, **options})  # type: ignore[no-any-return]
        return self.floor if only_defaults(self.load, tuple(options.items())) else None

    def num_folds(self, options: Mapping[str, Any]) -> int:
        """How many folds it has under these options."""
        return int(self._asked("folds", options))

    def flags_of(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """What every row says under these options."""
        return self._asked("flags", options)  # type: ignore[no-any-return]

    def _asked(self, what: str, options: Mapping[str, Any]) -> Any:
        """A field that may be a function of the options; raises UsageError where that fails."""
        from .vetting import vet_answer

        value = getattr(self, what)
        if not callable(value):
            return value
        try:
            with guest():
                answer = value(**options)
            vet_answer(what, answer)
            return answer
        except (Exception, SystemExit) as error:
            text = str(error) if isinstance(error, UsageError) else f"{type(error).__name__}: {error}"
            text = " ".join(text.split())
            raise UsageError(f"the task {self.name!r} can't say its {what}: {text}") from error

    @property
    def _member(self) -> dict[str, str]:
        return {"member": self.member} if self.member else {}


@dataclass(frozen=True, kw_only=True)
class OptimizerSpec:
    """`build(params, lr, **options)` returns a torch optimizer; a recipe's `weight_decay`, where it isn't 0, is one of
    the options. `closure`: the optimizer evaluates its loss several times a step."""

    name: str
    build: Callable[..., Any]
    closure: bool = False
    paper: str = ""


@dataclass(frozen=True, kw_only=True)
class ScheduleSpec:
    """`build(**options)` returns a function of `Progress` that gives the factor on the learning rate, or `Stop`."""

    name: str
    build: Callable[..., Factor]
    paper: str = ""


@dataclass(frozen=True, kw_only=True)
class RegularizerSpec:
    """`build(**options)` returns a `dlbench.contract.learner.Regularizer`: a penalty, an augmentation, an averaging."""

    name: str
    build: Callable[..., Regularizer]
    paper: str = ""


@dataclass(frozen=True, kw_only=True)
class InitializerSpec:
    """`build(**options)` returns a function that is given the learner before it reaches the device, and changes its
    weights in place; it draws from torch's generator. It may raise NotApplicable."""

    name: str
    build: Callable[..., Callable[[Learner], None]]
    paper: str = ""


@dataclass(frozen=True, kw_only=True)
class TrackerSpec:
    """Somewhere to follow runs, switched on by `dlbench run --track NAME`. `build(folder, **options)` gets a folder of
    its own inside the results and returns an object with the hooks of observers: `dlbench_cell_progress`,
    `dlbench_cell_finished`, or one of them. It is called before anything runs, so what is missing should be raised
    there, as UsageError."""

    name: str
    build: Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class ExecutorSpec:
    """Somewhere that jobs can run, chosen by `dlbench run --executor NAME`. `build(folder, resources, **options)` gets
    a folder of its own inside the results and what each cell is given (`Resources`), and returns an `Executor`. It is
    called before anything runs; what is missing should be raised there, as UsageError. `profiles`: whether a job that
    is `alone` gets a machine to itself; where it can't, profiles are refused."""

    name: str
    build: Callable[..., Executor]
    description: str = ""
    profiles: bool = True


@dataclass(frozen=True, kw_only=True)
class ProfileProtocol:
    """How long a profile measures: `rounds` blocks of at least `block_s` seconds, after a warm-up of at least
    `warmup_s`, in each of `launches` fresh processes."""

    rounds: int = 7
    block_s: float = 0.2
    warmup_s: float = 0.5
    launches: int = 3


@dataclass(frozen=True, kw_only=True)
class Block:
    """Models x tasks under one variant of the recipe; names may be globs and carry options. Rows of different variants
    are never ranked together. `treatments`, where recipes are compared: name -> what it sets over `set`; each is a row
    of its own, ranked in one table with the others."""

    models: tuple[str, ...]
    tasks: tuple[str, ...]
    set: Settings = field(default_factory=dict)
    variant: str = ""
    treatments: Mapping[str, Settings] = field(default_factory=dict)

    def each(self) -> Iterator[Block]:
        """The block with one of its treatments at a time; itself where it has none."""
        yield from (replace(self, treatments={name: own}) for name, own in self.treatments.items())
        if not self.treatments:
            yield self

    @property
    def treatment(self) -> str:
        """The name of a block's only treatment; empty where it has none."""
        return next(iter(self.treatments), "")

    @property
    def treated(self) -> Settings:
        """What a block's only treatment sets."""
        return self.treatments.get(self.treatment, {})


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Blocks, and for all of them the seeds (a count, or the seeds themselves) and the profile's protocol."""

    name: str
    blocks: tuple[Block, ...]
    seeds: int | tuple[int, ...] = 3
    profile: ProfileProtocol = ProfileProtocol()
    description: str = ""
