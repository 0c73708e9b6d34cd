"""The measurements of the C programs, made with Python's multiprocessing.Pool of two processes.

    multiprocessing_peer.py round_trip CALLS PAUSES
    multiprocessing_peer.py small_tasks TASKS
    multiprocessing_peer.py payload BYTES MILLISECONDS
    multiprocessing_peer.py start POOLS
    multiprocessing_peer.py idle MILLISECONDS

Prints one line of JSON with the names that the C programs use.
"""

import json
import multiprocessing
import os
import statistics
import sys
import time

WORKERS = 2


def twice_plus_one(x):
    return x * 2 + 1


def echo(data):
    return data


def nap(_):
    time.sleep(0.05)


def cpu_ns():
    """User and system time of this process, of its live children, and of those waited for."""
    live = 0
    for child in multiprocessing.active_children():
        live += time.clock_gettime_ns(~child.pid << 3 | 2)  # as clock_getcpuclockid makes it
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


def percentile(values, percent):
    return sorted(values)[(len(values) - 1) * percent // 100]


def timed(call):
    begin = time.monotonic_ns()
    call()
    return time.monotonic_ns() - begin


def round_trip(calls, pauses):
    with multiprocessing.Pool(WORKERS) as pool:
        def trip(x=20):
            assert pool.apply(twice_plus_one, (x,)) == x * 2 + 1

        def paused():
            time.sleep(0.002)
            return timed(trip)

        for x in range(100):
            trip(x)
        with Span() as span:
            for x in range(calls):
                trip(x)
        each = [timed(trip) for _ in range(calls)]
        return {
            "trips": calls,
            "hot_ns": span.wall_ns / calls,
            "cpu_ns": span.cpu_ns / calls,
            "p50_ns": percentile(each, 50),
            "p99_ns": percentile(each, 99),
            "paused_p50_ns": percentile([paused() for _ in range(pauses)], 50),
        }


def small_tasks(tasks):
    with multiprocessing.Pool(WORKERS) as pool:
        def run():
            with Span() as span:
                futures = [pool.apply_async(twice_plus_one, (x,)) for x in range(tasks)]
                for x, future in enumerate(futures):
                    assert future.get() == x * 2 + 1
                del futures
            return span

        pool.map(nap, range(WORKERS), chunksize=1)
        cold, warm = run(), run()
        return {
            "tasks": tasks,
            "warm_passes": 1,
            "cold_ns": cold.wall_ns / tasks,
            "warm_ns": warm.wall_ns / tasks,
            "cpu_ns": warm.cpu_ns / tasks,
        }


def payload(size, budget_ms):
    data = os.urandom(4096) * (size // 4096)
    with multiprocessing.Pool(WORKERS) as pool:
        pool.apply(echo, (data,))
        trips = 0
        with Span() as span:
            while trips == 0 or time.monotonic_ns() - span.wall_ns < budget_ms * 1_000_000:
                assert pool.apply(echo, (data,)) == data
                trips += 1
    return {
        "bytes": size,
        "trips": trips,
        "trip_ns": span.wall_ns / trips,
        "cpu_ns": span.cpu_ns / trips,
    }


def start(pools):
    first, stop, whole = [], [], []
    with Span() as span:
        for _ in range(pools):
            begin = time.monotonic_ns()
            pool = multiprocessing.Pool(1)
            assert pool.apply(twice_plus_one, (20,)) == 41
            result = time.monotonic_ns()
            pool.close()
            pool.join()
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
    """Threads, context switches and CPU time of all children, and of all threads here but the main one."""
    threads = switches = cpu = 0
    for pid in [os.getpid()] + [child.pid for child in multiprocessing.active_children()]:
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


def idle(budget_ms):
    with multiprocessing.Pool(WORKERS) as pool:
        pool.map(nap, range(WORKERS), chunksize=1)
        time.sleep(0.3)
        before = activity()
        time.sleep(budget_ms / 1000)
        after = activity()
    return {
        "ms": budget_ms,
        "threads": after[0],
        "switches": after[1] - before[1],
        "cpu_ns": after[2] - before[2],
    }


if __name__ == "__main__":
    measure = {f.__name__: f for f in (round_trip, small_tasks, payload, start, idle)}[sys.argv[1]]
    print(json.dumps(measure(*map(int, sys.argv[2:]))))
