"""What was wanted, and what was reached: the table that docs/performance.md begins with."""

from harness.model import KINDS
from report.table import median, present, rows, spread, three_digits

HEADINGS = ["work", "wanted", "process pool", "thread pool"]


def cell(target, results, kind):
    """What one kind of pool has reached, in words; bold where it is less than wanted."""
    if kind not in target.kinds and target.kinds != ("both",):
        return ""
    numbers = present(target.numbers(results, kind))
    if not numbers:
        return "not measured"
    number, width = median(numbers), spread(numbers)
    text = f"{three_digits(number)} {target.unit}"
    if target.beside and (beside := median(target.beside(results, kind))) is not None:
        text += f" ({three_digits(beside)} {target.beside_unit})"
    if width is not None:
        text += f" ±{width:.0%}"
    return f"{text}, reached" if target.reached(number) else f"{text}, **missed**"


def lines(results):
    """The rows of one workload."""
    for target in results.workload.targets:
        yield [target.work, target.wanted, *(cell(target, results, kind) for kind in KINDS)]


def markdown(every):
    """The table of all workloads that there are results of."""
    return rows([HEADINGS, ["---", "---", "--:", "--:"], *(line for one in every for line in lines(one))])


def missed(every):
    """How many cells are less than wanted, and how many there are."""
    found = [text for one in every for line in lines(one) for text in line[2:] if text]
    return sum("**missed**" in text for text in found), len(found)
