"""Workloads about pools themselves: start and shutdown, memory, library size, time limits, idleness."""

import peers
from harness.model import (
    CARPOOL, FLOOR, Metric, Target, Workload, candidate, kibibytes, millis, ratio, unscaled, value,
)  # fmt: skip

STARTS = {"process": "process pool", "forkserver": "process pool, forkserver", "fork": "process pool, fork"}


def start():
    spawn = "posix_spawn of /bin/true"
    whole, more = "total", "one more worker"
    return Workload(
        name="start",
        question="A new pool with one worker, one result, and its shutdown: how long? And starting one more worker?",
        candidates=(
            *(candidate(CARPOOL, name, "programs/start", how, 30) for how, name in STARTS.items()),
            candidate(CARPOOL, "thread pool", "programs/start", "thread", 100),
            candidate(FLOOR, spawn, "floors/start", 50),
            *peers.start(),
        ),
        metrics=(
            Metric(whole, "ms", millis("whole_ns"), compared=True),
            Metric("to first result", "ms", millis("first_ns")),
            Metric("shutdown", "ms", millis("stop_ns")),
            Metric(more, "ms", millis("more_ns"), compared=True),
            Metric("CPU", "ms", millis("cpu_ns")),
        ),
        targets=(
            Target("pool_new, one result, shutdown", "at most 4 × posix_spawn of /bin/true",
                   ratio("process pool", whole, spawn), "×", at_most=4, kinds=("process",),
                   absolute=value("process pool", whole), absolute_unit="ms"),
            Target("pool_new, one result, shutdown", "under 0.2 ms",
                   value("thread pool", whole), "ms", at_most=0.2, kinds=("thread",)),
            Target("one more worker, forkserver", "under 0.5 ms",
                   value("process pool, forkserver", more), "ms", at_most=0.5, kinds=("process",)),
        ),  # fmt: skip
        budget_s=20,
    )


def memory():
    def names(how, workers):
        return f"{STARTS.get(how, 'thread pool')}, {workers}"

    return Workload(
        name="memory",
        question="How much memory does an idle worker take?",
        candidates=tuple(
            candidate(CARPOOL, names(how, workers), "programs/memory", how, workers)
            for how in (*STARTS, "thread")
            for workers in (2, 8)
        ),
        metrics=(
            Metric("per worker", "KiB", kibibytes("worker_bytes")),
            Metric("private", "KiB", kibibytes("private_bytes")),
            Metric("fork server", "KiB", kibibytes("forkserver_bytes")),
            Metric("growth of the program", "KiB", kibibytes("parent_bytes")),
            Metric("stacks", "KiB", kibibytes("stack_bytes")),
        ),
        targets=(
            Target("idle pool of 2 workers, memory per worker", "at most 1 MiB (proportional set size)",
                   value("process pool, 2", "per worker"), "KiB", at_most=1024, kinds=("process",)),
            Target("idle pool of 2 workers, memory per worker", "at most 64 KiB, without stacks",
                   value("thread pool, 2", "per worker"), "KiB", at_most=64, kinds=("thread",)),
        ),  # fmt: skip
        notes="Processes: the proportional set size (PSS) of a worker process, in which a page shared by n "
        "processes counts as 1/n; private pages are not shared. The fork server is the process that workers are "
        "forked from. Threads: the growth of the program since pool_new, without stacks, divided by the number of "
        "workers; it includes the memory of the pool itself, so it is smaller with 8 workers.",
        rounds_max=3,
        budget_s=10,
    )


def size():
    return Workload(
        name="size",
        question="How large is the library that a program links with?",
        candidates=(candidate(CARPOOL, "shared library, stripped", "programs/size.py"),),
        metrics=(Metric("size", "KiB", kibibytes("bytes")),),
        targets=(
            Target("size of the stripped shared library", "at most 1536 KiB",
                   value("shared library, stripped", "size"), "KiB", at_most=1536, kinds=("both",)),
        ),  # fmt: skip
        rounds_max=1,
    )


