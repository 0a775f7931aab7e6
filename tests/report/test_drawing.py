from __future__ import annotations

from xml.etree import ElementTree

from nas.report.drawing import block_table, blocks, drawing
from search_spaces.published import published

NETWORK = published("shufflenet_v2_x0_5", input=(1, 8, 8), classes=10)


def test_every_unit_is_in_one_block() -> None:
    inner = [block for block in blocks(NETWORK) if block.kind not in ("stem", "head", "classes")]
    assert sum(block.times for block in inner) == len(NETWORK.units)
    assert [block.channels for block in inner] == [48, 96, 192]


def test_the_drawing_is_well_formed_and_as_wide_as_there_are_channels() -> None:
    root = ElementTree.fromstring(drawing([("a & <b>", NETWORK)]))
    boxes = list(root.iter("rect"))
    assert len(boxes) == len(blocks(NETWORK))
    widths = [float(box.get("width", "0")) for box in boxes]
    channels = [block.channels for block in blocks(NETWORK)]
    order = sorted(range(len(boxes)), key=channels.__getitem__)
    assert sorted(widths) == [widths[n] for n in order]


def test_the_table_says_the_same() -> None:
    rows = block_table([("one", NETWORK), ("other", NETWORK)]).rows
    assert len(rows) == 2 * len(blocks(NETWORK))
