"""Workloads of tasks: one, many, more than fit into a cache, items of a map, and long ones."""

import peers
from harness.model import (
    CARPOOL, FLOOR, KINDS, Metric, Target, Workload, candidate, max_to_min, micros,
    ratio, ratio_to_best, unscaled, value,
)  # fmt: skip


def round_trip():
    trips, pauses = 200_000, 200
    hot, p99, paused = "back to back", "p99", "p50 after 2 ms of rest"
    spinning, sleeping = "spinning, 2 CPUs", "futex, 2 CPUs"

    def target(case, goal, name, metric, at_most, floor, floor_metric=""):
        return Target(
            case, goal, ratio(name, metric, floor, floor_metric), "×", at_most=at_most,
            absolute=value(name, metric), absolute_unit="µs",
        )  # fmt: skip

    return Workload(
        name="round_trip",
        question="One task in flight, 8 bytes each way: how long does it take?",
        candidates=(
            *(
                candidate(CARPOOL, f"{kind} pool, {workers}", "programs/round_trip", kind, workers, trips, pauses)
                for kind in KINDS
                for workers in (1, 2, 8)
            ),
            candidate(FLOOR, spinning, "floors/round_trip", "spin", "across", trips, pauses),
            candidate(FLOOR, sleeping, "floors/round_trip", "futex", "across", trips, pauses),
            candidate(FLOOR, "futex, 1 CPU", "floors/round_trip", "futex", "same", trips, pauses),
            *peers.round_trip(),
        ),
        metrics=(
            Metric(hot, "µs", micros("hot_ns"), compared=True, floor=spinning),
            Metric("p50", "µs", micros("p50_ns")),
            Metric(p99, "µs", micros("p99_ns"), compared=True, floor=sleeping, floor_metric="p50"),
            Metric("CPU", "µs", micros("cpu_ns")),
            Metric(paused, "µs", micros("paused_p50_ns"), compared=True, floor=sleeping),
        ),
        targets=(
            target("one in flight, hot, 1 worker", "at most 2.5 × the spinning ping-pong",
                   "{kind} pool, 1", hot, 2.5, spinning),
            target("one in flight, hot, 2 workers", "at most 5 × the spinning ping-pong",
                   "{kind} pool, 2", hot, 5, spinning),
            target("the same: 99th percentile", "at most 2 × the futex ping-pong's median",
                   "{kind} pool, 2", p99, 2, sleeping, "p50"),
            target("one in flight after a pause, everyone asleep", "at most 1.2 × the futex ping-pong",
                   "{kind} pool, 2", paused, 1.2, sleeping),
        ),  # fmt: skip
        notes="The floors are two processes that share a page, pinned to the CPUs named; pools are not "
        "pinned. Back to back is compared with the spinning floor, what comes after with the futex across "
        "2 CPUs: p99 with its p50, the trip after a rest with its own after a rest.",
        budget_s=70,
    )


def small_tasks():
    tasks = 1_000_000
    shapes = [(workers, 1) for workers in (1, 2, 8)] + [(2, 4)]
    rate = "warm"

    def names(kind, workers, submitters, window):
        more = (f"; {submitters} submitters" if submitters > 1 else "") + (
            f"; {window} in flight" if window else ""
        )
        return f"{kind} pool, {workers}{more}"

    def target(case, goal, name, at_least):
        return Target(case, goal, value(name, rate), "M/s", at_least=at_least)

    two = "{kind} pool, 2"
    many = "1 M small tasks, 8 bytes each way, 2 workers"
    return Workload(
        name="small_tasks",
        question="1 M small tasks, 8 bytes each way, a future each: how many in a second?",
        candidates=(
            *(
                candidate(
                    CARPOOL, names(kind, workers, submitters, window),
                    "programs/small_tasks", kind, workers, submitters, window // submitters, tasks,
                )
                for kind in KINDS
                for workers, submitters in shapes
                for window in (0, 1000)
            ),
            candidate(FLOOR, "two rings, 2 CPUs", "floors/small_tasks", tasks),
            *peers.small_tasks(tasks),
        ),
        metrics=(
            Metric(rate, "M/s", lambda run: 1e3 / run["warm_ns"], higher_is_better=True, compared=True),
            Metric("first pass", "M/s", lambda run: 1e3 / run["cold_ns"], higher_is_better=True),
            Metric("CPU", "ns a task", unscaled("cpu_ns")),
        ),
        targets=(
            target(many, "at least 15 M/s", two, 15),
            Target("the same beside C++", "at least 3 × the best C++ thread pool",
                   ratio_to_best(two, rate, "C++"), "×", at_least=3),
            Target("the same beside Python", "at least 300 × multiprocessing.Pool",
                   ratio(two, rate, f"{peers.POOL}, 2"), "×", at_least=300),
            Target("the same beside the process pool", "at least as fast",
                   ratio("thread pool, 2", rate, "process pool, 2"), "×", at_least=1, kinds=("thread",)),
            target("the same from 4 submitting threads", "at least 7.5 M/s", f"{two}; 4 submitters", 7.5),
            target("the same with 8 workers on 2 CPUs", "at least 7.5 M/s", "{kind} pool, 8", 7.5),
        ),  # fmt: skip
        notes="All are in flight at once where no number is given. The floor has no futures. "
        "Where a peer of C++ or Rust has no future for a task, a slot of 16 bytes that is used again takes "
        "its place; use_future and thread_pool make a std::future for each. The caller of task_group runs "
        "tasks itself while it waits for all. Those with 1000 in flight, GLib, use_future and "
        "thread_pool do 200 000 tasks, multiprocessing.Pool 10 000, Python's others 2000.",
        budget_s=110,
    )  # fmt: skip


