"""Every setting as a frozen dataclass: the schema for Hydra, and the validation, nothing else.

Torch-free. `nas.settings.compose` turns overrides into a `Settings`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from nas.errors import SettingsError, nearest

SPACES = ("mixed", "shufflenet_v1", "shufflenet_v2", "mobilenext")
DATA_SETS = ("digits", "arrays", "folder")
RUNTIMES = ("onnxruntime", "eager", "jit", "compile", "openvino")
TORCH_RUNTIMES = ("eager", "jit", "compile")
OBJECTIVES = ("constrained", "pareto", "weighted")
EVALUATIONS = ("full", "table")
QUANTITIES = ("accuracy", "latency", "multiply_adds", "parameters")
OPTIMIZERS = ("sgd", "adamw")
SCHEDULES = ("one_cycle", "cosine")
PRECISIONS = ("auto", "float32", "bfloat16")
SAMPLERS = ("tpe", "nsga2", "nsga3", "gp", "qmc", "random")


def _fail(where: str, rule: str, value: object, allowed: str) -> SettingsError:
    return SettingsError(f"{where}: {rule}; got {value!r}; allowed: {allowed}")


def _one_of(where: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise _fail(where, "must be one of the known names", value, nearest(value, allowed))


def _at_least(where: str, value: float | None, least: float, *, above: bool = False) -> None:
    if value is None:
        return
    if not math.isfinite(value) or value < least or (above and value == least):
        allowed = f"a finite number above {least:g}" if above else f"from {least:g} on"
        raise _fail(where, "is out of range", value, allowed)


def _share(where: str, value: float) -> None:
    if not 0 <= value < 1:
        raise _fail(where, "must be a share", value, "0 <= share < 1")


@dataclass(frozen=True)
class SpaceSettings:
    """Which networks are possible. A list left null is the space's own."""

    name: str = "mixed"
    source: str | None = None
    kinds: list[str] | None = None
    groups: list[int] | None = None
    widths: list[float] | None = None
    expansions: list[float] | None = None
    depths: list[int] | None = None
    kernel_sizes: list[int] | None = None
    resolutions: list[int] | None = None
    start_from: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.source is None:
            _one_of("space.name", self.name, SPACES)
        for name in (
            "kinds",
            "groups",
            "widths",
            "expansions",
            "depths",
            "kernel_sizes",
            "resolutions",
        ):
            values = getattr(self, name)
            if values is not None and (not values or len(set(values)) != len(values)):
                raise _fail(
                    f"space.{name}", "must list one or more different values", values, "null"
                )


@dataclass(frozen=True)
class DataSettings:
    """Which images. `path` is a file for `arrays`, a folder of class folders for `folder`.

    Shares are of all images. `height`, `width` and `channels` null are those the images have;
    images that differ are resized and cut to them. `on_damaged` says what becomes of a file that
    cannot be read: `fail` or `skip`. A set of more than `memory_gb` is streamed from `workers`
    processes (0: one a core, at most four) rather than kept in memory.
    """

    name: str = "digits"
    path: str | None = None
    validation_share: float = 0.2
    test_share: float = 0.2
    seed: int = 0
    height: int | None = None
    width: int | None = None
    channels: int | None = None
    on_damaged: str = "fail"
    memory_gb: float = 2.0
    workers: int = 0

    def __post_init__(self) -> None:
        _one_of("data.name", self.name, DATA_SETS)
        _share("data.validation_share", self.validation_share)
        _share("data.test_share", self.test_share)
        if self.validation_share + self.test_share >= 1:
            raise _fail(
                "data.test_share", "must leave images to train on", self.test_share,
                f"below {1 - self.validation_share:g}",
            )  # fmt: skip
        if self.name == "arrays" and not self.path:
            raise _fail("data.path", "data=arrays reads a file", self.path, "data.path=images.npz")
        if self.name == "folder" and not self.path:
            raise _fail("data.path", "data=folder reads a folder", self.path, "data.path=images")
        _at_least("data.height", self.height, 1)
        _at_least("data.width", self.width, 1)
        if (self.height is None) != (self.width is None):
            raise _fail(
                "data.width", "goes with data.height", self.width, "both numbers, or both null"
            )
        if self.channels not in (None, 1, 3):
            raise _fail("data.channels", "must be grey or colour", self.channels, "1, 3, null")
        _one_of("data.on_damaged", self.on_damaged, ("fail", "skip"))
        _at_least("data.memory_gb", self.memory_gb, 0)
        _at_least("data.workers", self.workers, 0)


