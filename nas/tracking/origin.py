"""Where a study runs, and with what: what is needed to do it again."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "latency-nas",
    "torch",
    "onnxruntime",
    "onnx",
    "optuna",
    "mlflow",
    "hydra-core",
    "thop",
    "numpy",
    "scikit-learn",
)
GIT_SECONDS = 5


def origin() -> dict[str, Any]:
    """Versions, machine and revision as plain JSON; what cannot be known is left out."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    found = {
        "python": platform.python_version(),
        "packages": versions,
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "git": _revision(Path(__file__).resolve().parents[2]),
    }
    return {name: value for name, value in found.items() if value}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _revision(folder: Path) -> dict[str, Any]:
    """The git revision of the code, if it runs from a clone."""
    if not (folder / ".git").exists():
        return {}
    try:
        head, changes = (
            subprocess.run(
                ["git", "-C", str(folder), *arguments],
                capture_output=True,
                text=True,
                timeout=GIT_SECONDS,
                check=True,
            ).stdout.strip()
            for arguments in (
                ["rev-parse", "HEAD"],
                ["status", "--porcelain", "--untracked-files=no"],
            )
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"commit": head, "changed": bool(changes)}
