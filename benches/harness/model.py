"""What a workload is made of: the candidates that run it, the metrics that are shown, and their targets."""

import statistics
from dataclasses import dataclass
from typing import Callable

CARPOOL, FLOOR, PEER = "carpool", "floor", "peer"
KINDS = ("process", "thread")


@dataclass(frozen=True)
class Candidate:
    """A program with its arguments. The program is given by its path below benches/, without .c or .cpp."""

    role: str
    name: str
    command: tuple[str, ...]
    group: str = ""  # compared only with the floor and the peer of the same group
    family: str = ""  # of a peer: the language whose users would choose it, such as "C++"
    library: str = ""  # of a peer: the library, however it is used
    rounds_max: int = 0  # 0: no limit


@dataclass(frozen=True)
class Metric:
    """One number of a run, as it is shown. value raises KeyError if a program does not report it."""

    name: str
    unit: str
    value: Callable[[dict], float]
    higher_is_better: bool = False
    compared: bool = False  # with the floor and multiprocessing.Pool; its spread indicates noise
    is_ratio: bool = False  # so it is not compared; its spread still indicates noise
    floor: str = ""  # the name of its floor if a group has several
    floor_metric: str = ""  # the metric of the floor it is compared with, if it is another one

    @property
    def heading(self):
        return f"{self.name}, {self.unit}" if self.unit else self.name


@dataclass(frozen=True)
class Target:
    """A goal for process pools, thread pools, or both: a row in the table of docs/performance.md.

    numbers takes the results of a workload and the kind of pool and returns one number per round, None
    for a round without one. Where these are ratios, absolute does the same for the value in brackets.
    """

    case: str
    goal: str
    numbers: Callable
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    absolute: Callable | None = None
    absolute_unit: str = ""
    kinds: tuple[str, ...] = KINDS

    def is_met(self, number):
        return (self.at_most is None or number <= self.at_most) and (
            self.at_least is None or number >= self.at_least
        )


@dataclass(frozen=True)
class Workload:
    name: str
    question: str
    candidates: tuple[Candidate, ...]
    metrics: tuple[Metric, ...]
    targets: tuple[Target, ...] = ()
    notes: str = ""
    rounds_max: int = 7
    budget_s: float = 30  # no further round starts if it would end later
    concurrent: bool = False  # all candidates run at once, because they only wait

    def metric(self, name):
        return next(metric for metric in self.metrics if metric.name == name)


def candidate(role, name, *command, **options):
    return Candidate(role, name, tuple(map(str, command)), **options)


# ---- values of metrics: what a program reports under a key ---------------------------------------


def unscaled(key):
    return lambda run: run[key]


def micros(key):
    return lambda run: run[key] / 1e3


def millis(key):
    return lambda run: run[key] / 1e6


def kibibytes(key):
    return lambda run: run[key] / 1024


# ---- numbers of targets --------------------------------------------------------------------------
# Names of candidates may contain {kind}.


def value(name, metric):
    """The metric itself."""
    return lambda results, kind: results.numbers(name.format(kind=kind), metric)


def ratio(name, metric, reference, reference_metric=""):
    """The metric as a multiple of a reference candidate's, in the same round."""

    def numbers(results, kind):
        own = results.numbers(name.format(kind=kind), metric)
        reference_numbers = results.numbers(reference.format(kind=kind), reference_metric or metric)
        return quotients(own, reference_numbers)

    return numbers


def ratio_to_best(name, metric, family):
    """The metric as a multiple of that of the family's peer with the best median."""

    def numbers(results, kind):
        peers = [one for one in results.workload.candidates if one.family == family]
        found = [one for one in (results.numbers(peer.name, metric) for peer in peers) if any(one)]
        if not found:
            return []
        medians = [statistics.median(number for number in one if number is not None) for one in found]
        best = max if results.workload.metric(metric).higher_is_better else min
        return quotients(
            results.numbers(name.format(kind=kind), metric), found[medians.index(best(medians))]
        )

    return numbers


def max_to_min(names, metric):
    """How far apart several candidates are: the largest number of a round divided by the smallest."""

    def numbers(results, kind):
        rounds = zip(*(results.numbers(name.format(kind=kind), metric) for name in names))
        return [max(some) / min(some) if all(some) else None for some in rounds]

    return numbers


def quotients(dividends, divisors):
    return [a / b if a is not None and b else None for a, b in zip(dividends, divisors)]
