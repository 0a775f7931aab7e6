"""Contract suites for search spaces and units of one's own: what is wrong with them, in words.

`check_space` and `check_unit` return nothing where all is well. They hold for what ships too.
"""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import replace
from typing import Any

from nas.architecture import Architecture, HeadSpec, StemSpec, UnitSpec
from nas.errors import SpaceError, nearest
from nas.space import Gene, Genes, SearchSpace
from nas.unit_contract import check_unit
from search_spaces.published import PUBLISHED

__all__ = ["check_space", "check_unit"]

SMALL, WIDE = (3, 64, 64), (1, 64, 96)
CLASSES = 7


def check_space(space: SearchSpace | type[SearchSpace], *, draws: int = 50, seed: int = 0) -> None:
    """Check the whole contract of a search space (see `nas.space.SearchSpace`).

    `draws` random networks are decoded, found again and built on the meta device; those of an
    instance are its own, those of a class at the default arguments.

    Raises:
        SpaceError: the first thing that is wrong: where, the rule, what was got, what is allowed.
    """
    cls = space if isinstance(space, type) else type(space)
    if not issubclass(cls, SearchSpace):
        raise SpaceError(
            f"space {cls.__name__}: must extend nas.SearchSpace; got {cls.__mro__[1:]}; allowed: "
            f"class {cls.__name__}(SearchSpace)"
        )
    where = f"space {cls.__name__}"
    _check_names(where, cls)
    fresh = _made(where, cls)
    found = fresh if isinstance(space, type) else space
    _check_genes(where, found)
    if fresh.fingerprint != _made(where, cls).fingerprint:
        raise SpaceError(
            f"{where}, genes: must be the same for every instance; got another fingerprint for "
            "the second; allowed: options in a fixed order, nothing random, no sets"
        )
    _check_arguments(where, cls, seed)
    rng = random.Random(seed)
    built: set[str] = set()
    for number in range(draws):
        genes = found.sample(rng)
        architecture = _check_draw(where, found, genes)
        if architecture.fingerprint not in built:
            built.add(architecture.fingerprint)
            _check_builds(where, genes, architecture)
        if number == 0:
            _check_refusals(where, found, genes)
            _check_foreign(where, found, architecture)


def _check_names(where: str, cls: type[SearchSpace]) -> None:
    name = getattr(cls, "name", None)
    if not isinstance(name, str) or not name:
        raise SpaceError(
            f"{where}, name: must be a class attribute; got {name!r}; allowed: name = 'my_space'"
        )
    for start in cls.starts:
        if start not in PUBLISHED:
            raise SpaceError(
                f"{where}, starts: must name published networks; got {start!r}; allowed: "
                f"{nearest(start, PUBLISHED)}"
            )


def _made(where: str, cls: type[SearchSpace], **arguments: Any) -> SearchSpace:
    try:
        return cls(**arguments)
    except TypeError as error:
        rule = (
            "must take input and classes as keyword arguments"
            if arguments
            else "must define genes, decode and encode, and have a default for every argument"
        )
        raise SpaceError(
            f"{where}: {rule}; got TypeError: {error}; allowed: def __init__(self, *, "
            "input=(3, 224, 224), classes=1000)"
        ) from error


def _check_genes(where: str, space: SearchSpace) -> None:
    genes = space.genes
    if not isinstance(genes, tuple) or not all(isinstance(gene, Gene) for gene in genes):
        raise SpaceError(f"{where}, genes: must be a tuple of nas.Gene; got {genes!r}")
    names = [gene.name for gene in genes]
    double = sorted({name for name in names if names.count(name) > 1})
    if double or not names:
        raise SpaceError(
            f"{where}, genes: must have names of their own; got {', '.join(double) or 'none'} "
            f"{'more than once' if double else 'at all'}; allowed: one or more, each name once"
        )
    for gene in genes:
        for option in gene.options:
            if not isinstance(option, str | int | float):
                raise SpaceError(
                    f"{where}, gene {gene.name}: options must be flat; got {option!r}; allowed: "
                    "text and numbers; give each part of a tuple a gene of its own"
                )
    if genes != space.genes:
        raise SpaceError(f"{where}, genes: must be the same each time; got {space.genes!r}")


