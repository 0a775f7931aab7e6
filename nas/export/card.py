"""The README of an exported model: what it is, how good, how fast, and what is not known."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, stdev

from nas.export.folder import Manifest
from nas.outcome import Certificate, Latency

SAYS = {
    "model.onnx": "ONNX for one image, constant shapes only: the one to deploy",
    "model_any_batch.onnx": "ONNX for any number of images",
    "model.pt2": "program of torch.export for any number of images",
    "model.safetensors": "weights, with batch normalisation, for `nas.load`",
    "architecture.json": "the network",
    "labels.txt": "one class a line, in the order of the outputs",
    "preprocess.json": "from an image file to an input",
    "golden.npz": "images with the inputs and outputs they have to give",
    "model.json": "all of this for programs, with the SHA-256 of each file",
}


def card(found: Manifest, *, labels: tuple[str, ...], own: Sequence[str] = ()) -> str:
    """The text of the README; `own` names the files of units of the user's own."""
    inputs = found.preprocess
    shape = f"{inputs.channels}x{inputs.height}x{inputs.width}"
    shown = ", ".join(labels[:10]) + (f", and {len(labels) - 10} more" if len(labels) > 10 else "")
    pixels = (
        "Its graphs take pixels 0..255 as float32 and normalise them themselves."
        if inputs.inside
        else "Its graphs take normalised images."
    )
    said = {**SAYS, **dict.fromkeys(own, "code of the network's own units")}
    files = "\n".join(f"| `{name}` | {says} |" for name, says in said.items())
    code = f"; the code in {', '.join(own)} is run" if own else ""
    return f"""\
# {found.name}

An image classifier: {shape} ({inputs.channel_order}) to {len(labels)} classes ({shown}).

```text
{found.text}
```

{_costs(found)}

## Accuracy

{_accuracy(found)}

## Latency

{_latency(found)}

## Use

{pixels} `preprocess.json` says how an image becomes an input, `labels.txt` what the outputs are.

```sh
nas verify .
```

checks on any machine that the outputs, the accuracy and the latency are those told here. From
Python, `nas.load(".")` gives the torch module; nothing in this folder is ever unpickled{code}.

| file | what it is |
|---|---|
{files}

## Limits

- Judged on images of {found.data_name} alone; on other images it may be worse by any amount.
- Outputs are logits. They are not calibrated: a softmax of them is no probability.
- Latencies hold for the target named above, and there for this runtime.

## Origin

{_origin(found)}
"""


def _costs(found: Manifest) -> str:
    counted = found.costs
    return (
        f"{counted['multiply_adds']:,} multiply-adds (the papers' FLOPs), "
        f"{counted['parameters']:,} parameters."
    )


def _accuracy(found: Manifest) -> str:
    words = (
        f"{100 * found.test_accuracy:.2f} % of {found.test_images} test images of "
        f"{found.data_name} ({found.data_hash}); 95 % interval {100 * found.test_low:.2f} to "
        f"{100 * found.test_high:.2f} % (Wilson: the luck of these images"
    )
    words += ", not that of the training).\n"
    if len(found.seed_tests) > 1:
        spread = f"{100 * mean(found.seed_tests):.2f} +- {100 * stdev(found.seed_tests):.2f} %"
        words += (
            f"\nThe same training with {len(found.seed_tests)} seeds, of which this is the first, "
            f"had {spread} (mean and deviation, {found.metric.replace('_', ' ')} on the same "
            "images).\n"
        )
    else:
        words += "\nOne training with one seed.\n"
    if found.validation_accuracy is not None:
        words += (
            f"\nOn the validation images, by which it was chosen: "
            f"{100 * found.validation_accuracy:.2f} %.\n"
        )
    if found.epochs is not None:
        words += f"\nTrained for {found.epochs} epochs.\n"
    return words.rstrip()


def _latency(found: Manifest) -> str:
    certified = f"\n\n{_certified(found.certificate, found)}" if found.certificate else ""
    if not found.latencies:
        return f"The files were not measured (`--no-latency`).{certified}"
    rows = "\n".join(
        f"| `{name}` | {one.target} | {_milliseconds(one)} | {one.ratio:.3f} | "
        f"{found.differences[name]:.1e} |"
        for name, one in found.latencies.items()
    )
    return (
        f"Of one call with one image, with a 95 % interval meant for another run; the ratio is to "
        f"{found.reference} for the same images, measured right beside it. The last column is the "
        "largest difference of an output from torch's.\n\n"
        "| file | target | ms | ratio | difference |\n|---|---|---|---|---|\n" + rows + certified
    )


def _certified(one: Certificate, found: Manifest) -> str:
    """What the study found at its end, before anything was exported."""
    load = (
        f" After {one.sustained_seconds:g} s of load a call took {one.sustained_ms:.3g} ms"
        f"{'' if one.sustained_within else ', over its limit'}."
        if one.sustained_seconds
        else ""
    )
    verdict = f" Its limit: {one.verdict}." if one.verdict else ""
    return (
        f"Certified at the end of the study {found.study}, in fresh processes on "
        f"`{one.latency.target}`: {_milliseconds(one.latency)} ms, {one.latency.ratio:.3f} of "
        f"{found.reference}. Of single calls half took up to {one.p50_ms:.3g} ms, 95 % "
        f"{one.p95_ms:.3g}, 99 % {one.p99_ms:.3g}, the first in a fresh process {one.cold_ms:.3g}."
        f"{load}{verdict}"
    )


def _milliseconds(one: Latency) -> str:
    star = "" if one.status == "RESOLVED" else " (not resolved)"
    return f"{one.ms:.3g} ({one.low:.3g}-{one.high:.3g}){star}"


def _origin(found: Manifest) -> str:
    lines = [f"Network: `{found.source}`, fingerprint `{found.fingerprint}`."]
    if found.study:
        lines.append(f"Found as trial {found.trial} of the study {found.study}.")
    lines.append("Made by:")
    versions = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    return "\n".join(lines) + f"\n\n```sh\n{found.command}\n```\n\nwith {versions}."
