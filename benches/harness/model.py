"""What a workload is made of: who does the work, which figures are shown, and what is wanted of them."""

import statistics
from dataclasses import dataclass
from typing import Callable

CARPOOL, FLOOR, PEER = "carpool", "floor", "peer"
KINDS = ("process", "thread")


@dataclass(frozen=True)
class Candidate:
    """One who does the work: a program of this folder with its arguments."""

    role: str
    name: str
    command: tuple[str, ...]
    group: str = ""  # compared with the floor and the peer of its own group only
    family: str = ""  # of a peer: the language whose users would take it, such as "C++"
    library: str = ""  # of a peer: what is used, in whatever way
    rounds: int = 0  # so many at most; 0: all


@dataclass(frozen=True)
class Figure:
    """One number of a run, as it is shown. value raises KeyError for a program that does not give it."""

    name: str
    unit: str
    value: Callable[[dict], float]
    higher_is_better: bool = False
    compared: bool = False  # with the floor and multiprocessing.Pool; and its spread tells of noise
    alone: bool = False  # a ratio already: its spread tells of noise, and no more is compared
    floor: str = ""  # the name of its floor where a group has several
    floor_figure: str = ""  # the figure of the floor that it is compared with, where that is another

    @property
    def heading(self):
        return f"{self.name}, {self.unit}" if self.unit else self.name


@dataclass(frozen=True)
class Target:
    """What is wanted of a process pool, a thread pool, or both: a row in the table of docs/performance.md.

    numbers takes the results of a workload and the kind of pool and returns one number for each round,
    None where there is none. beside does likewise for what is shown in brackets.
    """

    work: str
    wanted: str
    numbers: Callable
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    beside: Callable | None = None
    beside_unit: str = ""
    kinds: tuple[str, ...] = KINDS

    def reached(self, number):
        return (self.at_most is None or number <= self.at_most) and (
            self.at_least is None or number >= self.at_least
        )


@dataclass(frozen=True)
class Workload:
    name: str
    question: str
    candidates: tuple[Candidate, ...]
    figures: tuple[Figure, ...]
    targets: tuple[Target, ...] = ()
    notes: str = ""
    rounds_max: int = 7
    budget_s: float = 30  # no further round is begun when it would end after that
    together: bool = False  # all candidates at once: they only wait

    def figure(self, name):
        return next(figure for figure in self.figures if figure.name == name)


def candidate(role, name, *command, **more):
    return Candidate(role, name, tuple(map(str, command)), **more)


def nanos(key):
    return lambda run: run[key]


def micros(key):
    return lambda run: run[key] / 1e3


def millis(key):
    return lambda run: run[key] / 1e6


def kibibytes(key):
    return lambda run: run[key] / 1024


# ---- what a target looks at ---------------------------------------------------------------------
# Names of candidates may contain {kind}.


def value(name, figure):
    """The figure itself."""
    return lambda results, kind: results.numbers(name.format(kind=kind), figure)


def times(name, figure, rival, rival_figure=""):
    """The figure as a multiple of a rival's, of the same round."""

    def numbers(results, kind):
        own = results.numbers(name.format(kind=kind), figure)
        theirs = results.numbers(rival.format(kind=kind), rival_figure or figure)
        return quotients(own, theirs)

    return numbers


def times_best(name, figure, family):
    """The figure as a multiple of that of the family's best, in the median."""

    def numbers(results, kind):
        shown = results.workload.figure(figure)
        found = [
            one for one in map(lambda peer: results.numbers(peer.name, figure),
                               (peer for peer in results.workload.candidates if peer.family == family))
            if any(one)
        ]  # fmt: skip
        if not found:
            return []
        middle = [statistics.median(number for number in one if number is not None) for one in found]
        best = found[middle.index((max if shown.higher_is_better else min)(middle))]
        return quotients(results.numbers(name.format(kind=kind), figure), best)

    return numbers


def slowest_to_fastest(names, figure):
    """How far apart several candidates are: the largest figure of a round divided by the smallest."""

    def numbers(results, kind):
        rounds = zip(*(results.numbers(name.format(kind=kind), figure) for name in names))
        return [max(some) / min(some) if all(some) else None for some in rounds]

    return numbers


def quotients(upper, lower):
    return [a / b if a is not None and b else None for a, b in zip(upper, lower)]
