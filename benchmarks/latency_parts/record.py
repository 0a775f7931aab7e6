"""What every section writes down beside its figures: machine, versions, load, time."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

RESULTS = Path(__file__).parents[1] / "results"
PACKAGES = ("torch", "onnxruntime", "onnx", "numpy", "scipy", "openvino")


def machine() -> str:
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.split(":")[1].strip() for line in info.splitlines() if "model name" in line]
    memory = psutil.virtual_memory().total / 2**30
    processor = names[0] if names else platform.processor()
    cores = f"{os.cpu_count()} shared cores, {memory:.0f} GiB"
    return f"{processor}, {cores}, {platform.system()} {platform.release()}"


def versions() -> str:
    found = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue  # an optional one
    return ", ".join(found)


def commit() -> str:
    """The commit, and whether the tree is another one but for results, which runs write."""
    asked = _git("describe", "--always").stdout.strip()
    if not asked:
        return "unknown"
    changed = _git("diff", "--quiet", "HEAD", "--", ":/", ":(top,exclude)benchmarks/results")
    return f"{asked}-dirty" if changed.returncode else asked


def _git(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", *words], cwd=RESULTS.parent, capture_output=True, text=True, check=False
    )


class Watch:
    """Load before, busy share of each core during, seconds, and when."""

    def __init__(self) -> None:
        self._load, self._began = os.getloadavg()[0], time.time()
        psutil.cpu_percent(percpu=True)

    def seen(self) -> dict[str, Any]:
        return {
            "started": time.strftime("%Y-%m-%d %H:%M", time.gmtime(self._began)),
            "seconds": time.time() - self._began,
            "load_before": self._load,
            "busy_percent": psutil.cpu_percent(percpu=True),
            "machine": machine(),
            "versions": versions(),
            "commit": commit(),
        }


def read(page: str) -> dict[str, list[dict[str, Any]]]:
    path = RESULTS / f"{page}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def write(page: str, section: str, runs: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Put the runs of a section in the place of its former ones; gives all sections."""
    RESULTS.mkdir(exist_ok=True)
    raw = _rounded({**read(page), section: runs})
    path = RESULTS / f"{page}.json"
    path.write_text(json.dumps(raw, indent=1, sort_keys=True) + "\n")
    return raw


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value
