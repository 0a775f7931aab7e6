"""nas status, ui: studies that are there."""

from __future__ import annotations

from argparse import Namespace

from nas.commands.words import command, only_study


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
        first = next((one for one in found if one.state == "stopped"), found[-1])
        show(status_table(found))
        commands = [(command("status", first.name, folder), "one of them in detail")]
    else:
        (first,) = found
        show(study_table(first))
        commands = []
    if first.state == "stopped":
        commands.append((command("resume", first.name, folder), "go on with it"))
    elif first.state == "finished":
        more = f"study.trials={2 * first.trials}"
        commands.append((command("resume", first.name, folder, more), "search on"))
    commands.append((command("ui", first.name, folder), "every trial in the MLflow UI"))
    show(following(commands))
    return 0


def ui(arguments: Namespace) -> int:
    """Serve the MLflow UI until it is interrupted."""
    from nas.tables import facts, forms
    from nas.terminal import show
    from nas.tracking import serve

    name, folder = only_study("ui", arguments.overrides)
    with serve(folder, study=name, port=arguments.port, uri=arguments.uri) as server:
        what = f"the runs of {name}" if name else "all experiments"
        # The address is printed whole: a line that is broken cannot be opened.
        show(forms([(what, server.address(name))]))
        show(facts([("note", server.note), ("next", "open the address; Ctrl-C here ends it")]))
        return server.wait()
