"""nas status, track, ui: studies that are there."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from nas.commands.onward import onward, shown
from nas.commands.words import command, only_study
from nas.errors import InputError

if TYPE_CHECKING:
    from nas.result import StudyStatus


def status(arguments: Namespace) -> int:
    """How one study, or all of them, stand."""
    from nas.status import status as read
    from nas.tables import following, status_table, study_table
    from nas.terminal import show, show_json

    name, folder = only_study("status", arguments.overrides)
    found = read(folder, name)
    if arguments.json:
        show_json(found)
        return 0
    if not found:
        show(f"no studies in {folder} yet", following([("nas search", "start one")]))
        return 0
    if name is None:
        whole = [one for one in found if one.state != "damaged"]
        first = next((one for one in whole if one.state == "stopped"), (whole or found)[-1])
        show(status_table(found))
        commands = [(command("status", first.name, folder), "one of them in detail")]
    else:
        (first,) = found
        show(study_table(first))
        commands = []
    commands += _onward(first, folder)
    show(following(commands))
    return 0


def _onward(study: StudyStatus, folder: Path) -> list[tuple[str, str]]:
    """How a study goes on, and where its trials can be seen."""
    if study.state == "damaged":
        return []
    from nas.settings.stored import read
    from nas.tracking.stored import ending

    settings = read(Path(study.folder) / "settings.yaml")
    see = shown(study.name, folder, settings)
    if study.state in ("live", "waiting"):
        return [see]
    reason = "finished"
    if study.state == "stopped":
        reason, _ = ending(Path(study.folder)) or ("signal", "")
    return [*onward(study.name, folder, settings, reason=reason, counts=study.counts), see]


def track(arguments: Namespace) -> int:
    """Write into MLflow whatever of a study is missing there."""
    from nas.tables import facts, following
    from nas.terminal import show, show_json
    from nas.tracking.stored import track_stored

    name, folder = only_study("track", arguments.overrides)
    if name is None:
        raise InputError(
            "nas track: takes one study; got none; allowed: nas track STUDY; nas status lists the "
            "studies"
        )
    done = track_stored(name, folder=folder, uri=arguments.to)
    if arguments.json:
        show_json(done)
        return 0
    rows = [
        ("study", name),
        ("MLflow", done.uri),
        ("written", f"{done.written} runs: the study's own and one a trial"),
        ("there already", f"{done.whole} runs"),
    ]
    where = ["--uri", arguments.to] if arguments.to else []
    see = (command("ui", name, folder, *where), "every trial in the MLflow UI")
    show(facts(rows), following([see]))
    return 0


def ui(arguments: Namespace) -> int:
    """Serve the MLflow UI until it is interrupted."""
    from nas.commands.browser import opened
    from nas.tables import facts, forms
    from nas.terminal import show, show_json
    from nas.tracking import serve

    name, folder = only_study("ui", arguments.overrides)
    with serve(folder, study=name, port=arguments.port, uri=arguments.uri) as server:
        address = server.address(name)
        if arguments.json:
            show_json({"study": name, "address": address, "note": server.note})
            sys.stdout.flush()
            return server.wait()
        # The address is printed whole: a line that is broken cannot be opened.
        show(forms([(f"the runs of {name}" if name else "all experiments", address)]))
        seen = not arguments.no_browser and sys.stdout.isatty() and opened(address)
        what = "it is open in your browser" if seen else "open the address"
        show(facts([("note", server.note), ("next", f"{what}; Ctrl-C here ends it")]))
        return server.wait()
