"""The reference network of a study, examined before any candidate."""

from __future__ import annotations

from pathlib import Path

import pytest
from reported import examiner, failing, objective

from nas.composition import compose_parts
from nas.errors import StudyError
from nas.reference import examined_reference
from nas.settings.compose import compose
from nas.study.storage import StudyStorage


def test_a_training_of_the_reference_that_fails_ends_the_study_with_the_cause(
    tmp_path: Path,
) -> None:
    parts = compose_parts(compose(["objective.multiply_adds=1e9"]), resolved={})
    storage = StudyStorage.create(tmp_path / "one", ["maximize"], {})
    told = r"the reference network shufflenet_v2_x0_5: must be .*; got training: loss: must be fin"
    try:
        with pytest.raises(StudyError, match=told):
            examined_reference(
                parts, storage, examiner(objective(), failing), lambda say: None, lambda: False
            )
        # A resume that mends the cause begins with it again.
        assert storage.get("nas.reference") is None
    finally:
        storage.close()
