"""Other pools that do the same work: who takes part in which workload, with its program."""

from model import PEER, candidate

POOL = "multiprocessing.Pool"  # what the tables compare with
# Pools of Python's world: (as it is shown, as peer_python.py calls it).
PYTHON = {
    POOL: "multiprocessing",
    "ProcessPoolExecutor": "futures",
    "loky": "loky",
    "billiard": "billiard",
    "mpire": "mpire",
    "pebble": "pebble",
    "asyncpal": "asyncpal",
    "asyncpal, threads": "asyncpal-threads",
}
PROCESSES = {name: pool for name, pool in PYTHON.items() if "threads" not in name}
# Thread pools of C and C++, all of which a C++ program can take: program and how it is used.
CPP = {
    "oneTBB, task_arena::enqueue": ("peer_tbb", "enqueue"),
    "oneTBB, task_group; the caller helps": ("peer_tbb", "task_group"),
    "Asio, post": ("peer_asio", "post"),
    "Asio, use_future": ("peer_asio", "use_future"),
    "GLib, GThreadPool": ("peer_glib", "push"),
    "libuv, uv_queue_work": ("peer_uv", "queue_work"),
    "thread_pool, std::future": ("peer_thread_pool", "submit"),
}


ROUNDS = 3  # fewer than carpool: they are many, and slow


def peer(family, name, *command, group=""):
    return candidate(PEER, name, *command, group=group, family=family, rounds=ROUNDS)


def python(name, *command, group=""):
    """The name begins with that of the pool."""
    return peer("Python", name, "peer_python.py", PYTHON[name.split(";")[0]], *command, group=group)


def cpp(*command, more=""):
    """Where the caller helps, it is no pool of workers that a caller waits for, and not taken for one."""
    return (
        peer("C++, the caller helps" if how == "task_group" else "C++", f"{name}{more}", program, how, *command)
        for name, (program, how) in CPP.items()
    )


def rayon(how, *command):
    return peer("Rust", f"Rayon, {how}", "peer_rayon", *command)


def round_trip():
    trips, pauses = 20_000, 100
    return (
        *(python(name, "round_trip", 1000, pauses) for name in PYTHON),
        *cpp("round_trip", trips, pauses),
        rayon("spawn", "round_trip", trips, pauses),
    )


def small_tasks(tasks):
    """All in flight, and 1000 in flight."""
    few, window = tasks // 5, 1000
    return (
        *(python(name, "small_tasks", 20_000 if name == POOL else 3000) for name in PYTHON),
        *cpp("small_tasks", 0, tasks),
        rayon("spawn", "small_tasks", 0, tasks),
        *cpp("small_tasks", window, few, more=f"; {window} in flight"),
        rayon(f"spawn; {window} in flight", "small_tasks", window, few),
    )


def items(n):
    """Python's with chunks as they are by default, where an item each is very slow, and of an eighth."""
    few = {"mpire": n // 100, "pebble": n // 100}
    own = {POOL: n // 10, "billiard": n // 10}
    return (
        *(python(name, "map", own.get(name, 2000), 0) for name in PYTHON),
        *(
            python(f"{name}; 8 chunks", "map", items, items // 8)
            for name in PYTHON
            for items in [few.get(name, n // 10)]
        ),
        peer("C++", "oneTBB, parallel_for", "peer_tbb", "parallel_for", "map", n),
        peer("C++", "oneTBB, parallel_for; inlined", "peer_tbb", "parallel_for_inlined", "map", n),
        rayon("par_iter", "map", n),
        rayon("par_iter; inlined", "map_inlined", n),
    )


def scaling(title, task_us):
    """title and group are those of the workload's own candidates of this size."""
    in_all_us = 50_000
    return (
        python(f"{name}; {title}", "scaling", task_us, in_all_us // task_us, group=title) for name in PYTHON
    )


def payload(title, size, run_ms):
    """title and group are those of the workload's own candidates of this size."""
    return (python(f"{name}; {title}", "payload", size, run_ms, group=title) for name in PROCESSES)


def start():
    few = {"billiard": 1, "mpire": 2, "pebble": 2}  # whose end takes long
    return (python(f"{name}; 1", "start", few.get(name, 4)) for name in PYTHON)


def idle(ms):
    return (python(name, "idle", ms) for name in PYTHON)
