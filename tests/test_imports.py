"""Who may import whom, and what the quick commands must not pay for."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import nas

ROOT = Path(__file__).resolve().parents[1]

LAYERS = (
    ("nas.errors", "nas.masking", "nas.scheduler"),
    (
        "nas.settings",
        "nas.architecture",
        "nas.architecture_text",
        "nas.unit_rules",
        "nas.user_file",
        "nas.pareto",
        "nas.sketch",
    ),
    ("nas.outcome", "nas.events", "nas.units", "nas.space"),
    (
        "nas.network",
        "nas.threads",
        "nas.layer_cost",
        "nas.receptive_field",
        "nas.objective",
        "nas.result",
        "nas.quantities",
    ),
    ("nas.costs", "nas.data", "search_spaces", "nas.weights"),
    ("nas.latency", "nas.training"),
    (
        "nas.evaluation",
        "nas.samplers",
        "nas.execution",
        "nas.cluster_worker",
        "nas.cluster",
        "nas.workers",
        "nas.guideline_networks",
    ),
    ("nas.study", "nas.testing", "nas.unit_contract"),
    (
        "nas.status",
        "nas.trained",
        "nas.names",
        "nas.tracking",
        "nas.report",
        "nas.export",
        "nas.counted",
        "nas.guidelines",
    ),
    ("nas.limits", "nas.composition"),
    (
        "nas.device",
        "nas.examining",
        "nas.imported",
        "nas.screening",
        "nas.certification",
        "nas.reach",
        "nas.workplace",
    ),
    ("nas.seeds", "nas.reference"),
    (
        "nas.finalists",
        "nas.identity",
        "nas.running",
        "nas.session",
        "nas.repeating",
        "nas.dry_run",
        "nas.full_training",
    ),
    (
        "nas.tables",
        "nas.final_table",
        "nas.pace",
        "nas.progress",
        "nas.display",
        "nas.terminal",
        "nas.commands",
        "nas.cli",
    ),
)
"""The table of layers: a room imports rooms of its own line and of the lines above it."""

ONLY_IN = {
    "optuna": ("nas.samplers", "nas.study"),
    "mlflow": ("nas.tracking",),
    "thop": ("nas.costs",),
    "distributed": ("nas.scheduler", "nas.cluster", "nas.cluster_worker", "nas.latency"),
    "datasets": ("nas.data",),
    "hydra": ("nas.settings",),
    "omegaconf": ("nas.settings",),
    "rich": (
        "nas.tables",
        "nas.final_table",
        "nas.progress",
        "nas.display",
        "nas.terminal",
        "nas.commands",
    ),
}
SPACES_MAY = (
    "nas.space",
    "nas.architecture",
    "nas.architecture_text",
    "nas.unit_rules",
    "nas.outcome",
    "nas.errors",
)
"""What `search_spaces` may import of `nas`."""

STANDARD = sys.stdlib_module_names
BROUGHT_ALONG = {"numpy", "omegaconf", "scipy", "sqlalchemy", "uvicorn"}
"""What declared dependencies need themselves: scikit-learn, hydra-core, optuna and mlflow."""

DISTRIBUTIONS = {
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "hydra": "hydra-core",
}


def modules() -> dict[str, Path]:
    """Each module of both packages with its file."""
    files = [*(ROOT / "nas").rglob("*.py"), *(ROOT / "search_spaces").rglob("*.py")]
    names = {}
    for path in files:
        parts = path.relative_to(ROOT).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


MODULES = modules()


def imported(path: Path) -> set[str]:
    """The modules a file imports, also inside functions, but not those for type checking alone."""
    found: set[str] = set()
    checking: set[ast.AST] = set()
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            checking |= {inner for part in node.body for inner in ast.walk(part)}
    for node in ast.walk(tree):
        if node in checking:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            module = str(node.module)
            inner = {f"{module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else module for name in inner}
    return found


def room(module: str) -> str:
    """nas.study.loop -> nas.study; search_spaces.mixed -> search_spaces."""
    parts = module.split(".")
    return parts[0] if parts[0] == "search_spaces" else ".".join(parts[:2])


LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def test_every_room_has_its_place_in_the_table() -> None:
    rooms = {room(module) for module in MODULES} - {"nas"}
    assert rooms - LEVEL.keys() == set()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_go_downward(module: str) -> None:
    own = room(module)
    if own == "nas":
        return  # the public names are imported when they are used
    for other in imported(MODULES[module]):
        target = room(other)
        if other.split(".")[0] in ("nas", "search_spaces") and target not in ("nas", own):
            assert LEVEL[target] <= LEVEL[own], f"{module} imports {other}"
            if own == "search_spaces":
                assert target in SPACES_MAY, f"{module} imports {other}"


def test_what_one_room_may_use_no_other_does() -> None:
    for module, path in MODULES.items():
        for other in imported(path):
            owners = ONLY_IN.get(other.split(".")[0])
            assert owners is None or room(module) in owners, f"{module} imports {other}"


def test_no_two_rooms_of_a_line_import_each_other() -> None:
    # The text form is the other half of the value, split off for its length alone.
    halves = {"nas.architecture", "nas.architecture_text"}
    uses: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        own = uses.setdefault(room(module), set())
        own |= {room(other) for other in imported(path)} - {room(module), "nas"}
    for one, others in uses.items():
        for other in others:
            if one != "nas" and {one, other} != halves:
                assert one not in uses.get(other, set()), f"{one} <-> {other}"


def test_the_worker_runs_without_the_project() -> None:
    found = imported(MODULES["nas.latency.worker"])
    assert {name.split(".")[0] for name in found}.isdisjoint({"nas", "search_spaces"})


def test_every_package_is_in_the_wheel() -> None:
    listed = set(project()["tool"]["setuptools"]["packages"])
    folders = {m for m, path in MODULES.items() if path.name == "__init__.py"}
    assert listed == folders | {"nas.conf"}


def test_everything_imported_is_declared_as_a_dependency() -> None:
    declared = {
        re.split(r"[^A-Za-z0-9_-]", line)[0].lower().replace("-", "_")
        for line in project()["project"]["dependencies"]
    }
    optional = {"datasets", "openvino", "psycopg", "distributed", "dask", "ray"}
    for module, path in MODULES.items():
        for other in imported(path):
            top = other.split(".")[0]
            if top in STANDARD or top in ("nas", "search_spaces") or top in optional:
                continue
            name = DISTRIBUTIONS.get(top, top).lower().replace("-", "_")
            assert name in declared | BROUGHT_ALONG, f"{module} imports {other}"


def project() -> dict[str, dict[str, dict[str, list[str]]]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_public_names_are_these_and_each_is_there() -> None:
    assert len(nas.__all__) <= 20
    assert sorted(nas.__all__) == [
        "Architecture", "Costs", "Evaluation", "Finalist", "Gene", "InputError", "Latency",
        "NasError", "Outcome", "SearchResult", "SearchSpace", "Settings", "UnitSpec",
        "__version__", "build", "compose", "count", "load", "published", "search",
    ]  # fmt: skip
    for name in nas.__all__:
        assert getattr(nas, name) is not None
    assert dir(nas) == nas.__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = nas.nothing


def loaded(code: str, folder: Path) -> set[str]:
    """The top-level modules a fresh interpreter has loaded after this code."""
    report = "import sys; print('\\nLOADED', *{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"],
        cwd=folder, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return set(done.stdout.rpartition("LOADED ")[2].split())


VERB = """
from nas.cli import main
try:
    status = main({words!r})