def _check_arguments(where: str, cls: type[SearchSpace], seed: int) -> None:
    """Input and classes given by a study's data reach the networks."""
    shapes = []
    for input in (SMALL, WIDE):
        space = _made(where, cls, input=input, classes=CLASSES)
        network = _decoded(where, space, space.sample(random.Random(seed)))
        if network.classes != CLASSES:
            raise SpaceError(
                f"{where}, decode: must keep the classes given; got {network.classes} where "
                f"{CLASSES} were given; allowed: self.classes"
            )
        shapes.append(network.input)
        if network.input[0] != input[0] or space.input != input:
            break
    if [shape[0] for shape in shapes] != [SMALL[0], WIDE[0]] or shapes[0][1:] == shapes[1][1:]:
        raise SpaceError(
            f"{where}, decode: must keep the input given; got {shapes[-1]} where "
            f"{(SMALL, WIDE)[len(shapes) - 1]} was given; allowed: self.input"
        )


def _decoded(where: str, space: SearchSpace, genes: Genes) -> Architecture:
    try:
        network = space.decode(genes)
    except Exception as error:
        raise SpaceError(
            f"{where}, decode: must give a network for every combination of genes; got "
            f"{type(error).__name__}: {error}, for {genes}; allowed: widths and groups that fit, "
            "rounded if need be"
        ) from error
    if not isinstance(network, Architecture):
        raise SpaceError(
            f"{where}, decode: must give a nas.Architecture; got {type(network).__name__}"
        )
    return network


def _check_draw(where: str, space: SearchSpace, genes: Genes) -> Architecture:
    network = _decoded(where, space, dict(genes))
    if _decoded(where, space, dict(genes)) != network:
        raise SpaceError(
            f"{where}, decode: must give one network for one set of genes; got two for {genes}; "
            "allowed: nothing random"
        )
    try:
        again = space.encode(network)
        space.validate(again)
        found = space.decode(again)
    except Exception as error:
        raise SpaceError(
            f"{where}, encode: must find genes of every network that decode gives; got "
            f"{type(error).__name__}: {error}, for the network of {genes}"
        ) from error
    if found != network:
        raise SpaceError(
            f"{where}: decode(encode(network)) must be the network; got {found.text} from "
            f"{again} where {network.text} came from {genes}; allowed: genes without effect may "
            "differ, the network may not"
        )
    return network


def _check_builds(where: str, genes: Genes, architecture: Architecture) -> None:
    import torch

    from nas.network import build

    try:
        with torch.device("meta"):
            made = build(architecture).eval()(torch.empty(1, *architecture.input)).shape
    except Exception as error:
        raise SpaceError(
            f"{where}: every network must build and run; got {type(error).__name__}: {error}, for "
            f"{genes}; allowed: try nas.build(space.decode(genes)); check_unit for own units"
        ) from error
    if made != (1, architecture.classes):
        raise SpaceError(
            f"{where}: every network must give one number a class; got {tuple(made)} for {genes}; "
            f"allowed: {(1, architecture.classes)}"
        )


def _check_refusals(where: str, space: SearchSpace, genes: Genes) -> None:
    first = space.genes[0].name
    missing = {name: value for name, value in genes.items() if name != first}
    wrong = {"without a gene": missing, "with an unknown option": {**genes, first: "no option"}}
    for what, given in wrong.items():
        try:
            space.decode(given)
        except SpaceError:
            continue
        except Exception as error:
            got = f"{type(error).__name__}: {error}"
        else:
            got = "a network"
        raise SpaceError(
            f"{where}, decode: must refuse genes {what} with a SpaceError; got {got}; allowed: "
            "self.validate(genes) as the first line"
        )


def _check_foreign(where: str, space: SearchSpace, own: Architecture) -> None:
    """`encode` of a network that is elsewhere: a study asks this of the networks it starts from."""
    stem = StemSpec(13, stride=1, pool=False)
    other = Architecture(own.input, stem, (UnitSpec("vgg", 17),), HeadSpec(), own.classes)
    for foreign in (other, replace(own, classes=own.classes + 1)):
        try:
            found = space.encode(foreign)
        except SpaceError:
            continue
        except Exception as error:
            got = f"{type(error).__name__}: {error}"
        else:
            got = f"{found} for {foreign.text}"
            with suppress(SpaceError):
                if space.decode(found) == foreign:
                    continue
        raise SpaceError(
            f"{where}, encode: must refuse a network that is not in the space with a SpaceError; "
            f"got {got}; allowed: compare decode(genes) with the network before genes are given"
        )