def limits():
    limit_ms, tasks = 50, 20
    return Workload(
        name="limits",
        question=f"How late is a time limit of {limit_ms} ms, and how long does it take to cancel a running task?",
        candidates=(
            candidate(CARPOOL, "process pool, 1", "programs/limits", "process", limit_ms, tasks),
            candidate(CARPOOL, "thread pool, 1", "programs/limits", "thread", limit_ms, tasks),
        ),
        metrics=(
            Metric("soft p50", "ms", millis("soft_p50_ns")),
            Metric("soft max", "ms", millis("soft_max_ns")),
            Metric("hard p50", "ms", millis("hard_p50_ns")),
            Metric("hard max", "ms", millis("hard_max_ns")),
            Metric("cancel p50", "ms", millis("cancel_p50_ns")),
            Metric("cancel max", "ms", millis("cancel_max_ns")),
        ),
        notes="Threads cannot be killed. Hard limits and cancellations are timed until the caller sees its future "
        "done.",
        rounds_max=3,
        budget_s=12,
    )


def death():
    def names(how):
        return f"{STARTS[how]}, 2"

    idle_p50, idle_p99, busy_p99, orphans = "idle p50", "idle p99", "saturated p99", "the program's own death, max"
    return Workload(
        name="death",
        question="A worker is killed: when does the caller know? The program is killed: when is its last worker gone?",
        candidates=(
            *(candidate(CARPOOL, names(how), "programs/death", how, 200, 20) for how in STARTS),
            *peers.death(),
        ),
        metrics=(
            Metric(idle_p50, "ms", millis("idle_p50_ns")),
            Metric(idle_p99, "ms", millis("idle_p99_ns")),
            Metric("saturated p50", "ms", millis("busy_p50_ns")),
            Metric(busy_p99, "ms", millis("busy_p99_ns")),
            Metric(orphans, "ms", millis("orphans_max_ns")),
        ),
        targets=tuple(
            Target(f"{case}, {STARTS[how].replace('process pool', 'spawn').removeprefix('spawn, ')}", goal,
                   value(names(how), metric), "ms", at_most=limit, kinds=("process",))
            for case, goal, metric, limit in (
                ("a worker's death to the error, idle", "median at most 0.3 ms", idle_p50, 0.3),
                ("a worker's death to the error, idle", "99th percentile at most 5 ms", idle_p99, 5),
                ("a worker's death to the error, saturated", "99th percentile at most 20 ms", busy_p99, 20),
                ("a program's death to its last worker's", "at most 50 ms", orphans, 50),
            )
            for how in STARTS
        ),  # fmt: skip
        notes="Saturated: two workers, and 80 tasks of 1 ms around the one that dies. After a worker's death "
        "ProcessPoolExecutor and loky are broken, and are made anew; multiprocessing.Pool, mpire and asyncpal wait "
        "for ever, and are left out. The workers of a program that was killed are waited for for 3 s.",
        rounds_max=3,
        budget_s=30,
    )


def idle():
    ms, two = 60_000, "{kind} pool, 2"
    case = "idle for a minute, 2 workers"
    return Workload(
        name="idle",
        question="A pool of 2 workers, idle for a minute: how often does it wake up?",
        candidates=(
            *(candidate(CARPOOL, f"{name}, 2", "programs/idle", how, 2, ms) for how, name in STARTS.items()),
            candidate(CARPOOL, "thread pool, 2", "programs/idle", "thread", 2, ms),
            *peers.idle(ms),
        ),
        metrics=(
            Metric("context switches", "", unscaled("switches")),
            Metric("CPU", "ms", millis("cpu_ns")),
            Metric("threads", "", unscaled("threads")),
        ),
        targets=(
            Target(case, "no wake-ups", value(two, "context switches"), "wake-ups", at_most=0),
            Target(case, "no CPU time", value(two, "CPU"), "ms", at_most=0),
        ),  # fmt: skip
        notes="Carpool's workers stay (min_workers). All threads of the program and the workers are counted, "
        "except the main thread of the program. All candidates wait at the same time.",
        rounds_max=1,
        concurrent=True,
    )
