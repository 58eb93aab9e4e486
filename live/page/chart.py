"""Curves of a training as a picture in SVG, which a page shows without any program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 640, 180
LEFT, RIGHT, TOP, BOTTOM = 72, 12, 12, 30


def curve_svg(
    title: str,
    unit: str,
    lines: Mapping[str, Sequence[tuple[float, float]]],
) -> str:
    """A picture of some curves over the iterations.

    Args:
        title: what it shows; read out by screen readers with the last values.
        unit: of the values.
        lines: the points of each curve (iteration, value), by its name.

    Returns:
        an ``<svg>`` element; empty where no curve has two points.
    """
    shown = {name: list(points) for name, points in lines.items() if len(points) > 1}
    if not shown:
        return ""
    everything = [point for points in shown.values() for point in points]
    last, low, high = max(x for x, _ in everything), min(y for _, y in everything), max(y for _, y in everything)
    span = (high - low) or 1.0

    def place(x: float, y: float) -> str:
        across = LEFT + (WIDTH - LEFT - RIGHT) * x / max(last, 1.0)
        return f"{across:.1f},{TOP + (HEIGHT - TOP - BOTTOM) * (high - y) / span:.1f}"

    parts, spoken = [], []
    for kind, (name, points) in enumerate(shown.items()):
        parts.append(f'<polyline class="curve curve-{kind}" points="{" ".join(place(x, y) for x, y in points)}"/>')
        spoken.append(f"{name} {points[-1][1]:.3g} {unit}".strip())
        parts += [
            f'<circle class="dot curve-{kind}" cx="{c[0]}" cy="{c[1]}" r="3"/>'
            for c in (place(x, y).split(",") for x, y in points)
            if len(points) <= 12
        ]
    floor = HEIGHT - BOTTOM
    frame = (
        f'<line x1="{LEFT}" y1="{floor}" x2="{WIDTH - RIGHT}" y2="{floor}" class="axis"/>'
        f'<text x="{LEFT - 6}" y="{TOP + 10}" text-anchor="end">{_short(high)}</text>'
        f'<text x="{LEFT - 6}" y="{floor}" text-anchor="end">{_short(low)}</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 8}">0</text>'
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">{last:.0f} iterations</text>'
    )
    legend = " ".join(f'<span class="key curve-{kind}">{escape(name)}</span>' for kind, name in enumerate(shown))
    label = escape(f"{title}: {', '.join(spoken)}", quote=True)
    return (
        f'<figure class="chart"><figcaption>{escape(title)} {legend}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{frame}{"".join(parts)}</svg></figure>'
    )


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) >= 1 else f"{value:.2g}"
