"""Where the time of one call goes: convolution, element by element, shuffle, data movement.

The parts are those of ShuffleNet V2, figure 2, as far as a runtime tells them apart: what it fuses
into a convolution (normalisation, activation) counts as convolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from nas.architecture import Architecture
from nas.errors import MeasurementError
from nas.latency.measuring import alone
from nas.latency.process import start
from nas.latency.runtimes import prepare
from nas.latency.subject import Subject, subject
from nas.latency.target import Target

CALLS = 50


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


PARTS: dict[str, frozenset[str]] = {
    "convolution": _names(
        """conv fusedconv qlinearconv gemm fusedgemm matmul conv2d _convolution convolution
        mkldnn_convolution thnn_conv2d _slow_conv2d_forward linear addmm mm"""
    ),
    "element-wise": _names(
        """add mul sub div relu clip batchnormalization sigmoid hardsigmoid hardswish softmax relu_
        add_ mul_ batch_norm native_batch_norm _batch_norm_impl_index hardtanh hardtanh_ hardswish_
        clamp clamp_min clamp_min_ clamp_max_ sigmoid_ identity
        _native_batch_norm_legit_no_training"""
    ),
    "shuffle": _names(
        """transpose reshape gather permute view _reshape_alias unflatten flatten squeeze unsqueeze
        channel_shuffle"""
    ),
    "data movement": _names(
        """concat split slice cast reorderinput reorderoutput cat narrow chunk copy_ contiguous
        clone _to_copy to empty empty_strided empty_like as_strided as_strided_ select resize_
        resolve_conj resolve_neg expand pad"""
    ),
}
"""What a runtime calls its operators, in small letters. ShuffleNet v2 shuffles and splits at once
by taking every second channel: that is a slice, and counts as data movement."""

POOLING = "pooling and the rest"


@dataclass(frozen=True)
class Profile:
    """The time of a call by part.

    Units: shares add up to 1; `operator_us` in microseconds of a call, the largest first.
    """

    name: str
    target: str
    shares: dict[str, float]
    operator_us: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def profile(network: Architecture | Subject, target: Target, *, calls: int = CALLS) -> Profile:
    """Profile a network in a process of its own.

    Raises:
        MeasurementError: the target does not tell its operators, or cannot take the network.
    """
    one = subject(network)
    if target.reach.kind == "command":
        raise MeasurementError(
            "profile: a user's program tells whole calls only; got target.where=command; "
            "allowed: local, ssh, dask"
        )
    if target.device != "cpu":
        raise MeasurementError(
            "profile: tells the CPU time of operators, which says nothing of a GPU's; got "
            f"target.device={target.device}; allowed: cpu"
        )
    prepared = prepare(one, target)
    worker = start(
        target.reach,
        threads=target.threads,
        device=target.device,
        pin=target.threads == 1,
        runtime=target.runtime,
    )
    request = {
        "do": "profile",
        "runtime": target.runtime,
        "shape": prepared.shape,
        "seed": prepared.seed,
        "calls": calls,
        "channels_last": target.memory_format == "channels_last",
        "dtype": target.dtype,
        "cuda_graphs": False,
    }
    try:
        with alone(target):
            reply = worker.ask(request, content=prepared.content, seconds=300.0)
    finally:
        worker.close()
    operators: dict[str, float] = reply["operators"]
    largest = sorted(operators.items(), key=lambda item: -item[1])
    return Profile(
        one.name, target.key, shares(operators), {name: ns / 1e3 for name, ns in largest}
    )


def shares(operators: Mapping[str, float]) -> dict[str, float]:
    """The share of each part in the time of these operators."""
    found = dict.fromkeys([*PARTS, POOLING], 0.0)
    for name, ns in operators.items():
        plain = name.rpartition("::")[2].lower()
        part = next((part for part, names in PARTS.items() if plain in names), POOLING)
        found[part] += ns
    total = sum(found.values())
    if total <= 0:
        raise MeasurementError(
            "profile: must find operators that take time; got none; allowed: another runtime"
        )
    return {part: ns / total for part, ns in found.items()}
