"""From runs to figures: medians, spreads, ratios, the Markdown table, and whether to believe it."""

import statistics

from workloads import FLOOR, PEER

SPREAD_MAX = 0.15  # a difference of a quarter could not be told from noise above it
OTHERS_MAX = 0.10  # of all CPU time, used by programs that are not measured

LEGEND = (
    "Medians of the rounds; ± is half the distance between the quartiles. *× floor*: how many times slower "
    "than the floor. *× Pool*: how many times faster than multiprocessing.Pool. Both are medians of the "
    "ratios within each round."
)


def values(figure, runs):
    """One value for each round, None where there is none."""
    return [figure.value(run) if run else None for run in runs] if gives(figure, runs) else []


def gives(figure, runs):
    run = next((run for run in runs if run), None)
    if run is None:
        return False
    try:
        figure.value(run)
    except KeyError:
        return False
    return True


def spread(numbers):
    """Half the distance between the quartiles, relative to the median; None where it means nothing."""
    if len(numbers) < 2 or statistics.median(numbers) == 0:
        return None
    low, _, high = statistics.quantiles(numbers, n=4, method="inclusive")
    return (high - low) / 2 / statistics.median(numbers)


def ratio(upper, lower):
    """The median of what the two had in the same rounds."""
    pairs = [a / b for a, b in zip(upper, lower) if a is not None and b]
    return statistics.median(pairs) if pairs else None


def three_digits(number):
    if number is None:
        return "–"
    if isinstance(number, int) or number == 0 or abs(number) >= 100:
        return f"{number:.0f}"
    return f"{number:.2f}" if abs(number) < 10 else f"{number:.1f}"


class Table:
    """The figures of one workload."""

    def __init__(self, workload, results):
        """results: for each candidate's name its runs, a dict for each round, or None."""
        self.workload = workload
        self.results = results

    def numbers(self, candidate, figure):
        return values(figure, self.results.get(candidate.name, []))

    def rival(self, candidate, figure, role):
        """Whom the candidate is compared with; None where there is nobody, or it is itself that one."""
        for other in self.workload.candidates:
            named = role != FLOOR or figure.floor in ("", other.name)
            if other.role == role and other.group == candidate.group and named:
                return other if other is not candidate else None
        return None

    def compare(self, candidate, figure, role):
        rival = self.rival(candidate, figure, role)
        if rival is None or candidate.role == role:
            return None
        own, theirs = self.numbers(candidate, figure), self.numbers(rival, figure)
        worse_is_more = (role == FLOOR) != figure.higher_is_better
        return ratio(own, theirs) if worse_is_more else ratio(theirs, own)

    def cells(self, candidate):
        for figure in self.workload.figures:
            found = [number for number in self.numbers(candidate, figure) if number is not None]
            text = three_digits(statistics.median(found) if found else None)
            width = spread(found)
            yield text if width is None or not figure.compared else f"{text} ±{width:.0%}"
            if figure.compared:
                yield three_digits(self.compare(candidate, figure, FLOOR))
                yield three_digits(self.compare(candidate, figure, PEER))

    def markdown(self):
        headings = [""]
        for figure in self.workload.figures:
            headings += [figure.heading] + (["× floor", "× Pool"] if figure.compared else [])
        lines = [headings, ["---"] + ["--:"] * (len(headings) - 1)]
        for candidate in self.workload.candidates:
            if candidate.name in self.results:
                lines.append([f"{candidate.role}: {candidate.name}", *self.cells(candidate)])
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)

    def spreads(self):
        """Of each figure that is compared: whose it is, and its spread."""
        for candidate in self.workload.candidates:
            for figure in self.workload.figures:
                found = [number for number in self.numbers(candidate, figure) if number is not None]
                width = spread(found)
                if figure.compared and width is not None:
                    yield f"{candidate.name}: {figure.heading}", width

    def too_wide(self):
        return {whose: width for whose, width in self.spreads() if width > SPREAD_MAX}


def verdict(table, others):
    """Whether the machine was quiet enough, in words; empty where that does not matter."""
    wide, compared = table.too_wide(), len(list(table.spreads()))
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
