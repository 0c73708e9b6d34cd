"""From runs to figures: medians, spreads, ratios, the Markdown table, and whether to believe it."""

import statistics

from harness.model import FLOOR, PEER
from peers import POOL

SPREAD_MAX = 0.15  # a difference of a quarter could not be told from noise above it
OTHERS_MAX = 0.10  # of all CPU time, used by programs that are not measured

LEGEND = (
    "Medians of the rounds; ± is half the distance between the quartiles. *× floor*: how many times slower "
    "than the floor. *× Pool*: how many times faster than multiprocessing.Pool. Both are medians of the "
    "ratios within each round."
)


def spread(numbers):
    """Half the distance between the quartiles, relative to the median; None where it means nothing."""
    if len(numbers) < 2 or statistics.median(numbers) == 0:
        return None
    low, _, high = statistics.quantiles(numbers, n=4, method="inclusive")
    return (high - low) / 2 / statistics.median(numbers)


def present(numbers):
    return [number for number in numbers if number is not None]


def median(numbers):
    """None where there is none."""
    found = present(numbers)
    return statistics.median(found) if found else None


def three_digits(number):
    if number is None:
        return "–"
    if isinstance(number, int) or number == 0 or abs(number) >= 100:
        return f"{number:.0f}"
    if abs(number) < 0.1:
        return f"{number:.3f}"
    return f"{number:.2f}" if abs(number) < 10 else f"{number:.1f}"


class Results:
    """The figures of one workload: for each candidate's name its runs, a dict for each round, or None."""

    def __init__(self, workload, runs):
        self.workload = workload
        self.runs = runs
        self.candidates = [one for one in workload.candidates if any(runs.get(one.name, []))]

    def numbers(self, name, figure):
        """One number for each round, None where the candidate gave none; empty where it never does."""
        runs = self.runs.get(name, [])
        take = self.workload.figure(figure).value
        try:
            return [take(run) if run else None for run in runs]
        except KeyError:
            return []

    def rival(self, one, figure, role):
        """Whom a candidate is compared with; None where there is nobody, or it is itself that one."""
        for other in self.candidates:
            named = figure.floor in ("", other.name) if role == FLOOR else other.library == POOL
            if other.role == role and other.group == one.group and named:
                return other if other is not one and one.role != FLOOR else None
        return None

    def compare(self, one, figure, role):
        """How many times slower than the floor, or faster than multiprocessing.Pool, in the median."""
        rival = self.rival(one, figure, role)
        if rival is None:
            return None
        own = self.numbers(one.name, figure.name)
        against = figure.floor_figure if role == FLOOR and figure.floor_figure else figure.name
        theirs = self.numbers(rival.name, against)
        if (role == FLOOR) == figure.higher_is_better:
            own, theirs = theirs, own
        return median([a / b if a is not None and b else None for a, b in zip(own, theirs)])

    def spreads(self):
        """Of each figure that is compared: whose it is, and its spread."""
        for one in self.candidates:
            for figure in self.workload.figures:
                width = spread(present(self.numbers(one.name, figure.name)))
                if figure.compared and width is not None:
                    yield f"{one.name}: {figure.heading}", width

    def too_wide(self):
        return {whose: width for whose, width in self.spreads() if width > SPREAD_MAX}


def columns(results, figure):
    """Which comparisons of a figure there are."""
    if not figure.compared or figure.alone:
        return []
    return [
        (title, role)
        for title, role in (("× floor", FLOOR), ("× Pool", PEER))
        if any(results.compare(one, figure, role) is not None for one in results.candidates)
    ]


def cells(results, one):
    for figure in results.workload.figures:
        found = present(results.numbers(one.name, figure.name))
        text, width = three_digits(median(found)), spread(found)
        yield text if width is None or not figure.compared else f"{text} ±{width:.0%}"
        for _, role in columns(results, figure):
            yield three_digits(results.compare(one, figure, role))


def markdown(results):
    headings = [""]
    for figure in results.workload.figures:
        headings += [figure.heading, *(title for title, _ in columns(results, figure))]
    lines = [headings, ["---"] + ["--:"] * (len(headings) - 1)]
    lines += [[f"{one.role}: {one.name}", *cells(results, one)] for one in results.candidates]
    return rows(lines)


def rows(lines):
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def verdict(results, others):
    """Whether the machine was quiet enough, in words; empty where that does not matter."""
    wide, compared = results.too_wide(), len(list(results.spreads()))
    if compared == 0:
        return ""  # nothing that depends on who else is there
    reasons = []
    if wide:
        whose = max(wide, key=wide.get)
        reasons.append(
            f"{len(wide)} of {compared} figures spread by more than ±{SPREAD_MAX:.0%} "
            f"(the most: {whose}, ±{wide[whose]:.0%})"
        )
    if others > OTHERS_MAX:
        reasons.append(f"other programs used {others:.0%} of the CPUs")
    if reasons:
        return "**Noisy:** " + "; ".join(reasons) + ". Measure again on a quiet machine."
    return f"Quiet enough: other programs used {others:.0%} of the CPUs."
