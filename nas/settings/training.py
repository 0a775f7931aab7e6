"""The recipe of a candidate."""

from __future__ import annotations

from dataclasses import dataclass

from nas.settings.checks import at_least, fail, one_of, share

OPTIMIZERS = ("sgd", "adamw")
SCHEDULES = ("one_cycle", "cosine", "linear")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
MEMORY_FORMATS = ("auto", "contiguous", "channels_last")
DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class TrainingSettings:
    """The recipe. `device`, `precision`, `memory_format` and `threads` are resolved once per study:
    what is automatic is tried on the reference network and kept with the study.

    `average` is the decay of an exponential average of the weights, which is then what is judged
    and kept; `clip` the largest norm of the gradient; 0 is without.

    Augmentations: `shift` pixels by which an image is moved, `flip` left to right, `crop` the
    smallest share of the area that a random crop is made of (1: none), `jitter` the strength of
    changes of colour, `erase` the probability of a grey rectangle, `mixup` and `cutmix` their
    alpha (0: none).

    `class_weights=balanced` weighs the loss of an image by how rare its class is among the training
    images: each class counts alike.

    `init` names a file of weights; every candidate starts from those whose name and shape it has.
    """

    epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 0.07
    momentum: float = 0.9
    weight_decay: float = 4e-5
    label_smoothing: float = 0.0
    class_weights: str = "none"
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
    init: str | None = None
    device: str = "auto"
    precision: str = "auto"
    memory_format: str = "auto"
    threads: int = 0

    def __post_init__(self) -> None:
        at_least("training.epochs", self.epochs, 1)
        at_least("training.batch_size", self.batch_size, 2)
        at_least("training.learning_rate", self.learning_rate, 0, above=True)
        share("training.momentum", self.momentum)
        at_least("training.weight_decay", self.weight_decay, 0)
        share("training.label_smoothing", self.label_smoothing)
        one_of("training.class_weights", self.class_weights, ("none", "balanced"))
        share("training.warmup_share", self.warmup_share)
        one_of("training.optimizer", self.optimizer, OPTIMIZERS)
        one_of("training.schedule", self.schedule, SCHEDULES)
        share("training.average", self.average)
        at_least("training.clip", self.clip, 0)
        one_of("training.precision", self.precision, PRECISIONS)
        at_least("training.shift", self.shift, 0)
        if not 0 < self.crop <= 1:
            raise fail("training.crop", "must be a share", self.crop, "0 < share <= 1")
        share("training.jitter", self.jitter)
        if not 0 <= self.erase <= 1:
            raise fail("training.erase", "must be a probability", self.erase, "0 <= p <= 1")
        at_least("training.mixup", self.mixup, 0)
        at_least("training.cutmix", self.cutmix, 0)
        one_of("training.device", self.device, DEVICES)
        one_of("training.memory_format", self.memory_format, MEMORY_FORMATS)
        at_least("training.threads", self.threads, 0)
