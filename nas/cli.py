"""`nas`: the verbs, their flags, and how they end.

argparse owns verbs and flags; everything of the form KEY=VALUE is a setting and goes to
`nas.settings.compose`. A verb imports what it needs when it runs, so that `nas --help` is quick.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import nas
from nas.commands import (
    exporting,
    guidelines,
    networks,
    repeats,
    reports,
    searching,
    spaces,
    studies,
    winners,
)
from nas.commands import latency as timing
from nas.errors import InputError, NasError, nearest
from nas.masking import masked

USAGE, FAILED, INTERRUPTED, CLOSED = 2, 1, 130, 141

EXAMPLES = """\
a first search, on images that come with the installation:
  nas search
your own limit, as a number or as a network it must not be slower than:
  nas search objective.latency_ms=0.2 study.trials=50
  nas search objective.latency_of=shufflenet_v2_x0_5
one commented file to start from:
  nas init
"""


class _Parser(argparse.ArgumentParser):
    """Mistakes become this project's messages."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{self.prog}: {message}; allowed: {self.prog} --help shows it")


def parser() -> argparse.ArgumentParser:
    """All verbs and flags."""
    made = _Parser(
        prog="nas",
        description="Search for networks that keep a latency limit on a device you own.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("--version", action="version", version=f"latency-nas {nas.__version__}")
    verbs = made.add_subparsers(title="verbs", dest="verb", metavar="VERB")
    search = _verb(verbs, "search", searching.search, "search for networks within the limits")
    _words(search, "override", "KEY=VALUE, GROUP=OPTION, or the file that nas init writes")
    _composing(search)
    search.add_argument("--cfg", "-c", choices=["job"], help="print the settings, run nothing")
    search.add_argument("--multirun", "-m", action="store_true", help="a study for each of A,B,...")
    search.add_argument("--dry-run", action="store_true", help="what it would do, take and cost")
    resume = _verb(verbs, "resume", searching.resume, "go on with a study")
    _words(resume, "word", "STUDY and overrides, such as study.trials=40")
    status = _verb(verbs, "status", studies.status, "how studies stand")
    _words(status, "word", "STUDY (all without one), study.folder=DIR")
    again = _verb(verbs, "repeat", repeats.repeat, "do a trial again from its MLflow run")
    _words(again, "word", "RUN_ID, study.folder=DIR")
    again.add_argument("--uri", help="another MLflow store, as tracking.uri")
    report = _verb(verbs, "report", reports.report, "a study as one page, or two side by side")
    _words(report, "word", "STUDY, or two of one target; study.folder=DIR")
    report.add_argument("--to", type=Path, metavar="DIR", help="another folder for its files")
    track = _verb(verbs, "track", studies.track, "write what MLflow lacks of a study into it")
    _words(track, "word", "STUDY, study.folder=DIR")
    track.add_argument("--to", metavar="URI", help="another MLflow store, as tracking.uri")
    ui = _verb(verbs, "ui", studies.ui, "look at studies in the MLflow UI")
    _words(ui, "word", "STUDY (all without one), study.folder=DIR")
    ui.add_argument("--port", type=int, default=5000, help="port on 127.0.0.1 (5000)")
    ui.add_argument("--uri", help="another MLflow store, as tracking.uri")
    ui.add_argument("--no-browser", action="store_true", help="print the address alone")
    space = _verb(verbs, "space", spaces.space, "genes, size and costs of a search space")
    _words(space, "word", "NAME of a space and overrides, such as data=digits")
    _composing(space)
    published = _verb(verbs, "networks", networks.networks, "published networks, or one's layers")
    _words(published, "word", "NAME of a network (all published ones without)")
    _images(published)
    latency = _verb(verbs, "latency", timing.latency, "measure networks side by side")
    _words(latency, "word", "networks, and overrides of the target, such as target=eager")
    _images(latency)
    _composing(latency)
    latency.add_argument("--compare", metavar="A,B", help="runtimes, and how their ranks agree")
    latency.add_argument("--profile", action="store_true", help="where the time of a call goes")
    latency.add_argument("--table", metavar="SPACE", help="predict from the space's block times")
    rules = _verb(verbs, "guidelines", guidelines.guidelines, "ShuffleNet V2's, measured here")
    _words(rules, "word", "G1 G2 G3 G4 (all without), and overrides of the target")
    _composing(rules)
    rules.add_argument("--to", type=Path, metavar="FILE.png", help="the figure's file")
    rules.add_argument(
        "--column", choices=("arm", "gpu"), help="channels of this column of the paper (the device)"
    )
    train = _verb(verbs, "train", winners.train, "train a network, or a winner, to the end")
    _words(train, "word", "NETWORK or STUDY[:TRIAL], and overrides such as training.epochs=100")
    train.add_argument("--tag", metavar="KEY=VALUE", help="the runs so marked in the MLflow UI")
    train.add_argument("--weights", type=Path, metavar="FILE", help="what it starts from")
    train.add_argument(
        "--processes", type=int, default=1, metavar="N", help="that train together, one a GPU (1)"
    )
    _composing(train)
    export = _verb(verbs, "export", exporting.export, "write a trained network as files to deploy")
    _words(export, "word", "NETWORK or STUDY[:TRIAL], and overrides such as target=openvino")
    export.add_argument("--to", type=Path, metavar="DIR", help="a new or empty folder")
    export.add_argument("--weights", type=Path, metavar="FILE", help="instead of those found")
    export.add_argument(
        "--normalise-inside", action="store_true", help="the graphs take pixels 0..255"
    )
    export.add_argument("--no-latency", action="store_true", help="do not measure the files")
    export.add_argument(
        "--register", nargs="?", const="", metavar="NAME", help="also in MLflow's model registry"
    )
    export.add_argument("--alias", default="candidate", help="of the registered version")
    _composing(export)
    verify = _verb(verbs, "verify", exporting.verify, "check an exported folder again, anywhere")
    _words(verify, "word", "DIR, and overrides of the target")
    verify.add_argument("--data", type=Path, metavar="PATH", help="where the images are here")
    verify.add_argument("--no-latency", action="store_true", help="outputs and accuracy alone")
    _composing(verify)
    init = _verb(verbs, "init", searching.init, "write a commented search.yaml")
    init.add_argument("file", nargs="?", default="search.yaml", help="its name (search.yaml)")
    return made


def _verb(
    verbs: argparse._SubParsersAction[_Parser], name: str, run: object, purpose: str
) -> argparse.ArgumentParser:
    made = verbs.add_parser(name, help=purpose, description=purpose, allow_abbrev=False)
    made.set_defaults(run=run)
    made.add_argument("--debug", action="store_true", help="show where an error comes from")
    made.add_argument("--json", action="store_true", help="print JSON and nothing else")
    return made


def _words(made: argparse.ArgumentParser, metavar: str, purpose: str) -> None:
    made.add_argument("overrides", nargs="*", metavar=metavar.upper(), help=purpose)


def _composing(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--config-dir", "-cd", type=Path, metavar="DIR", help="a folder with groups of your own"
    )


def _images(made: argparse.ArgumentParser) -> None:
    made.add_argument("--input", metavar="CxHxW", help="images (3x224x224)")
    made.add_argument("--classes", type=int, metavar="N", help="classes (1000)")


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    """The arguments; overrides and flags may come in any order.

    Raises:
        InputError: an unknown verb or flag, the nearest first.
    """
    made = parser()
    verbs = next(a for a in made._actions if isinstance(a, argparse._SubParsersAction)).choices
    first = next((word for word in words if not word.startswith("-")), None)
    if first is not None and first not in verbs:
        raise InputError(
            f"nas: must be followed by a verb; got {first!r}; allowed: {nearest(first, verbs)}"
        )
    arguments, others = made.parse_known_args(words)
    for word in others:
        if word.startswith("-") or not hasattr(arguments, "overrides"):
            flags = [f for a in verbs[arguments.verb]._actions for f in a.option_strings]
            raise InputError(
                f"nas {arguments.verb}: has no such argument; got {word!r}; "
                f"allowed: {nearest(word, [f for f in flags if f.startswith('--')])}"
            )
        arguments.overrides.append(word)
    arguments.command = shlex.join(["nas", *words])
    return arguments


def main(words: Sequence[str] | None = None) -> int:
    """Run a verb; returns the exit status.

    0 done, 1 failed, 2 a mistake in what was typed, 128 + the number of the signal that stopped it.
    """
    words = sys.argv[1:] if words is None else list(words)
    debug = "--debug" in words
    try:
        arguments = _parsed(words)
        if arguments.verb is None:
            parser().print_help()
            return USAGE
        status = int(arguments.run(arguments))
        # Here, not when the interpreter ends: a reader that is gone is told of here.
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # The interpreter flushes once more when it ends: give it somewhere to write to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED
    except KeyboardInterrupt as error:
        return _told(error, "stopped by Ctrl-C", INTERRUPTED, debug, mark="")
    except NasError as error:
        return _told(error, str(error), USAGE if isinstance(error, InputError) else FAILED, debug)
    except OSError as error:
        return _told(error, _of_system(error), FAILED, debug)
    # The last one: a mistake of ours must not greet a user with a traceback either.
    except Exception as error:
        said = f"{type(error).__name__}: {error} (a mistake in latency-nas; --debug shows where)"
        return _told(error, said, FAILED, debug)


def _told(
    error: BaseException, message: str, status: int, debug: bool, *, mark: str = "error: "
) -> int:
    whole = "".join(traceback.format_exception(error)).rstrip()
    lines = [whole] if debug else [f"{mark}{message}", *getattr(error, "__notes__", ())]
    print(masked("\n".join(lines)), file=sys.stderr)
    return status


def _of_system(error: OSError) -> str:
    """What the operating system refused, in this project's words."""
    where = error.filename or "the system"
    return (
        f"{where}: must be readable and writable; got {error.strerror or error}; allowed: another "
        "folder (study.folder=DIR), more room, or other permissions"
    )


if __name__ == "__main__":
    sys.exit(main())
