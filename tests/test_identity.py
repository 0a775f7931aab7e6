"""What must be as it was when a study goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.errors import StudyError
from nas.identity import check_same
from nas.study.storage import StudyStorage

FACTS = {
    "nas.data": "0123456789abcdef",
    "nas.genes": [["width", [24, 48]]],
    "nas.space": "space",
    "nas.target": "local/onnxruntime/cpu/1",
    "nas.limits": ["latency <= 3 ms"],
}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("nas.data", "fedcba9876543210", r"the images \(hash\).+fedcba9876543210, then 0123456789"),
        ("nas.limits", ["latency <= 4 ms"], r"the limits.+4 ms.+then.+3 ms"),
        ("nas.target", "local/eager/cpu/1", r"the target .+eager.+then.+onnxruntime"),
    ],
)
def test_a_study_goes_on_with_the_images_limits_and_target_it_began_with(
    tmp_path: Path, key: str, value: object, message: str
) -> None:
    storage = StudyStorage.create(tmp_path / "one", ["maximize"], FACTS)
    check_same(storage, FACTS)
    with pytest.raises(StudyError, match=message):
        check_same(storage, {**FACTS, key: value})
    storage.close()
