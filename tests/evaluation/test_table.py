import json
import subprocess
import sys

import pytest

from nas.errors import DataError
from nas.evaluation.table import Row, Table

ROW = {"accuracy": 0.9, "multiply_adds": 1000, "parameters": 10, "latency_ms": 1.5}


def written(folder, value):
    path = folder / "table.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_a_row_is_found_by_its_genes(tmp_path):
    path = written(tmp_path, {"format": 1, "key": "genes", "rows": {"2/0.5/x": ROW}})
    row = Table.load(path).row({"depth": 2, "width": 0.5, "kind": "x"}, "ignored")
    assert row == Row(accuracy=0.9, multiply_adds=1000, parameters=10, latency_ms=1.5)


def test_named_genes_are_found_in_any_order(tmp_path):
    value = {"format": 1, "key": "genes", "genes": ["depth", "width"], "rows": {"2/0.5": ROW}}
    table = Table.load(written(tmp_path, value))
    assert table.row({"width": 0.5, "depth": 2}, "ignored").accuracy == 0.9
    with pytest.raises(DataError, match="must have the same genes; got depth, width"):
        table.row({"width": 0.5}, "ignored")


def test_a_row_is_found_by_its_fingerprint_and_may_hold_accuracy_alone(tmp_path):
    path = written(tmp_path, {"format": 1, "key": "fingerprint", "rows": {"ab": {"accuracy": 1}}})
    assert Table.load(path).row({"depth": 2}, "ab") == Row(accuracy=1)


def test_a_missing_row_is_named(tmp_path):
    table = Table.load(written(tmp_path, {"format": 1, "key": "genes", "rows": {"1/2": ROW}}))
    with pytest.raises(
        DataError, match=r"got none for genes '3/4' in .*of 1 rows, the first '1/2'"
    ):
        table.row({"a": 3, "b": 4}, "")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no such file; got '.*nowhere\.json'"):
        Table.load(tmp_path / "nowhere.json")


WHOLE = {"format": 1, "key": "genes", "rows": {"1": ROW}}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (json.dumps(WHOLE)[:30], "must be a table that can be read; got "),
        ("", "must be a table that can be read; got "),
        ([1], "must be an object, not list"),
        ({**WHOLE, "format": 2}, "format must be 1, not 2"),
        ({**WHOLE, "key": "name"}, "key must be one of genes, fingerprint, not 'name'"),
        ({**WHOLE, "rows": {}}, "rows must be an object"),
        ({**WHOLE, "rows": []}, "rows must be an object"),
        ({**WHOLE, "genes": "depth"}, "genes must be a list of names"),
    ],
)
def test_a_damaged_table_is_told(tmp_path, value, message):
    with pytest.raises(DataError, match=r"table\.json") as error:
        Table.load(written(tmp_path, value))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (3, "must be an object, not 3"),
        ({}, "must have an accuracy of 0..1, not None"),
        ({"accuracy": 92.0}, "must have an accuracy of 0..1, not 92.0"),
        ({"accuracy": "0.9"}, "accuracy: must be a number, not '0.9'"),
        ({"accuracy": float("nan")}, "accuracy: must be 0 or more, not nan"),
        ({**ROW, "latency_ms": -1}, "latency_ms: must be 0 or more, not -1"),
        ({**ROW, "multiply_adds": True}, "multiply_adds: must be a number, not True"),
    ],
)
def test_a_damaged_row_is_told(tmp_path, row, message):
    table = Table.load(written(tmp_path, {"format": 1, "key": "genes", "rows": {"1": row}}))
    with pytest.raises(DataError, match="row '1'") as error:
        table.row({"depth": 1}, "")
    assert message in str(error.value)


def test_a_table_is_read_without_torch():
    code = "import sys, nas.evaluation.table; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