@dataclass(frozen=True)
class TargetSettings:
    """What exactly is measured, where. All of it is part of the key of a measured number.

    `host`, `ssh_options` (as for ssh) and `python` say how `where=ssh` is reached, `command` is the
    program and its arguments of `where=command`. `folded`: batch normalisation is folded into the
    convolutions before a torch runtime gets the network (the others fold by themselves).
    """

    where: str = "local"
    runtime: str = "onnxruntime"
    device: str = "cpu"
    threads: int = 1
    dtype: str = "float32"
    memory_format: str = "contiguous"
    batch_size: int = 1
    folded: bool = False
    cuda_graphs: bool = False
    host: str | None = None
    ssh_options: list[str] = field(default_factory=list)
    python: str = "python3"
    command: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        _one_of("target.where", self.where, ("local", "ssh", "command"))
        _one_of("target.runtime", self.runtime, RUNTIMES)
        _one_of("target.device", self.device, ("cpu", "cuda"))
        _at_least("target.threads", self.threads, 1)
        _one_of("target.dtype", self.dtype, ("float32", "bfloat16"))
        _one_of("target.memory_format", self.memory_format, ("contiguous", "channels_last"))
        _at_least("target.batch_size", self.batch_size, 1)
        if self.runtime == "onnxruntime" and self.device == "cuda":
            raise _fail("target.device", "onnxruntime is measured on the CPU", "cuda", "cpu")
        if self.runtime not in TORCH_RUNTIMES:
            for name, plain in (("dtype", "float32"), ("folded", False), ("cuda_graphs", False)):
                if getattr(self, name) != plain:
                    raise _fail(
                        f"target.{name}", f"is a choice of torch's runtimes, not {self.runtime}'s",
                        getattr(self, name), str(plain),
                    )  # fmt: skip
        if self.cuda_graphs and self.device != "cuda":
            raise _fail("target.cuda_graphs", "needs target.device=cuda", True, "False")
        if self.where != "local":
            self._check_elsewhere()

    def _check_elsewhere(self) -> None:
        if self.runtime in TORCH_RUNTIMES:
            raise _fail(
                "target.runtime", f"target.where={self.where} sends ONNX files",
                self.runtime, "onnxruntime, openvino",
            )  # fmt: skip
        if self.where == "ssh" and (not self.host or self.host.startswith("-")):
            raise _fail("target.host", "target.where=ssh needs a host", self.host, "user@board")
        if self.where == "command" and not self.command:
            raise _fail(
                "target.command", "target.where=command needs a program",
                self.command, "[python3,measure_on_phone.py]",
            )  # fmt: skip


@dataclass(frozen=True)
class ObjectiveSettings:
    """What is searched for, under which limits.

    With no limit named at all, latency and multiply-adds of `reference` are the limits of
    `constrained` and `weighted`. `quantities` are the objectives of `pareto`.
    """

    name: str = "constrained"
    reference: str = "shufflenet_v2_x0_5"
    latency_ms: float | None = None
    latency_of: str | None = None
    multiply_adds: float | None = None
    multiply_adds_of: str | None = None
    parameters: float | None = None
    parameters_of: str | None = None
    latency_statistic: str = "median"
    quantities: list[str] = field(default_factory=lambda: list(QUANTITIES[:3]))
    latency_exponent: float = -0.07
    multiply_adds_exponent: float = -0.07

    def __post_init__(self) -> None:
        _one_of("objective.name", self.name, OBJECTIVES)
        for name in ("latency_ms", "multiply_adds", "parameters"):
            _at_least(f"objective.{name}", getattr(self, name), 0, above=True)
        for number, network in (
            ("latency_ms", "latency_of"),
            ("multiply_adds", "multiply_adds_of"),
            ("parameters", "parameters_of"),
        ):
            if getattr(self, number) is not None and getattr(self, network) is not None:
                raise _fail(
                    f"objective.{network}", f"is given beside objective.{number}",
                    getattr(self, network), "one of the two, the other null",
                )  # fmt: skip
        _one_of("objective.latency_statistic", self.latency_statistic, ("median", "p95"))
        for quantity in self.quantities:
            _one_of("objective.quantities", quantity, QUANTITIES)
        if len(self.quantities) < 2 or len(set(self.quantities)) != len(self.quantities):
            raise _fail(
                "objective.quantities", "must name two or more different objectives",
                self.quantities, ", ".join(QUANTITIES),
            )  # fmt: skip


@dataclass(frozen=True)
class EvaluationSettings:
    """Where accuracy comes from: training, or a table at `path`."""

    name: str = "full"
    path: str | None = None

    def __post_init__(self) -> None:
        _one_of("evaluation.name", self.name, EVALUATIONS)
        if self.name == "table" and not self.path:
            raise _fail("evaluation.path", "evaluation=table reads a file", self.path, "table.json")


