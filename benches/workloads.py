"""What is measured: the workloads, who takes part in each, and which figures of theirs are shown."""

from dataclasses import dataclass
from typing import Callable

CARPOOL, FLOOR, PEER = "carpool", "floor", "peer"


@dataclass(frozen=True)
class Candidate:
    """One who does the work: a program of this folder with its arguments."""

    role: str
    name: str
    command: tuple[str, ...]
    group: str = ""  # compared with the floor and the peer of its own group only


@dataclass(frozen=True)
class Figure:
    """One number of a run, as it is shown. value raises KeyError for a program that does not give it."""

    heading: str
    value: Callable[[dict], float]
    higher_is_better: bool = False
    compared: bool = False  # with the floor and the peer; and its spread tells whether it was noisy
    floor: str = ""  # the name of its floor where a group has several


@dataclass(frozen=True)
class Workload:
    name: str
    question: str
    candidates: tuple[Candidate, ...]
    figures: tuple[Figure, ...]
    notes: str = ""
    rounds_max: int = 7
    budget_s: float = 30  # no further round is begun when it would end after that


def candidate(role, name, *command, group=""):
    return Candidate(role, name, tuple(map(str, command)), group)


def multiprocessing(*command, name="multiprocessing.Pool, 2", group=""):
    return candidate(PEER, name, "multiprocessing_peer.py", *command, group=group)


def micros(key):
    return lambda run: run[key] / 1e3


def millis(key):
    return lambda run: run[key] / 1e6


def round_trip():
    trips, pauses = 200_000, 200
    return Workload(
        name="round_trip",
        question="One task in flight, 8 bytes each way: how long does it take?",
        candidates=(
            *(
                candidate(CARPOOL, f"{kind} pool, {workers}", "round_trip", kind, workers, trips, pauses)
                for kind in ("process", "thread")
                for workers in (1, 2)
            ),
            candidate(FLOOR, "spinning, 2 CPUs", "floor_round_trip", "spin", "across", trips, pauses),
            candidate(FLOOR, "futex, 2 CPUs", "floor_round_trip", "futex", "across", trips, pauses),
            candidate(FLOOR, "futex, 1 CPU", "floor_round_trip", "futex", "same", trips, pauses),
            multiprocessing("round_trip", 3000, 100),
        ),
        figures=(
            Figure("back to back, µs", micros("hot_ns"), compared=True, floor="spinning, 2 CPUs"),
            Figure("p50, µs", micros("p50_ns")),
            Figure("p99, µs", micros("p99_ns")),
            Figure("CPU, µs", micros("cpu_ns")),
            Figure("p50 after 2 ms of rest, µs", micros("paused_p50_ns"), compared=True, floor="futex, 2 CPUs"),
        ),
        notes="The floors are two processes that share a page, pinned to the CPUs named; pools are not pinned.",
        budget_s=40,
    )


def small_tasks():
    tasks = 1_000_000
    shapes = [(workers, 1) for workers in (1, 2, 8)] + [(2, 4)]
    return Workload(
        name="small_tasks",
        question="1 M small tasks, 8 bytes each way, a future each: how many in a second?",
        candidates=(
            *(
                candidate(
                    CARPOOL,
                    f"{kind} pool, {workers}"
                    + (f"; {submitters} submitters" if submitters > 1 else "")
                    + (f"; {window} in flight" if window else ""),
                    "small_tasks", kind, workers, submitters, window // submitters, tasks,
                )
                for kind in ("process", "thread")
                for workers, submitters in shapes
                for window in (0, 1000)
            ),
            candidate(FLOOR, "two rings, 2 CPUs", "floor_small_tasks", tasks),
            multiprocessing("small_tasks", 20_000),
        ),
        figures=(
            Figure("warm, M/s", lambda run: 1e3 / run["warm_ns"], higher_is_better=True, compared=True),
            Figure("first pass, M/s", lambda run: 1e3 / run["cold_ns"], higher_is_better=True),
            Figure("CPU, ns a task", lambda run: run["cpu_ns"]),
        ),
        notes="All are in flight at once where no number is given. The floor has no futures; "
        "multiprocessing does 20 000 tasks.",
        budget_s=55,
    )


