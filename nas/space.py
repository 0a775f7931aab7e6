"""The one abstract class: a search space of flat categorical genes."""

from __future__ import annotations

import hashlib
import json
import math
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from nas.architecture import Architecture
from nas.errors import SpaceError, nearest

Option = str | int | float
Genes = dict[str, Option]


@dataclass(frozen=True)
class Gene:
    """One categorical choice, present in every candidate."""

    name: str
    options: tuple[Option, ...]

    def __post_init__(self) -> None:
        if not self.options or len(set(self.options)) != len(self.options):
            raise SpaceError(
                f"gene {self.name}: options must be one or more different values; got "
                f"{self.options}; allowed: each value once"
            )


class SearchSpace(ABC):
    """Genes, and the network each combination of them decodes to.

    Every combination decodes to a network that builds; genes without effect in a candidate are
    legal and vanish in `decode`. `encode(decode(genes))` may differ from `genes` in such genes,
    `decode(encode(architecture))` is always `architecture`.

    A heir sets `name`, `citation` and `starts` (published networks a study proposes first where
    nothing else is named and they are points of the space), takes `input` and `classes` (and
    whatever else it offers) as keyword arguments that all have defaults, and defines `genes`,
    `decode` and `encode`.
    """

    name: ClassVar[str]
    citation: ClassVar[str] = ""
    starts: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *, input: tuple[int, int, int] = (3, 224, 224), classes: int = 1000) -> None:
        self.input = (int(input[0]), int(input[1]), int(input[2]))
        self.classes = int(classes)

    @property
    @abstractmethod
    def genes(self) -> tuple[Gene, ...]:
        """All genes, in a fixed order."""

    @abstractmethod
    def decode(self, genes: Mapping[str, Option]) -> Architecture:
        """The network of these genes.

        Raises:
            SpaceError: a gene is missing, unknown or has a value that is not an option.
        """

    @abstractmethod
    def encode(self, architecture: Architecture) -> Genes:
        """Genes that decode to this architecture.

        Raises:
            SpaceError: the architecture is not in this space.
        """

    @property
    def size(self) -> int:
        """How many combinations of genes there are (several may decode to one network)."""
        return math.prod(len(gene.options) for gene in self.genes)

    @property
    def fingerprint(self) -> str:
        """16 hex digits that change with the genes, the input or the number of classes."""
        value = [self.name, self.input, self.classes, [(g.name, g.options) for g in self.genes]]
        return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]

    def sample(self, rng: random.Random) -> Genes:
        """Uniform random genes."""
        return {gene.name: rng.choice(gene.options) for gene in self.genes}

    def neighbours(self, genes: Mapping[str, Option]) -> Iterator[Genes]:
        """All genes that differ in exactly one gene."""
        for gene in self.genes:
            for option in gene.options:
                if option != genes[gene.name]:
                    yield {**genes, gene.name: option}

    def validate(self, genes: Mapping[str, Option]) -> None:
        """Raise unless `genes` holds exactly this space's genes, each with one of its options.

        Raises:
            SpaceError: which gene, its value, and what is allowed.
        """
        known = {gene.name: gene for gene in self.genes}
        for name in genes:
            if name not in known:
                raise SpaceError(
                    f"space {self.name}: unknown gene; got {name!r}; "
                    f"allowed: {nearest(name, known)}"
                )
        for name, gene in known.items():
            if name not in genes:
                raise SpaceError(
                    f"space {self.name}: gene {name} is missing; allowed: {gene.options}"
                )
            if genes[name] not in gene.options:
                raise SpaceError(
                    f"space {self.name}, gene {name}: must be one of its options; got "
                    f"{genes[name]!r}; allowed: {', '.join(map(str, gene.options))}"
                )
