"""nas search, resume, init: a study from the command line."""

from __future__ import annotations

import contextlib
import shlex
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nas.commands.onward import onward, shown
from nas.commands.words import FOLDER, command, divided
from nas.errors import InputError, NasError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from nas.display import Display
    from nas.result import SearchResult
    from nas.settings import Settings

Failed = NasError | OSError | MemoryError
FAILURES = (NasError, OSError, MemoryError)
"""What ends one study and leaves the next of a sweep its chance."""

FAILED = 1
SIGNALLED = 128
"""Plus the number of the signal: the exit status shells give to a stopped program."""


def search(arguments: Namespace) -> int:
    """Compose the settings and run them: print, probe, one study or a sweep of them."""
    from nas.settings.compose import compose, sweep, text

    words, config_dir = arguments.overrides, arguments.config_dir
    if arguments.multirun:
        # All of them first: a typing mistake must not show after the third study.
        runs = [
            (one, compose(one, config_dir=config_dir))
            for one in sweep(words, config_dir=config_dir)
        ]
        if not arguments.cfg and not arguments.dry_run:
            return _sweep(runs, arguments)
        raise InputError(
            f"nas search --multirun: cannot go with {'--cfg' if arguments.cfg else '--dry-run'}; "
            "got both; allowed: one of them"
        )
    if arguments.cfg:
        sys.stdout.write(text(words, config_dir=config_dir))
        return 0
    settings = compose(words, config_dir=config_dir)
    return _probe(settings, arguments) if arguments.dry_run else _one(settings, arguments)


def _one(settings: Settings, arguments: Namespace) -> int:
    from nas.session import start

    result = _watched(
        lambda display: start(settings, command=arguments.command, listeners=[display]), arguments
    )
    return _end(result, arguments)


def _watched(run: Callable[[Display], SearchResult], arguments: Namespace) -> SearchResult:
    """Run with a display; whatever ends a study that has begun tells how to go on."""
    from nas.display import Display
    from nas.terminal import console

    # JSON has standard output for itself.
    display = Display(console(errors=arguments.json))
    try:
        return run(display)
    except (*FAILURES, KeyboardInterrupt) as error:
        if display.study:
            path = Path(display.study.folder)
            error.add_note(
                "what was found so far is kept; go on with: "
                + command("resume", path.name, path.parent)
            )
        raise


def _end(result: SearchResult, arguments: Namespace) -> int:
    """Show a result; the exit status says how the study ended."""
    if result.signal is not None:
        # The signal may have come because the terminal went away.
        with contextlib.suppress(OSError):
            _show(result, arguments)
        return SIGNALLED + result.signal
    _show(result, arguments)
    return FAILED if result.reason in ("failures", "error") else 0


def _show(result: SearchResult, arguments: Namespace) -> None:
    from nas.final_table import search_table
    from nas.tables import following, span, told
    from nas.terminal import show, show_json

    if arguments.json:
        show_json(result)
    else:
        if result.winners or result.reference or result.broken:
            show("", search_table(result))
        ended = f"study {result.study}: {result.counts.evaluated} evaluated, {told(result.counts)}"
        show("", f"{ended}, in {span(result.seconds)}")
        if result.report:
            show(f"report: {result.report}")
        if result.message:
            show(f"{result.reason}: {result.message}")
        for problem in result.problems:
            show(f"beside the study: {problem}")
        show(following(_next(result)))


def _next(result: SearchResult) -> list[tuple[str, str]]:
    from nas.settings.stored import read

    path = Path(result.folder)
    study, folder = path.name, path.parent
    settings = read(path / "settings.yaml")
    go_on = onward(study, folder, settings, reason=result.reason, counts=result.counts)
    see = shown(study, folder, settings)
    if result.reason not in ("finished", "exhausted"):
        return [*go_on, (command("status", study, folder), "how it stands"), see]
    commands = [see, *go_on]
    if result.winners and result.reference:
        commands.append((command("train", study, folder), "train the winner to the end"))
    if result.winners and result.reference and result.winners[0].outcome.latency:
        commands.append(
            (
                command("latency", study, folder, result.reference.name),
                "measure both once more",
            )
        )
    return commands


