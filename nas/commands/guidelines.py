"""nas guidelines: ShuffleNet V2's four guidelines, measured on a target."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from nas.commands.words import divided
from nas.errors import InputError, nearest

if TYPE_CHECKING:
    from nas.guidelines import Finding, GuidelineReport

FIGURE = "guidelines.png"


def guidelines(arguments: Namespace) -> int:
    """Measure the guidelines; print a table, a line on each, and draw them."""
    from nas.guidelines import SENTENCES, figure, measure_guidelines
    from nas.latency.target import target_of
    from nas.settings.compose import compose
    from nas.terminal import console, show_json

    names, folder, overrides = divided(arguments.overrides)
    for name in names:
        if name not in SENTENCES:
            raise InputError(
                f"nas guidelines: must be one of the four; got {name!r}; "
                f"allowed: {nearest(name, SENTENCES)}"
            )
    target = target_of(compose(overrides, config_dir=arguments.config_dir).target)
    path = arguments.to or folder / FIGURE
    _writable(path)
    told = console(errors=True)
    told.print(f"measuring on {target.key}, a minute or two ...", soft_wrap=True)
    column = arguments.column or ("gpu" if target.device.startswith("cuda") else "arm")
    report = measure_guidelines(target, only=names or tuple(SENTENCES), column=column)
    path.write_bytes(figure(report))
    if arguments.json:
        show_json({**report.to_json(), "figure": str(path)})
    else:
        _show(report, path)
    return 0


def _writable(path: Path) -> None:
    """Raise before anything is measured rather than after it."""
    if path.suffix != ".png":
        raise InputError(
            f"nas guidelines --to: must name a PNG file; got {str(path)!r}; allowed: {FIGURE}"
        )
    path.parent.mkdir(parents=True, exist_ok=True)


def _show(report: GuidelineReport, path: Path) -> None:
    from nas.tables import amount, facts, following, table
    from nas.terminal import show

    made = table("set-up", "FLOPs", "memory", "ms", "slower here (95 %)", "GPU", "ARM")
    for finding in report.findings:
        for row in (one for one in report.rows if one.guideline == finding.guideline):
            made.add_row(
                f"{row.guideline} {row.label}",
                amount(row.multiply_adds),
                amount(row.memory_access),
                f"{row.latency.ms:.3g}",
                f"{row.slowdown:.2f} ({row.low:.2f}-{row.high:.2f})",
                f"{row.gpu_slowdown:.2f}",
                f"{row.arm_slowdown:.2f}",
            )
        made.add_section()
    show(made, "")
    for finding in report.findings:
        show(sentence(finding))
    notes = [f"{row.guideline} {row.label}: {row.note}" for row in report.rows if row.note]
    show("", *notes)
    show(
        "slower: time per multiply-add against the row the guideline calls good; GPU, ARM: the "
        "same from the speeds the paper prints (GTX 1080Ti, Snapdragon 810); memory: elements read "
        "and written, the paper's MAC",
        "",
        facts(
            [
                ("target", report.target),
                ("channels", f"{report.column} x1, the paper's"),
                ("figure", str(path)),
            ]
        ),
    )
    first = f"nas guidelines {report.findings[0].guideline} target=eager"
    show(following([(first, "the same in another runtime")]))


def sentence(finding: Finding) -> str:
    """Whether a guideline holds here, by how much, within which interval."""
    words = {"holds": "holds here", "does not hold": "does not hold here", "open": "is open here"}
    return (
        f"{finding.guideline} {words[finding.verdict]} ({finding.sentence}): {finding.label} takes "
        f"{finding.slowdown:.2f} x the time per multiply-add ({finding.low:.2f}-{finding.high:.2f})"
    )
