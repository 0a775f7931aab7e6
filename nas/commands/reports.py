"""nas report: a study as a page that needs nothing else, or two of one target side by side."""

from __future__ import annotations

from argparse import Namespace

from nas.commands.words import FOLDER, command, divided
from nas.errors import InputError, SettingsError


def report(arguments: Namespace) -> int:
    """Write the report of one study, or the comparison of two."""
    from nas.report import write_comparison, write_report
    from nas.tables import facts, following, forms
    from nas.terminal import show, show_json

    names, folder, others = divided(arguments.overrides)
    if others:
        raise SettingsError(
            f"nas report: takes no settings but {FOLDER}; got {others[0]!r}; allowed: "
            f"nas report STUDY {FOLDER}=DIR"
        )
    if len(names) not in (1, 2):
        raise InputError(
            f"nas report: takes one study, or two to compare; got {len(names) or 'none'}; allowed: "
            "nas report STUDY [STUDY]; nas status lists the studies"
        )
    studies = [folder / name for name in names]
    if len(studies) == 2:
        written = write_comparison(studies[0], studies[1], to=arguments.to)
    else:
        written = write_report(studies[0], to=arguments.to)
    if arguments.json:
        show_json(
            {
                "study": names,
                "page": str(written.page),
                "figures": [str(figure) for figure in written.figures],
            }
        )
        return 0
    # The path is printed whole: a line that is broken cannot be opened.
    show(forms([("report", str(written.page))]))
    show(facts([("figures", f"{len(written.figures)} PNG files beside it")]))
    status = (command("status", names[0], folder), "the same in short, here")
    show(following([status]))
    return 0