def _sweep(runs: list[tuple[list[str], Settings]], arguments: Namespace) -> int:
    """One study after another; one that fails is told, and the next runs."""
    from nas.session import start
    from nas.terminal import console, show, show_json

    told = console(errors=True)
    results: list[tuple[list[str], SearchResult | Failed]] = []
    for number, (words, settings) in enumerate(runs, start=1):
        told.print(f"study {number} of {len(runs)}: {shlex.join(words)}", soft_wrap=True)
        try:
            result = _watched(
                lambda display, settings=settings: start(  # type: ignore[misc]  # bound at once
                    settings, command=arguments.command, listeners=[display]
                ),
                arguments,
            )
        except FAILURES as error:
            told.print(f"study {number} of {len(runs)} failed: {_words(error)}", soft_wrap=True)
            results.append((words, error))
            continue
        results.append((words, result))
        if result.signal is not None:
            break
    if arguments.json:
        show_json([{"overrides": w, **_row(r)} for w, r in results])
    else:
        show(_sweep_table(results))
    signals = [r.signal for _, r in results if not isinstance(r, FAILURES) and r.signal]
    if signals:
        return SIGNALLED + signals[0]
    failed = [r for _, r in results if isinstance(r, FAILURES) or r.reason in ("failures", "error")]
    return FAILED if failed else 0


def _words(error: Failed) -> str:
    return str(error) or type(error).__name__  # a MemoryError has no words


def _row(result: SearchResult | Failed) -> dict[str, object]:
    if isinstance(result, FAILURES):
        return {"error": _words(result)}
    return {"result": result}


def _sweep_table(results: list[tuple[list[str], SearchResult | Failed]]) -> RenderableType:
    from nas.tables import interval, percent, table

    made = table("study", "overrides", "evaluated", "best", "latency, ms (95 %)", left=2)
    for words, result in results:
        if isinstance(result, FAILURES):
            made.add_row("failed", " ".join(words), "-", "-", "-")
            continue
        best = result.winners[0].outcome if result.winners else None
        accuracy = best.evaluation.accuracy if best and best.evaluation else None
        made.add_row(
            result.study,
            " ".join(words),
            str(result.counts.evaluated),
            percent(accuracy),
            interval(best.latency if best else None),
        )
    return made


def _probe(settings: Settings, arguments: Namespace) -> int:
    from nas.dry_run import dry_run
    from nas.tables import dry_run_table, following
    from nas.terminal import console, show, show_json

    console(errors=True).print("probing: counting, measuring and training a few candidates ...")
    found = dry_run(settings)
    if arguments.json:
        show_json(found)
    else:
        words = shlex.join(["nas", "search", *arguments.overrides])
        show(dry_run_table(found), following([(words, "run it")]))
    return 0


def resume(arguments: Namespace) -> int:
    """Go on with a study, for as long as it was told or as long as the overrides tell."""
    from nas.session import resume as go_on

    names, folder, overrides = divided(arguments.overrides)
    if len(names) != 1:
        raise InputError(
            f"nas resume: takes one study; got {' and '.join(names) or 'none'}; allowed: "
            f"nas resume STUDY [study.trials=40] [{FOLDER}=DIR]; nas status lists the studies"
        )
    result = _watched(
        lambda display: go_on(
            names[0], overrides, folder=folder, command=arguments.command, listeners=[display]
        ),
        arguments,
    )
    return _end(result, arguments)


def init(arguments: Namespace) -> int:
    """Write the one commented file of a search."""
    from nas.settings.search_file import SUFFIXES, TEMPLATE
    from nas.tables import facts, following
    from nas.terminal import show, show_json

    path = Path(arguments.file)
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"nas init: the file of a search ends in .yaml; got {str(path)!r}; allowed: "
            f"{path.with_suffix('.yaml')}"
        )
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE.format(name=path))
    except FileExistsError:
        raise InputError(
            f"nas init: writes a new file; got {str(path)!r}, which exists; allowed: another "
            "name, as in nas init mine.yaml"
        ) from None
    if arguments.json:
        show_json({"file": str(path)})
        return 0
    show(facts([("wrote", f"{path}: data, target and limit of a search, with comments")]))
    run = shlex.join(["nas", "search", str(path)])
    show(following([(f"{run} --dry-run", "what it would do and cost"), (run, "run it")]))
    return 0