def payload():
    kib, mib, run_ms = 1 << 10, 1 << 20, 200
    sizes = {"1 KiB": kib, "64 KiB": 64 * kib, "1 MiB": mib, "16 MiB": 16 * mib}
    largest = "16 MiB"

    def of_size(title):
        size = sizes[title]
        for kind in ("process", "thread"):
            command = ("payload", kind, "copied", size, run_ms)
            yield candidate(CARPOOL, f"{title}, {kind} pool", *command, group=title)
        if title == largest:
            for kind in ("process", "thread"):
                command = ("payload", kind, "in_place", size, run_ms)
                yield candidate(CARPOOL, f"{title}, {kind} pool, in place", *command, group=title)
        yield candidate(FLOOR, f"{title}, memcpy", "floor_payload", size, run_ms, group=title)
        if title == largest:
            yield multiprocessing("payload", size, run_ms, name=f"{title}, multiprocessing.Pool", group=title)

    return Workload(
        name="payload",
        question="Bytes there and back, one task after the other: how many in a second?",
        candidates=tuple(one for title in sizes for one in of_size(title)),
        figures=(
            Figure(
                "GB/s", lambda run: 2 * run["bytes"] / run["trip_ns"], higher_is_better=True, compared=True
            ),
            Figure("a trip, µs", micros("trip_ns")),
            Figure("CPU, µs a trip", micros("cpu_ns")),
        ),
        notes="Counted both ways: a trip of 1 MiB moves 2 MiB. memcpy copies there and back in one process. "
        "In place, the caller's writing of the bytes is part of the trip.",
        budget_s=30,
    )


def start():
    return Workload(
        name="start",
        question="A new pool of one worker, one result, and its end: how long does it take? And one more worker?",
        candidates=(
            candidate(CARPOOL, "process pool", "start", "process", 30),
            candidate(CARPOOL, "process pool, forkserver", "start", "forkserver", 30),
            candidate(CARPOOL, "process pool, fork", "start", "fork", 30),
            candidate(CARPOOL, "thread pool", "start", "thread", 100),
            candidate(FLOOR, "posix_spawn of /bin/true", "floor_start", 50),
            multiprocessing("start", 5, name="multiprocessing.Pool, 1"),
        ),
        figures=(
            Figure("in all, ms", millis("whole_ns"), compared=True),
            Figure("to the result, ms", millis("first_ns")),
            Figure("to the end, ms", millis("stop_ns")),
            Figure("a worker more, ms", millis("more_ns")),
            Figure("CPU, ms", millis("cpu_ns")),
        ),
        budget_s=12,
    )


def limits():
    limit_ms, tasks = 50, 20
    return Workload(
        name="limits",
        question=f"How late is a time limit of {limit_ms} ms, and how long does it take to cancel what runs?",
        candidates=(
            candidate(CARPOOL, "process pool, 1", "limits", "process", limit_ms, tasks),
            candidate(CARPOOL, "thread pool, 1", "limits", "thread", limit_ms, tasks),
        ),
        figures=(
            Figure("soft p50, ms", millis("soft_p50_ns")),
            Figure("latest, ms", millis("soft_max_ns")),
            Figure("hard p50, ms", millis("hard_p50_ns")),
            Figure("latest, ms", millis("hard_max_ns")),
            Figure("cancel p50, ms", millis("cancel_p50_ns")),
            Figure("longest, ms", millis("cancel_max_ns")),
        ),
        notes="Threads cannot be killed. The hard limit and the cancel count until the caller sees its future done.",
        budget_s=15,
    )


def idle():
    ms = 3000
    return Workload(
        name="idle",
        question=f"A pool of 2 workers without work for {ms // 1000} s: what do they and the library do?",
        candidates=(
            candidate(CARPOOL, "process pool, 2", "idle", "process", 2, ms),
            candidate(CARPOOL, "thread pool, 2", "idle", "thread", 2, ms),
            multiprocessing("idle", ms),
        ),
        figures=(
            Figure("context switches", lambda run: run["switches"]),
            Figure("CPU, ms", millis("cpu_ns")),
            Figure("threads", lambda run: run["threads"]),
        ),
        notes="Counted are all threads but the program's main one.",
        rounds_max=1,
    )


ALL = {workload.name: workload for workload in (round_trip(), small_tasks(), payload(), start(), limits(), idle())}