except SystemExit as end:
    status = end.code
assert status == {status}, status
"""


@pytest.mark.parametrize(
    ("code", "never"),
    [
        ("import nas", {"torch", "mlflow", "optuna", "hydra", "rich", "numpy"}),
        (VERB.format(words=["--help"], status=0), {"torch", "mlflow", "optuna", "hydra"}),
        (VERB.format(words=["search", "--help"], status=0), {"torch", "mlflow", "optuna"}),
        (VERB.format(words=["status"], status=0), {"torch", "mlflow"}),
        (VERB.format(words=["search", "sampler=tpee"], status=2), {"torch", "mlflow", "optuna"}),
        (VERB.format(words=["search", "study.trials=0"], status=2), {"torch", "mlflow", "optuna"}),
        (VERB.format(words=["search", "--cfg", "job"], status=0), {"torch", "mlflow", "optuna"}),
    ],
    ids=["import", "help", "search-help", "status", "option-error", "value-error", "cfg"],
)
def test_what_has_to_be_quick_imports_nothing_heavy(
    code: str, never: set[str], tmp_path: Path
) -> None:
    assert loaded(code, tmp_path) & never == set()


def test_status_of_a_study_imports_neither_torch_nor_mlflow(tmp_path: Path) -> None:
    start = """
import json, sys
from pathlib import Path
from nas.settings import Settings
from nas.settings.stored import write
from nas.study.storage import StudyStorage
storage = StudyStorage.create(Path("runs/first"), ["maximize"], {})
write(Settings(), storage.path / "settings.yaml")
storage.close()
"""
    code = start + VERB.format(words=["status", "first"], status=0)
    assert loaded(code, tmp_path) & {"torch", "mlflow"} == set()
