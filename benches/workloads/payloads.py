"""Workloads that move bytes: copied in both directions, or written and read in place."""

import peers
from harness.model import (
    CARPOOL, FLOOR, KINDS, Metric, Target, Workload, candidate, max_to_min, micros, value,
)  # fmt: skip

KIB, MIB = 1 << 10, 1 << 20


def payload():
    run_ms = 200
    sizes = {"1 KiB": KIB, "64 KiB": 64 * KIB, "1 MiB": MIB, "16 MiB": 16 * MIB}
    largest = "16 MiB"

    def of_size(title):
        size = sizes[title]
        for kind in KINDS:
            command = ("programs/payload", kind, "copied", size, run_ms)
            yield candidate(CARPOOL, f"{title}, {kind} pool", *command, group=title)
        if title == largest:
            for mode in ("copied out", "in place"):
                for kind in KINDS:
                    command = ("programs/payload", kind, mode.replace(" ", "_"), size, run_ms)
                    yield candidate(CARPOOL, f"{title}, {kind} pool, {mode}", *command, group=title)
        yield candidate(FLOOR, f"{title}, memcpy", "floors/payload", size, run_ms, group=title)
        if title == largest:
            yield from peers.payload(title, size, run_ms)

    def rate(run):
        return 2 * run["bytes"] / run["trip_ns"]

    return Workload(
        name="payload",
        question="Bytes sent and returned, one task after the other: how many per second?",
        candidates=tuple(one for title in sizes for one in of_size(title)),
        metrics=(
            Metric("rate", "GB/s", rate, higher_is_better=True, compared=True),
            Metric("round trip", "µs", micros("trip_ns")),
            Metric("CPU", "µs per round trip", micros("cpu_ns")),
        ),
        targets=(
            Target("16 MiB each way, copied", "at least 12 GB/s",
                   value(f"{largest}, {{kind}} pool", "rate"), "GB/s", at_least=12, kinds=("process",)),
        ),  # fmt: skip
        notes="Both directions count: a round trip of 1 MiB moves 2 MiB. memcpy copies there and back in one "
        "process. A pool makes as many copies; copied out, it makes one more, into memory of the caller. In "
        "place, the round trip includes that the caller writes the bytes, and the task copies them.",
        budget_s=30,
    )


def in_place():
    run_ms = 100
    sizes = {
        "64 B": 64, "4 KiB": 4 * KIB, "64 KiB": 64 * KIB,
        "1 MiB": MIB, "16 MiB": 16 * MIB, "256 MiB": 256 * MIB,
    }  # fmt: skip
    names = [f"{size}, {{kind}} pool" for size in sizes if size not in ("64 B", "256 MiB")]
    return Workload(
        name="in_place",
        question="Bytes written and read in place: what does the pool add, depending on the size?",
        candidates=tuple(
            candidate(CARPOOL, f"{title}, {kind} pool", "programs/payload", kind, "ends_only", size, run_ms)
            for title, size in sizes.items()
            for kind in KINDS
        ),
        metrics=(
            Metric("round trip", "µs", micros("trip_ns"), compared=True),
            Metric("CPU", "µs per round trip", micros("cpu_ns")),
        ),
        targets=(
            Target("written in place, 4 KiB to 16 MiB each way", "cost independent of size (within 25 %)",
                   max_to_min(names, "round trip"), "×", at_most=1.25, kinds=("process",),
                   absolute=value(names[-1], "round trip"), absolute_unit="µs"),
        ),  # fmt: skip
        notes="A round trip is pool_buffer_new, submit, the task with pool_task_result of the same size, collect "
        "and free, one after the other with 1 worker. Both sides write and read only 8 bytes at each end of the "
        "buffer, because filling it costs the same with and without a pool. 64 bytes fit into the task itself; "
        "256 MiB exceed the largest block of the pool.",
        rounds_max=5,
        budget_s=20,
    )
