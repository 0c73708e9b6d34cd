"""From runs to a Markdown table: medians, spreads, ratios, and whether they are too noisy."""

import statistics

from harness.model import FLOOR, PEER
from peers import POOL

SPREAD_MAX = 0.15  # above it, a difference of a quarter could not be told from noise
OTHERS_MAX = 0.10  # of all CPU time, used by other programs

LEGEND = (
    "Medians of the rounds; ± is half the interquartile range. *× floor*: how many times slower than the floor. "
    "*× Pool*: how many times faster than multiprocessing.Pool. Both are medians of the ratios within each round."
)


def spread(numbers):
    """Half the interquartile range, relative to the median; None if that is undefined."""
    if len(numbers) < 2 or statistics.median(numbers) == 0:
        return None
    low, _, high = statistics.quantiles(numbers, n=4, method="inclusive")
    return (high - low) / 2 / statistics.median(numbers)


def without_none(numbers):
    return [number for number in numbers if number is not None]


def median(numbers):
    """None if there are no numbers."""
    found = without_none(numbers)
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
    """The results of one workload: by the name of a candidate its runs, a dict or None for each round."""

    def __init__(self, workload, runs):
        self.workload = workload
        self.runs = runs
        self.candidates = [one for one in workload.candidates if any(runs.get(one.name, []))]

    def numbers(self, name, metric):
        """One number per round, None for a round without one; empty if the candidate never reports it."""
        runs = self.runs.get(name, [])
        value = self.workload.metric(metric).value
        try:
            return [value(run) if run else None for run in runs]
        except KeyError:
            return []

    def reference(self, one, metric, role):
        """The candidate that this one is compared with, or None."""
        for other in self.candidates:
            matches = metric.floor in ("", other.name) if role == FLOOR else other.library == POOL
            if other.role == role and other.group == one.group and matches:
                return other if other is not one and one.role != FLOOR else None
        return None

    def ratio(self, one, metric, role):
        """How many times slower than the floor, or faster than multiprocessing.Pool: the median."""
        reference = self.reference(one, metric, role)
        if reference is None:
            return None
        dividends = self.numbers(one.name, metric.name)
        reference_metric = metric.floor_metric if role == FLOOR and metric.floor_metric else metric.name
        divisors = self.numbers(reference.name, reference_metric)
        if (role == FLOOR) == metric.higher_is_better:
            dividends, divisors = divisors, dividends
        return median([a / b if a is not None and b else None for a, b in zip(dividends, divisors)])

    def spreads(self):
        """Of each metric that is compared: the candidate with the metric, and the spread."""
        for one in self.candidates:
            for metric in self.workload.metrics:
                width = spread(without_none(self.numbers(one.name, metric.name)))
                if metric.compared and width is not None:
                    yield f"{one.name}: {metric.heading}", width

    def noisy(self):
        return {name: width for name, width in self.spreads() if width > SPREAD_MAX}


def ratio_columns(results, metric):
    """The columns that compare a metric: (heading, role)."""
    if not metric.compared or metric.is_ratio:
        return []
    return [
        (heading, role)
        for heading, role in (("× floor", FLOOR), ("× Pool", PEER))
        if any(results.ratio(one, metric, role) is not None for one in results.candidates)
    ]


def cells(results, one):
    for metric in results.workload.metrics:
        found = without_none(results.numbers(one.name, metric.name))
        text, width = three_digits(median(found)), spread(found)
        yield text if width is None or not metric.compared else f"{text} ±{width:.0%}"
        for _, role in ratio_columns(results, metric):
            yield three_digits(results.ratio(one, metric, role))


def markdown(results):
    headings = [""]
    for metric in results.workload.metrics:
        headings += [metric.heading, *(heading for heading, _ in ratio_columns(results, metric))]
    rows = [headings, ["---"] + ["--:"] * (len(headings) - 1)]
    rows += [[f"{one.role}: {one.name}", *cells(results, one)] for one in results.candidates]
    return markdown_rows(rows)


def markdown_rows(rows):
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def noise(results, others):
    """A sentence on whether the machine was quiet enough; empty if that does not matter."""
    noisy, compared = results.noisy(), len(list(results.spreads()))
    if compared == 0:
        return ""  # nothing here depends on other programs
    reasons = []
    if noisy:
        worst = max(noisy, key=noisy.get)
        reasons.append(
            f"{len(noisy)} of {compared} medians have a spread of more than ±{SPREAD_MAX:.0%} "
            f"(largest: {worst}, ±{noisy[worst]:.0%})"
        )
    if others > OTHERS_MAX:
        reasons.append(f"other programs used {others:.0%} of the CPUs")
    if reasons:
        return "**Noisy:** " + "; ".join(reasons) + ". Measure again on a quiet machine."
    return f"Quiet: other programs used {others:.0%} of the CPUs."
