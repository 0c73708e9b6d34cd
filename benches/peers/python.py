"""The measurements of the C programs for a Python pool with two workers.

    python.py POOL round_trip CALLS PAUSES
    python.py POOL small_tasks TASKS
    python.py POOL map ITEMS CHUNK             CHUNK 0: the pool's default
    python.py POOL payload BYTES MILLISECONDS
    python.py POOL scaling MICROSECONDS TASKS
    python.py POOL start POOLS
    python.py POOL idle MILLISECONDS
    python.py POOL death DEATHS

POOL is a name in pools.py. Prints one line of JSON with the same keys as the C programs.
"""

import ctypes
import json
import os
import select
import signal
import statistics
import sys
import tempfile
import time

import pools
from tasks import compute, die, echo, nap, sleep, twice_plus_one

WORKERS = 2
MAPS = 3  # the first is reported separately, then the median of the others


# ---- processes ----------------------------------------------------------------------------------


def parents():
    """The parent of each process."""
    found = {}
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
                found[int(pid)] = int(stat.read().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            pass  # the process has ended
    return found


def children():
    """All descendants of this process."""
    parent_of, found = parents(), []
    family = [os.getpid()]
    while family:
        family = [pid for pid, parent in parent_of.items() if parent in family]
        found += family
    return found


def cpu_ns():
    """User and system time of this process and its children, both live and reaped."""
    live = 0
    for pid in children():
        try:
            live += time.clock_gettime_ns(~pid << 3 | 2)  # as clock_getcpuclockid computes it
        except OSError:
            pass  # the process has ended
    times = os.times()
    return live + int((times.children_user + times.children_system) * 1e9) + time.process_time_ns()


class Span:
    """Wall and CPU time of a with block."""

    def __enter__(self):
        self.cpu_ns = cpu_ns()
        self.wall_ns = time.monotonic_ns()
        return self

    def __exit__(self, *_):
        self.wall_ns = time.monotonic_ns() - self.wall_ns
        self.cpu_ns = cpu_ns() - self.cpu_ns


def timed(call):
    begin = time.monotonic_ns()
    call()
    return time.monotonic_ns() - begin


def percentile(values, percent):
    return sorted(values)[(len(values) - 1) * percent // 100]


# ---- the workloads -------------------------------------------------------------------------------


def check(ok):
    """assert, also under -O."""
    if not ok:
        sys.exit("a wrong result")


def start_pool(new_pool, workers=WORKERS):
    """A pool whose workers all run: they nap, so that one cannot run all tasks."""
    pool = new_pool(workers)
    for _ in range(2):
        for future in [pool.submit(nap, x) for x in range(workers)]:
            pool.result(future)
    return pool


def round_trip(new_pool, calls, pauses):
    pool = start_pool(new_pool)

    def trip(x=20):
        check(pool.result(pool.submit(twice_plus_one, x)) == x * 2 + 1)

    def paused():
        time.sleep(0.002)
        return timed(trip)

    for x in range(100):
        trip(x)
    with Span() as span:
        for x in range(calls):
            trip(x)
    each = [timed(trip) for _ in range(calls)]
    after_rest = [paused() for _ in range(pauses)]
    pool.shutdown()
    return {
        "trips": calls,
        "hot_ns": span.wall_ns / calls,
        "cpu_ns": span.cpu_ns / calls,
        "p50_ns": percentile(each, 50),
        "p99_ns": percentile(each, 99),
        "paused_p50_ns": percentile(after_rest, 50),
    }


def submit_all(pool, task, arguments, answers):
    """All tasks in flight at once, with a future each."""
    with Span() as span:
        futures = [pool.submit(task, x) for x in arguments]
        for future, answer in zip(futures, answers):
            check(pool.result(future) == answer)
        del futures, future
    return span


def small_tasks(new_pool, tasks):
    pool = start_pool(new_pool)
    answers = range(1, 2 * tasks + 1, 2)
    cold, warm = (submit_all(pool, twice_plus_one, range(tasks), answers) for _ in range(2))
    pool.shutdown()
    return {
        "tasks": tasks,
        "warm_passes": 1,
        "cold_ns": cold.wall_ns / tasks,
        "warm_ns": warm.wall_ns / tasks,
        "cpu_ns": warm.cpu_ns / tasks,
    }


def map_items(new_pool, items, chunk):
    pool = start_pool(new_pool)
    spans = []
    for _ in range(MAPS):
        with Span() as span:
            results = list(pool.map(twice_plus_one, range(items), chunk))
        check(results == list(range(1, 2 * items + 1, 2)))
        spans.append(span)
    pool.shutdown()
    return {
        "items": items,
        "cold_ns": spans[0].wall_ns / items,
        "warm_ns": statistics.median(span.wall_ns for span in spans[1:]) / items,
        "cpu_ns": statistics.median(span.cpu_ns for span in spans[1:]) / items,
    }


def payload(new_pool, size, budget_ms):
    data = os.urandom(4096) * (size // 4096)
    pool = start_pool(new_pool)
    pool.result(pool.submit(echo, data))
    trips = 0
    with Span() as span:
        while trips == 0 or time.monotonic_ns() - span.wall_ns < budget_ms * 1_000_000:
            check(pool.result(pool.submit(echo, data)) == data)
            trips += 1
    pool.shutdown()
    return {
        "bytes": size,
        "trips": trips,
        "trip_ns": span.wall_ns / trips,
        "cpu_ns": span.cpu_ns / trips,
    }


def steps_for(task_us):
    return 100_000 * task_us * 1000 // min(timed(lambda: compute(100_000)) for _ in range(5))


def scaling(new_pool, task_us, tasks):
    """A task is a fixed number of steps, calibrated once."""
    steps = steps_for(task_us)
    answer = compute(steps)
    with Span() as serial:
        for _ in range(tasks):
            check(compute(steps) == answer)
    spans = {}
    for workers in (1, 2):
        pool = start_pool(new_pool, workers)
        spans[workers] = submit_all(pool, compute, [steps] * tasks, [answer] * tasks)
        pool.shutdown()
    return {
        "tasks": tasks,
        "steps": steps,
        "serial_ns": serial.wall_ns / tasks,
        "speed_1": serial.wall_ns / spans[1].wall_ns,
        "speed_up_2": spans[1].wall_ns / spans[2].wall_ns,
        "cpu_1": spans[1].cpu_ns / serial.cpu_ns,
        "cpu_2": spans[2].cpu_ns / serial.cpu_ns,
    }


def start(new_pool, pools):
    first, stop, whole = [], [], []
    with Span() as span:
        for _ in range(pools):
            begin = time.monotonic_ns()
            pool = new_pool(1)
            check(pool.result(pool.submit(twice_plus_one, 20)) == 41)
            result = time.monotonic_ns()
            pool.shutdown()
            end = time.monotonic_ns()
            first.append(result - begin)
            stop.append(end - result)
            whole.append(end - begin)
    return {
        "pools": pools,
        "first_ns": statistics.median(first),
        "stop_ns": statistics.median(stop),
        "whole_ns": statistics.median(whole),
        "cpu_ns": span.cpu_ns / pools,
    }


def activity():
    """Threads, context switches and CPU time of all children and of this process, without its main thread."""
    threads = switches = cpu = 0
    for pid in [os.getpid(), *children()]:
        for thread in os.listdir(f"/proc/{pid}/task"):
            if int(thread) == os.getpid():
                continue
            folder = f"/proc/{pid}/task/{thread}"
            with open(f"{folder}/status", encoding="ascii", errors="replace") as status:
                switches += sum(int(line.split()[1]) for line in status if "ctxt_switches:" in line)
            with open(f"{folder}/schedstat", encoding="ascii") as schedstat:
                cpu += int(schedstat.read().split()[0])
            threads += 1
    return threads, switches, cpu


def idle(new_pool, budget_ms):
    pool = start_pool(new_pool)
    time.sleep(0.3)
    before = activity()
    time.sleep(budget_ms / 1000)
    after = activity()
    pool.shutdown()
    return {
        "ms": budget_ms,
        "threads": after[0],
        "switches": after[1] - before[1],
        "cpu_ns": after[2] - before[2],
    }


def death_of_worker(new_pool, path, around, steps):
    """From the worker's death until the caller knows. The pool may be broken afterwards, or worse."""
    pool = start_pool(new_pool)
    for _ in range(around):
        pool.submit(compute, steps)
    future = pool.submit(die, path)
    for _ in range(around):
        pool.submit(compute, steps)
    try:
        pool.result(future)
        sys.exit("a task of a dead worker has a result")
    except Exception:  # Each library has a class of its own.
        end = time.monotonic_ns()
    with open(path, "rb") as notes:
        took = end - int.from_bytes(notes.read(), "little")
    try:
        pool.shutdown()
    except Exception:  # Some say again that they are broken.
        pass
    return took


def death_of_program(new_pool):
    """From the death of a program, whose workers run tasks, until they are gone; at most ORPHANS_MAX_S."""
    ready, told = os.pipe()
    program = os.fork()
    if program == 0:
        pool = start_pool(new_pool)
        for _ in range(WORKERS):
            pool.submit(sleep, 1000)
        time.sleep(0.2)
        os.write(told, b"1")
        time.sleep(1000)
    os.read(ready, 1)
    family = [os.pidfd_open(pid) for pid in children() if pid != program]
    begin = time.monotonic_ns()
    os.kill(program, signal.SIGKILL)
    for pidfd in family:
        left = ORPHANS_MAX_S - (time.monotonic_ns() - begin) / 1e9
        if not select.select([pidfd], [], [], max(left, 0))[0]:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    took = time.monotonic_ns() - begin
    for descriptor in (ready, told, *family):
        os.close(descriptor)
    try:
        while True:
            os.wait()
    except ChildProcessError:
        return took


PR_SET_CHILD_SUBREAPER = 36
ORPHANS_MAX_S = 3


def death(new_pool, deaths):
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    orphans = death_of_program(new_pool)
    steps = steps_for(1000)
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as notes:
        idle = [death_of_worker(new_pool, notes.name, 0, steps) for _ in range(deaths)]
        busy = [death_of_worker(new_pool, notes.name, 40, steps) for _ in range(deaths)]
    return {
        "idle_p50_ns": percentile(idle, 50),
        "idle_p99_ns": percentile(idle, 99),
        "busy_p50_ns": percentile(busy, 50),
        "busy_p99_ns": percentile(busy, 99),
        "orphans_max_ns": orphans,
    }


WORKLOADS = {
    "round_trip": round_trip,
    "small_tasks": small_tasks,
    "map": map_items,
    "payload": payload,
    "scaling": scaling,
    "start": start,
    "idle": idle,
    "death": death,
}


def main():
    pool, workload, *numbers = sys.argv[1:]
    try:
        new_pool = pools.factory(pool)
    except ImportError as why:
        print(why, file=sys.stderr)
        return 77
    print(json.dumps(WORKLOADS[workload](new_pool, *[int(number) for number in numbers])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
