"""Workloads of tasks: one, many, more than fit into a cache, items of a map, and long ones."""

import peers
from harness.model import (
    CARPOOL, FLOOR, KINDS, Metric, Target, Workload, candidate, max_to_min, micros,
    ratio, ratio_to_best, unscaled, value,
)  # fmt: skip


def round_trip():
    trips, pauses = 200_000, 200
    hot, p99, paused = "back to back", "p99", "p50 after 2 ms idle"
    spinning, sleeping = "spinning, 2 CPUs", "futex, 2 CPUs"

    def target(case, goal, name, metric, at_most, floor, floor_metric=""):
        return Target(
            case, goal, ratio(name, metric, floor, floor_metric), "×", at_most=at_most,
            absolute=value(name, metric), absolute_unit="µs",
        )  # fmt: skip

    return Workload(
        name="round_trip",
        question="One task in flight, 8 bytes each way: how long does a round trip take?",
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
            target("one task in flight, hot, 1 worker", "at most 2.5 × the spinning ping-pong",
                   "{kind} pool, 1", hot, 2.5, spinning),
            target("one task in flight, hot, 2 workers", "at most 5 × the spinning ping-pong",
                   "{kind} pool, 2", hot, 5, spinning),
            target("same, 99th percentile", "at most 2 × the futex ping-pong's median",
                   "{kind} pool, 2", p99, 2, sleeping, "p50"),
            target("one task in flight after a pause, all threads asleep", "at most 1.2 × the futex ping-pong",
                   "{kind} pool, 2", paused, 1.2, sleeping),
        ),  # fmt: skip
        notes="A floor is two processes that share a page and are pinned to the CPUs given; the pools are not "
        "pinned. Back to back is compared with the spinning floor; p99 is compared with the p50 of the futex "
        "floor on 2 CPUs, and p50 after 2 ms idle with the same metric of that floor.",
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
        question="1 M small tasks, 8 bytes each way, each with a future: how many per second?",
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
            Metric("CPU", "ns per task", unscaled("cpu_ns")),
        ),
        targets=(
            target(many, "at least 15 M/s", two, 15),
            Target("same, relative to C++", "at least 3 × the best C++ thread pool",
                   ratio_to_best(two, rate, "C++"), "×", at_least=3),
            Target("same, relative to Python", "at least 300 × multiprocessing.Pool",
                   ratio(two, rate, f"{peers.POOL}, 2"), "×", at_least=300),
            Target("same, relative to the process pool", "at least as fast",
                   ratio("thread pool, 2", rate, "process pool, 2"), "×", at_least=1, kinds=("thread",)),
            target("same, 4 submitting threads", "at least 7.5 M/s", f"{two}; 4 submitters", 7.5),
            target("same, 8 workers on 2 CPUs", "at least 7.5 M/s", "{kind} pool, 8", 7.5),
        ),  # fmt: skip
        notes="All tasks are in flight at once unless a number is given. The floor has no futures. "
        "If a C++ or Rust library has no future for a task, a reusable slot of 16 bytes takes "
        "its place; use_future and thread_pool create a std::future for each task. The caller of task_group "
        "runs tasks itself while it waits for all of them. The peers with 1000 in flight, GLib, use_future and "
        "thread_pool run 200 000 tasks, multiprocessing.Pool 10 000, the other Python pools 2000.",
        budget_s=110,
    )  # fmt: skip