def pending():
    depths = {"1 k": (1000, 400), "100 k": (100_000, 10), "10 M": (10_000_000, 2)}
    cost, size = "a task", "memory of a task"
    names = [f"{{kind}} pool, {depth}" for depth in depths]
    return Workload(
        name="pending",
        question="Tasks that all wait at once, before 2 workers run them: what does one cost, and take?",
        candidates=tuple(
            candidate(CARPOOL, f"{kind} pool, {depth}", "programs/pending", kind, 2, tasks, cycles)
            for kind in KINDS
            for depth, (tasks, cycles) in depths.items()
        ),
        metrics=(
            Metric(cost, "ns", unscaled("task_ns"), compared=True),
            Metric("to submit", "ns", unscaled("submit_ns")),
            Metric("to run", "ns", unscaled("run_ns")),
            Metric("to collect and free", "ns", unscaled("collect_ns")),
            Metric("first touch", "ns more", unscaled("touch_ns")),
            Metric(size, "bytes", lambda run: run["bytes"]),
        ),
        targets=(
            Target("pending 1 k, 100 k, 10 M tasks", "cost of a task flat within 25 %",
                   max_to_min(names, cost), "×", at_most=1.25,
                   absolute=value(names[-1], cost), absolute_unit="ns"),
            Target("the same: memory of a task, 10 M", "at most 160 bytes",
                   value(names[-1], size), "bytes", at_most=160),
        ),  # fmt: skip
        notes="Both workers are held while all tasks are submitted, and then let go. The cost is the wall "
        "time of the whole cycle, less that of a cycle without tasks, divided by the tasks: the median of "
        "cycles on warm memory. What the first cycle takes beyond that is the first touch. Memory is what "
        "the proportional set sizes of program and workers grow by, from the empty pool to all tasks "
        "waiting, and later done.",
        rounds_max=5,
        budget_s=45,
    )


def items():
    n, rate = 1_000_000, "warm"
    return Workload(
        name="map",
        question="pool_map over 1 M items, 8 bytes each way: how many in a second?",
        candidates=(
            *(
                candidate(CARPOOL, f"{kind} pool, {workers}", "programs/map", kind, workers, n)
                for kind in KINDS
                for workers in (1, 2, 8)
            ),
            candidate(FLOOR, "a loop", "floors/map", n),
            *peers.items(n),
        ),
        metrics=(
            Metric(rate, "M/s", lambda run: 1e3 / run["warm_ns"], higher_is_better=True, compared=True),
            Metric("first map", "M/s", lambda run: 1e3 / run["cold_ns"], higher_is_better=True),
            Metric("CPU", "ns an item", unscaled("cpu_ns")),
        ),
        targets=(
            Target("pool_map of 1 M items of 8 bytes", "at least 60 M items/s",
                   value("{kind} pool, 2", rate), "M/s", at_least=60),
        ),  # fmt: skip
        notes="Each item is a call of a task's function with a result of its own. The floor is one thread "
        "that calls a function for each, through a pointer, as parallel_for and par_iter do here where they are "
        "not inlined; C++ and Rust can make the function part of the loop, a C API cannot. parallel_for has 2 "
        "threads, its caller's included. Python's pools map 100 000 items, or fewer where they are slow, in "
        "chunks as each makes them by default, and 8 in all.",
        budget_s=25,
    )


def scaling():
    sizes = {"10 µs": (10, 1.8), "100 µs": (100, 1.95), "10 ms": (10_000, 1.99)}
    total_ms = 400
    return Workload(
        name="scaling",
        question="Tasks that compute for a while: how much faster are 2 workers than 1, and what CPU time "
        "do they add?",
        candidates=tuple(
            one
            for size, (task_us, _) in sizes.items()
            for one in (
                *(
                    candidate(
                        CARPOOL, f"{kind} pool, {size}",
                        "programs/scaling", kind, task_us, total_ms * 1000 // task_us, group=size,
                    )
                    for kind in KINDS
                ),
                *(peers.scaling(size, task_us) if task_us < 1000 else ()),
            )
        ),
        metrics=(
            Metric("speed-up, 2 workers", "×", unscaled("speed_up_2"), True, compared=True, is_ratio=True),
            Metric("8 workers", "×", unscaled("speed_up_8"), higher_is_better=True),
            Metric("1 worker beside one thread", "×", unscaled("speed_1"), higher_is_better=True),
            Metric("CPU, 1 worker", "×", unscaled("cpu_1")),
            Metric("CPU, 2 workers", "×", unscaled("cpu_2")),
            Metric("CPU, 8 workers", "×", unscaled("cpu_8")),
            Metric("a task in one thread", "µs", micros("serial_ns")),
        ),
        targets=(
            *(
                Target(f"tasks of {size} on 2 workers", f"at least {least} × one worker",
                       value(f"{{kind}} pool, {size}", "speed-up, 2 workers"), "×", at_least=least)
                for size, (_, least) in sizes.items()
            ),
            *(
                Target(f"CPU time of tasks of {size} on 2 workers", "at most 1.3 × that of one thread",
                       value(f"{{kind}} pool, {size}", "CPU, 2 workers"), "×", at_most=1.3)
                for size in list(sizes)[1:]
            ),
        ),  # fmt: skip
        notes="A task is a fixed number of steps, found once for each run of a program, so that the same work "
        f"is done by one thread, by 1, 2 and 8 workers in turn: {total_ms} ms of it each. The speed-up is "
        "that over 1 worker. CPU time is that of the program and all workers, as a multiple of one "
        "thread's, the submitting included. Tasks of Python's pools are a loop in Python, 20 or 50 ms of them.",
        rounds_max=5,
        budget_s=50,
    )
