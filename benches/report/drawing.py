"""Draws the results: two bar charts in one SVG, in colours for a light or a dark page.

The axes are logarithmic: from one grid line to the next is a factor of ten.
"""

import math
from dataclasses import dataclass
from xml.sax.saxutils import escape

from harness.model import CARPOOL, FLOOR
from report.table import median, three_digits

WIDTH, LABELS, RIGHT = 840, 250, 70  # of the image, the column of labels, the margin for the numbers behind the bars
TOP, BAR, ROW, TITLE, AXIS, GAP = 8, 13, 20, 44, 26, 14
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"


@dataclass(frozen=True)
class Colours:
    text: str
    faint: str
    grid: str
    bars: dict


LIGHT = Colours("#1f2328", "#59636e", "#d8dee4", {"carpool": "#0b6e8f", "peer": "#9aa4af", "floor": "none"})
DARK = Colours("#e6edf3", "#9198a1", "#30363d", {"carpool": "#4cc2e6", "peer": "#626c77", "floor": "none"})


@dataclass(frozen=True)
class Bar:
    role: str
    name: str
    number: float


@dataclass(frozen=True)
class Chart:
    title: str
    subtitle: str
    bars: list


def peer_label(one):
    """The library of a peer and its language; None if the peer is not drawn."""
    families = {"Python": "Python", "C++": "C, C++", "Rust": "Rust"}
    if one.family in families and "in flight" not in one.name:
        return f"{one.library} ({families[one.family]})"
    return None


def label(one, floors):
    """The label of a candidate's bar; None if it has no bar."""
    if one.role == CARPOOL:
        return f"carpool, {one.name} workers" if one.name in ("process pool, 2", "thread pool, 2") else None
    if one.role == FLOOR:
        return one.name if one.name in floors else None
    return peer_label(one)


def chart(results, metric, title, subtitle, floors):
    """Carpool with 2 workers, floors, and the best result of each library; the best of all on top."""
    higher_is_better = results.workload.metric(metric).higher_is_better
    better = max if higher_is_better else min
    best = {}
    for one in results.candidates:
        name, number = label(one, floors), median(results.numbers(one.name, metric))
        if name is not None and number is not None:
            known = best.get(name)
            best[name] = Bar(one.role, name, better(number, known.number) if known else number)
    bars = sorted(best.values(), key=lambda bar: bar.number, reverse=higher_is_better)
    return Chart(title, subtitle, bars)


def charts(every):
    """The charts of those workloads that were measured."""
    found = []
    if "small_tasks" in every:
        found.append(chart(
            every["small_tasks"], "warm", "1 M small tasks, millions per second",
            "each with a future, 8 bytes each way, 2 workers; longer is better; dashed: a floor, not a pool",
            ("two rings, 2 CPUs",),
        ))  # fmt: skip
    if "round_trip" in every:
        found.append(chart(
            every["round_trip"], "back to back", "One task in flight, microseconds per round trip",
            "8 bytes each way, 2 workers; shorter is better; dashed: a floor, not a pool",
            ("spinning, 2 CPUs", "futex, 2 CPUs"),
        ))  # fmt: skip
    return [one for one in found if one.bars]


class Axis:
    """Maps a number to its x coordinate. The axis begins at a power of ten."""

    def __init__(self, numbers):
        self.low = math.floor(math.log10(min(numbers)) - 0.05)
        self.high = max(math.log10(max(numbers)), self.low + 1)

    def x(self, number):
        fraction = (math.log10(number) - self.low) / (self.high - self.low)
        return LABELS + fraction * (WIDTH - LABELS - RIGHT)

    def ticks(self):
        for power in range(self.low, math.floor(self.high) + 1):
            number = 10**power
            yield number, f"{number:g}" if power < 4 else f"{number:,}".replace(",", " ")


def text(x, y, words, colour, size=13, anchor="start", weight="normal"):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
        f'font-weight="{weight}" fill="{colour}">{escape(words)}</text>'
    )


def draw_chart(one, top, colours):
    """The elements of one chart, and the y coordinate of its end."""
    axis = Axis([bar.number for bar in one.bars])
    bottom = top + TITLE + ROW * len(one.bars)
    lines = [
        text(0, top + 16, one.title, colours.text, 15, weight="600"),
        text(0, top + 34, one.subtitle, colours.faint, 12),
    ]
    for number, tick in axis.ticks():
        x = axis.x(number)
        lines.append(
            f'<path d="M{x:.1f} {top + TITLE}V{bottom}" stroke="{colours.grid}" stroke-width="1"/>'
        )
        lines.append(text(x, bottom + 16, tick, colours.faint, 11, "middle"))
    for row, bar in enumerate(one.bars):
        y = top + TITLE + ROW * row + (ROW - BAR) / 2
        own = bar.role == CARPOOL
        fill = colours.bars[bar.role]
        line = f' stroke="{colours.faint}" stroke-dasharray="3 2"' if bar.role == FLOOR else ""
        end = axis.x(bar.number)
        weight, colour = ("600", colours.text) if own else ("normal", colours.faint)
        lines.append(text(LABELS - 8, y + 10.5, bar.name, colour, 12, "end", weight))
        lines.append(
            f'<rect x="{LABELS}" y="{y:.1f}" width="{end - LABELS:.1f}" height="{BAR}" rx="2" '
            f'fill="{fill}"{line}/>'
        )
        lines.append(text(end + 6, y + 10.5, three_digits(bar.number), colour, 12, weight=weight))
    return lines, bottom + AXIS


def description(drawn):
    """The same as text, for screen readers."""
    return " ".join(
        f"{one.title}: " + "; ".join(f"{bar.name} {three_digits(bar.number)}" for bar in one.bars) + "."
        for one in drawn
    )


def svg(every, colours):
    """The source of the image; None if there is nothing to draw."""
    drawn, lines, y = charts(every), [], TOP
    if not drawn:
        return None
    for one in drawn:
        more, y = draw_chart(one, y, colours)
        lines += more
        y += GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" '
        f'font-family="{FONT}" role="img" aria-labelledby="title desc">'
    )
    title = "<title id=\"title\">carpool compared with other pools, on logarithmic scales</title>"
    words = f'<desc id="desc">{escape(description(drawn))}</desc>'
    return "\n".join([head, title, words, *lines, "</svg>"]) + "\n"