def pending():
    depths = {"1 k": (1000, 400), "100 k": (100_000, 10), "10 M": (10_000_000, 2)}
    cost, size = "per task", "memory per task"
    names = [f"{{kind}} pool, {depth}" for depth in depths]
    return Workload(
        name="pending",
        question="Tasks that are all pending before 2 workers run them: what does each cost in time and memory?",
        candidates=tuple(
            candidate(CARPOOL, f"{kind} pool, {depth}", "programs/pending", kind, 2, tasks, cycles)
            for kind in KINDS
            for depth, (tasks, cycles) in depths.items()
        ),
        metrics=(
            Metric(cost, "ns", unscaled("task_ns"), compared=True),
            Metric("submit", "ns", unscaled("submit_ns")),
            Metric("run", "ns", unscaled("run_ns")),
            Metric("collect and free", "ns", unscaled("collect_ns")),
            Metric("first touch", "extra ns", unscaled("touch_ns")),
            Metric(size, "bytes", lambda run: run["bytes"]),
        ),
        targets=(
            Target("1 k, 100 k and 10 M pending tasks", "cost per task equal within 25 %",
                   max_to_min(names, cost), "×", at_most=1.25,
                   absolute=value(names[-1], cost), absolute_unit="ns"),
            Target("same, memory per task with 10 M", "at most 160 bytes",
                   value(names[-1], size), "bytes", at_most=160),
        ),  # fmt: skip
        notes="Both workers are blocked while all tasks are submitted, and then released. The cost is the wall "
        "time of the whole cycle minus that of a cycle without tasks, divided by the number of tasks: the median "
        "of the cycles on warm memory. First touch is the extra time of the first cycle. Memory is the growth of "
        "the proportional set sizes of the program and its workers, measured when all tasks are pending and when "
        "all are done; the larger one counts.",
        rounds_max=5,
        budget_s=45,
    )


def items():
    n, rate = 1_000_000, "warm"
    return Workload(
        name="map",
        question="pool_map over 1 M items, 8 bytes each way: how many items per second?",
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
            Metric("CPU", "ns per item", unscaled("cpu_ns")),
        ),
        targets=(
            Target("pool_map over 1 M items of 8 bytes", "at least 60 M items/s",
                   value("{kind} pool, 2", rate), "M/s", at_least=60),
        ),  # fmt: skip
        notes="For each item the task function is called once and returns a result. The floor is one thread "
        "that calls a function through a pointer for each item, as parallel_for and par_iter do unless they are "
        "marked inlined; C++ and Rust can inline the function into the loop, a C API cannot. parallel_for uses 2 "
        "threads, including its caller's. The Python pools map 100 000 items, or fewer if they are slow, with their "
        "default chunk size, and in 8 chunks.",
        budget_s=25,
    )


def scaling():
    sizes = {"10 µs": (10, 1.8), "100 µs": (100, 1.95), "10 ms": (10_000, 1.99)}
    total_ms = 400
    return Workload(
        name="scaling",
        question="Compute-bound tasks: how much faster are 2 workers than 1, and how much CPU time do they add?",
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
            Metric("1 worker relative to one thread", "×", unscaled("speed_1"), higher_is_better=True),
            Metric("CPU, 1 worker", "×", unscaled("cpu_1")),
            Metric("CPU, 2 workers", "×", unscaled("cpu_2")),
            Metric("CPU, 8 workers", "×", unscaled("cpu_8")),
            Metric("task in one thread", "µs", micros("serial_ns")),
        ),
        targets=(
            *(
                Target(f"tasks of {size} on 2 workers", f"at least {least} × one worker",
                       value(f"{{kind}} pool, {size}", "speed-up, 2 workers"), "×", at_least=least)
                for size, (_, least) in sizes.items()
            ),
            *(
                Target(f"tasks of {size} on 2 workers, CPU time", "at most 1.3 × that of one thread",
                       value(f"{{kind}} pool, {size}", "CPU, 2 workers"), "×", at_most=1.3)
                for size in list(sizes)[1:]
            ),
        ),  # fmt: skip
        notes="A task is a fixed number of steps, calibrated once per run of a program, so that one thread and "
        f"pools of 1, 2 and 8 workers do the same work in turn: {total_ms} ms of it each. The speed-up is "
        "relative to 1 worker. CPU time is that of the program and all its workers, including submitting, as a "
        "multiple of one thread's. For the Python pools a task is a loop in Python, 20 or 50 ms in total.",
        rounds_max=5,
        budget_s=50,
    )
