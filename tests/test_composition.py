"""What a study is made of, from its settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from nas.composition import compose_parts
from nas.errors import SettingsError
from nas.identity import facts_of
from nas.settings.compose import compose


def test_what_a_study_found_out_about_its_machine_is_not_tried_again() -> None:
    # No probe chooses seven threads.
    known = {"device": "cpu", "threads": 7, "memory_format": "contiguous", "precision": "bfloat16"}
    parts = compose_parts(compose(["data=digits"]), resolved=known)
    # What is written down when a study is made, and read when it goes on.
    assert parts.resolved == facts_of(parts)["nas.resolved"] == known


@pytest.mark.parametrize(
    ("memory_gb", "why"),
    [(1, "kept in memory (data.memory_gb=1)"),
     (0, "0.0 GB of pixels, more than data.memory_gb=0: streamed by 1 workers")],
)  # fmt: skip
def test_a_study_is_told_how_many_images_classes_have_and_why_they_are_streamed_or_not(
    tmp_path: Path, memory_gb: int, why: str
) -> None:
    for name, number in (("bright", 10), ("dark", 20)):
        (tmp_path / name).mkdir()
        for index in range(number):
            Image.new("RGB", (8, 8), (index, 0, 0)).save(tmp_path / name / f"{index}.png")
    words = [
        "data=folder",
        f"data.path={tmp_path}",
        "data.workers=1",
        f"data.memory_gb={memory_gb}",
    ]
    shares = ["data.validation_share=0.2", "data.test_share=0.1", "training.batch_size=4"]
    parts = compose_parts(compose([*words, *shares]), resolved={})
    # Seven tenths are left for training.
    assert parts.facts.kept.startswith("2 classes of 7 to 14 training images, ")
    assert parts.facts.kept.endswith(why)
    # One answer to all images is right for 14 of 21; balanced, for half.
    assert parts.facts.guess("accuracy") == pytest.approx(2 / 3)
    assert parts.facts.guess("balanced_accuracy") == parts.facts.chance == 0.5
    assert parts.facts.guess("top5") == 1.0


def test_a_batch_larger_than_the_set_is_refused_before_there_is_a_study() -> None:
    with pytest.raises(SettingsError, match=r"batch_size: .*got 1001; allowed up to 1000 for dig"):
        compose_parts(compose(["training.batch_size=1001"]), resolved={})
