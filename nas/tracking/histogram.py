"""How long single calls of a network took, as a picture that the MLflow UI shows."""

from __future__ import annotations

from html import escape

from nas.outcome import Latency
from nas.tracking.labels import three_digits

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 20, 20, 58, 44
INK, BAR, LINE = "#1c2530", "#2a6fbb", "#c2410c"


def histogram_svg(latency: Latency | None, *, title: str) -> str:
    """The histogram with the latency and its interval; empty where no calls were kept.

    An SVG: drawing a PNG costs a second of import beside the training, and the UI shows both.
    """
    calls = latency.conditions.get("calls") if latency else None
    if latency is None or not calls:
        return ""
    counts = calls["counts"]
    low, high = float(calls["low_ms"]), float(calls["high_ms"])
    left, right = min(low, latency.low), max(high, latency.high)
    scale = (WIDTH - LEFT - RIGHT) / ((right - left) or 1.0)

    def across(ms: float) -> float:
        return LEFT + (ms - left) * scale

    tall, bottom = (HEIGHT - TOP - BOTTOM) / max(counts), HEIGHT - BOTTOM
    wide = (across(high) - across(low)) / len(counts)
    bars = [
        f'<rect x="{across(low) + n * wide:.1f}" y="{bottom - count * tall:.1f}" '
        f'width="{max(1.0, wide - 1):.1f}" height="{count * tall:.1f}" fill="{BAR}"/>'
        for n, count in enumerate(counts)
    ]
    said = _sentence(latency, sum(counts) + calls["beyond"], calls)
    from_, to = across(latency.low), across(latency.high)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" role="img" font-family="system-ui, sans-serif" font-size="13" '
        f'fill="{INK}"><title>{escape(title)}</title><desc>{escape(said)}</desc>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="22" font-weight="650">{escape(title)}</text>',
        f'<text x="{LEFT}" y="42" font-size="11.5">{escape(said)}</text>',
        f'<rect x="{from_:.1f}" y="{TOP}" width="{to - from_:.1f}" height="{bottom - TOP}" '
        f'fill="{LINE}" opacity="0.15"/>',
        *bars,
        f'<path d="M{across(latency.ms):.1f} {TOP}V{bottom}" stroke="{LINE}" stroke-width="2"/>',
        f'<path d="M{LEFT} {bottom}H{WIDTH - RIGHT}" stroke="{INK}"/>',
        _tick(across(left), left, anchor="start"),
        _tick(across(right), right, anchor="end"),
        "</svg>\n",
    ]
    return "".join(parts)


def _sentence(latency: Latency, number: int, calls: dict[str, float]) -> str:
    ms, low, high = map(three_digits, (latency.ms, latency.low, latency.high))
    words = f"{number} calls by the wall clock; line and band: {ms} ms ({low} to {high})"
    if calls["beyond"]:
        words += f"; {calls['beyond']} took longer, up to {three_digits(calls['slowest_ms'])} ms"
    return words


def _tick(x: float, ms: float, *, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{HEIGHT - 18}" text-anchor="{anchor}">{three_digits(ms)} ms</text>'
    )
