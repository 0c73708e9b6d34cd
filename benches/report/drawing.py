"""Draws a record: two charts of horizontal bars as one SVG, in colours for a light or a dark page.

Bars begin at the left end of a logarithmic axis: each step of the grid is ten times the one before.
"""

import math
from dataclasses import dataclass
from xml.sax.saxutils import escape

from harness.model import CARPOOL, FLOOR
from report.table import median, three_digits

WIDTH, LABELS, RIGHT = 840, 250, 70  # the labels' column, and the room for the numbers behind the bars
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
    remark: str
    bars: list


def library(one):
    """What a peer is a way of using; nothing for those that are not drawn."""
    families = {"Python": "Python", "C++": "C, C++", "Rust": "Rust"}
    if one.family in families and "in flight" not in one.name:
        return f"{one.library} ({families[one.family]})"
    return None


def drawn_as(one, floors):
    """A candidate's name beside its bar; None where it has no bar."""
    if one.role == CARPOOL:
        return f"carpool, {one.name} workers" if one.name in ("process pool, 2", "thread pool, 2") else None
    if one.role == FLOOR:
        return one.name if one.name in floors else None
    return library(one)


def chart(results, figure, title, remark, floors):
    """Carpool with 2 workers, floors, and each library as it does best; the best on top."""
    shown = results.workload.figure(figure)
    better = max if shown.higher_is_better else min
    best = {}
    for one in results.candidates:
        name, number = drawn_as(one, floors), median(results.numbers(one.name, figure))
        if name is not None and number is not None:
            known = best.get(name)
            best[name] = Bar(one.role, name, better(number, known.number) if known else number)
    bars = sorted(best.values(), key=lambda bar: bar.number, reverse=shown.higher_is_better)
    return Chart(title, remark, bars)


def charts(every):
    """What is drawn, of those workloads that there are."""
    found = []
    if "small_tasks" in every:
        found.append(chart(
            every["small_tasks"], "warm", "1 M small tasks, millions a second",
            "a future each, 8 bytes each way, 2 workers; longer is better; dashed: no pool, but a floor",
            ("two rings, 2 CPUs",),
        ))  # fmt: skip
    if "round_trip" in every:
        found.append(chart(
            every["round_trip"], "back to back", "One task in flight, microseconds there and back",
            "8 bytes each way, 2 workers; shorter is better; dashed: no pool, but a floor",
            ("spinning, 2 CPUs", "futex, 2 CPUs"),
        ))  # fmt: skip
    return [one for one in found if one.bars]


class Axis:
    """From a number to its place, beginning at a power of ten."""

    def __init__(self, numbers):
        self.low = math.floor(math.log10(min(numbers)) - 0.05)
        self.high = max(math.log10(max(numbers)), self.low + 1)

    def x(self, number):
        share = (math.log10(number) - self.low) / (self.high - self.low)
        return LABELS + share * (WIDTH - LABELS - RIGHT)

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
    """The lines of one chart, and where it ends."""
    axis = Axis([bar.number for bar in one.bars])
    bottom = top + TITLE + ROW * len(one.bars)
    lines = [
        text(0, top + 16, one.title, colours.text, 15, weight="600"),
        text(0, top + 34, one.remark, colours.faint, 12),
    ]
    for number, label in axis.ticks():
        x = axis.x(number)
        lines.append(
            f'<path d="M{x:.1f} {top + TITLE}V{bottom}" stroke="{colours.grid}" stroke-width="1"/>'
        )
        lines.append(text(x, bottom + 16, label, colours.faint, 11, "middle"))
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
    """The same in words, for those who cannot see it."""
    return " ".join(
        f"{one.title}: " + "; ".join(f"{bar.name} {three_digits(bar.number)}" for bar in one.bars) + "."
        for one in drawn
    )


def svg(every, colours):
    """The drawing as text; None where there is nothing to draw."""
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
    title = "<title id=\"title\">carpool beside other pools, on logarithmic scales</title>"
    words = f'<desc id="desc">{escape(description(drawn))}</desc>'
    return "\n".join([head, title, words, *lines, "</svg>"]) + "\n"
