"""The table of targets, met and missed, that docs/performance.md begins with."""

from harness.model import KINDS
from report.table import markdown_rows, median, spread, three_digits, without_none

HEADINGS = ["workload", "target", "process pool", "thread pool"]


def cell(target, results, kind):
    """The result of one kind of pool; bold if it misses the target, empty if there is no target for it."""
    if kind not in target.kinds and target.kinds != ("both",):
        return ""
    numbers = without_none(target.numbers(results, kind))
    if not numbers:
        return "not measured"
    number, width = median(numbers), spread(numbers)
    text = f"{three_digits(number)} {target.unit}"
    if target.absolute and (absolute := median(target.absolute(results, kind))) is not None:
        text += f" ({three_digits(absolute)} {target.absolute_unit})"
    if width is not None:
        text += f" ±{width:.0%}"
    return f"{text}, met" if target.is_met(number) else f"{text}, **missed**"


def rows(results):
    """The rows of one workload."""
    for target in results.workload.targets:
        yield [target.case, target.goal, *(cell(target, results, kind) for kind in KINDS)]


def markdown(every):
    """The table of all workloads that were measured."""
    return markdown_rows([HEADINGS, ["---", "---", "--:", "--:"], *(row for one in every for row in rows(one))])


def count_missed(every):
    """How many targets are missed, and how many there are: a row may have one for each kind of pool."""
    found = [text for one in every for row in rows(one) for text in row[2:] if text]
    return sum("**missed**" in text for text in found), len(found)
