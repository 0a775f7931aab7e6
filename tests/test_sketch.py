from __future__ import annotations

from nas.sketch import HEIGHT, WIDTH, SketchPoint, legend, sketch

CORNERS = (
    SketchPoint(1.0, 0.9, "candidate"),
    SketchPoint(3.0, 0.95, "best"),
    SketchPoint(2.0, 0.925, "reference"),
)


def test_corners_are_in_the_corners_and_the_edges_are_named() -> None:
    lines = sketch(CORNERS)
    assert lines[0].startswith("  95.0 % |")
    assert lines[0].endswith("*")
    assert lines[HEIGHT - 1] == "  90.0 % |o"
    assert lines[-1].split() == ["1", "3", "ms"]
    assert legend(CORNERS) == "* best, R reference, o feasible"


def test_every_network_is_a_sign_and_no_line_is_wider_than_a_terminal() -> None:
    points = [SketchPoint(0.1 * n, 0.5 + 0.01 * (n * 5 % 12), "candidate") for n in range(12)]
    lines = sketch(points)
    assert sum(line.count("o") for line in lines[:HEIGHT]) == 12
    assert max(map(len, lines)) <= WIDTH + 10 <= 80


def test_the_best_is_never_hidden_behind_another() -> None:
    same = [SketchPoint(1.0, 0.9, sign) for sign in ("best", "candidate", "infeasible")]
    assert sum(line.count("*") for line in sketch([*same, CORNERS[2]])) == 1


def test_one_network_is_no_plot_and_equal_latencies_are_one() -> None:
    assert sketch([CORNERS[0]]) == []
    assert sketch([]) == []
    level = [SketchPoint(1.0, accuracy, "candidate") for accuracy in (0.8, 0.9)]
    assert len(sketch(level)) == HEIGHT + 2