@dataclass(frozen=True)
class TrainingSettings:
    """The recipe. `device`, `precision` and `threads` are resolved once per study.

    `average` is the decay of an exponential average of the weights, which is then what is judged
    and kept; `clip` the largest norm of the gradient; 0 is without.

    Augmentations: `shift` pixels by which an image is moved, `flip` left to right, `crop` the
    smallest share of the area that a random crop is made of (1: none), `jitter` the strength of
    changes of colour, `erase` the probability of a grey rectangle, `mixup` and `cutmix` their
    alpha (0: none).
    """

    epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 0.07
    momentum: float = 0.9
    weight_decay: float = 4e-5
    label_smoothing: float = 0.0
    warmup_share: float = 0.25
    optimizer: str = "sgd"
    schedule: str = "one_cycle"
    average: float = 0.0
    clip: float = 0.0
    shift: int = 1
    flip: bool = False
    crop: float = 1.0
    jitter: float = 0.0
    erase: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    device: str = "auto"
    precision: str = "auto"
    memory_format: str = "channels_last"
    threads: int = 0

    def __post_init__(self) -> None:
        _at_least("training.epochs", self.epochs, 1)
        _at_least("training.batch_size", self.batch_size, 2)
        _at_least("training.learning_rate", self.learning_rate, 0, above=True)
        _share("training.momentum", self.momentum)
        _at_least("training.weight_decay", self.weight_decay, 0)
        _share("training.label_smoothing", self.label_smoothing)
        _share("training.warmup_share", self.warmup_share)
        _one_of("training.optimizer", self.optimizer, OPTIMIZERS)
        _one_of("training.schedule", self.schedule, SCHEDULES)
        _share("training.average", self.average)
        _at_least("training.clip", self.clip, 0)
        _one_of("training.precision", self.precision, PRECISIONS)
        _at_least("training.shift", self.shift, 0)
        if not 0 < self.crop <= 1:
            raise _fail("training.crop", "must be a share", self.crop, "0 < share <= 1")
        _share("training.jitter", self.jitter)
        if not 0 <= self.erase <= 1:
            raise _fail("training.erase", "must be a probability", self.erase, "0 <= p <= 1")
        _at_least("training.mixup", self.mixup, 0)
        _at_least("training.cutmix", self.cutmix, 0)
        _one_of("training.device", self.device, ("auto", "cpu", "cuda"))
        _one_of("training.memory_format", self.memory_format, ("contiguous", "channels_last"))
        _at_least("training.threads", self.threads, 0)


@dataclass(frozen=True)
class SamplerSettings:
    """Who proposes. `startup_trials` random proposals come first where the sampler has such."""

    name: str = "tpe"
    startup_trials: int = 10
    population: int = 20

    def __post_init__(self) -> None:
        _one_of("sampler.name", self.name, SAMPLERS)
        _at_least("sampler.startup_trials", self.startup_trials, 1)
        _at_least("sampler.population", self.population, 2)


@dataclass(frozen=True)
class StudySettings:
    """How much, where it is kept, and the seed of everything.

    `trials` counts evaluated candidates in total; `max_proposals` (null: 20 x trials) and `hours`
    bound the whole.
    """

    name: str | None = None
    trials: int = 20
    max_proposals: int | None = None
    hours: float | None = None
    seed: int = 0
    folder: str = "runs"

    def __post_init__(self) -> None:
        _at_least("study.trials", self.trials, 1)
        _at_least("study.max_proposals", self.max_proposals, 1)
        _at_least("study.hours", self.hours, 0, above=True)
        _at_least("study.seed", self.seed, 0)
        if self.name is not None and (
            not self.name or self.name.startswith(".") or set(self.name) & set("/\\:\"'<>|?*\0")
        ):
            raise _fail("study.name", "must be a plain folder name", self.name, "digits-mixed-001")


@dataclass(frozen=True)
class TrackingSettings:
    """The MLflow mirror. `uri` null is SQLite in the study's folder of runs."""

    enabled: bool = True
    uri: str | None = None


@dataclass(frozen=True)
class ExecutionSettings:
    """How a candidate's training is run: `retries` after its process crashed."""

    retries: int = 1

    def __post_init__(self) -> None:
        _at_least("execution.retries", self.retries, 0)


@dataclass(frozen=True)
class Settings:
    """All of it; what a study stores and a resume compares."""

    space: SpaceSettings = field(default_factory=SpaceSettings)
    data: DataSettings = field(default_factory=DataSettings)
    target: TargetSettings = field(default_factory=TargetSettings)
    objective: ObjectiveSettings = field(default_factory=ObjectiveSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    sampler: SamplerSettings = field(default_factory=SamplerSettings)
    study: StudySettings = field(default_factory=StudySettings)
    tracking: TrackingSettings = field(default_factory=TrackingSettings)
    execution: ExecutionSettings = field(default_factory=ExecutionSettings)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        from dataclasses import asdict

        return asdict(self)
