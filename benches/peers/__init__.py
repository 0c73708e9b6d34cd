"""Other pools that do the same work: who takes part in which workload, with its program."""

from harness.model import PEER, candidate

POOL = "multiprocessing.Pool"  # what the tables compare with
# Pools of Python's world: (as it is shown, as peers/pools.py calls it).
PYTHON = {
    POOL: "multiprocessing",
    "ProcessPoolExecutor": "futures",
    "loky": "loky",
    "billiard": "billiard",
    "mpire": "mpire",
    "pebble": "pebble",
    "asyncpal": "asyncpal",
    "asyncpal threads": "asyncpal-threads",
}
# Thread pools of C and C++, all of which a C++ program can take: program and how it is used.
CPP = {
    "oneTBB enqueue": ("peers/tbb", "enqueue"),
    "oneTBB task_group": ("peers/tbb", "task_group"),
    "Asio post": ("peers/asio", "post"),
    "Asio use_future": ("peers/asio", "use_future"),
    "GLib": ("peers/glib", "push"),
    "libuv": ("peers/uv", "queue_work"),
    "thread_pool": ("peers/thread_pool", "submit"),
}
ROUNDS = 3  # fewer than carpool: they are many, and slow


def peer(family, library, name, *command, group=""):
    return candidate(PEER, name, *command, group=group, family=family, library=library, rounds=ROUNDS)


def python(pool, more, *command, before="", group=""):
    name = f"{before}{pool}{more}"
    return peer("Python", pool, name, "peers/python.py", PYTHON[pool], *command, group=group)


def cpp(more, *command, pools=tuple(CPP)):
    """A caller that helps while it waits is one more worker: that is told, and no pool of 2."""
    for name in pools:
        program, how = CPP[name]
        family = "C++, the caller helps" if how == "task_group" else "C++"
        yield peer(family, name.split()[0], f"{name}{more}", program, how, *command)


def rayon(name, *command):
    return peer("Rust", "Rayon", f"Rayon{name}", "peers/rayon", *command)


def round_trip():
    trips, pauses = 20_000, 100
    return (
        *(python(pool, ", 2", "round_trip", 600, pauses // 2) for pool in PYTHON),
        *cpp(", 2", "round_trip", trips, pauses),
        rayon(", 2", "round_trip", trips, pauses),
    )


def small_tasks(tasks):
    few, window, name = tasks // 5, 1000, ", 2; 1000 in flight"
    slow = ("Asio use_future", "GLib", "thread_pool")
    return (
        *(python(pool, ", 2", "small_tasks", 10_000 if pool == POOL else 2000) for pool in PYTHON),
        *cpp(", 2", "small_tasks", 0, tasks, pools=tuple(name for name in CPP if name not in slow)),
        *cpp(", 2", "small_tasks", 0, few, pools=slow),
        rayon(", 2", "small_tasks", 0, tasks),
        *cpp(name, "small_tasks", window, few),
        rayon(name, "small_tasks", window, few),
    )


def items(n):
    """Python's with the chunks that each makes by default, which may be of one item, and with 8 chunks."""
    some = n // 10
    chunks_of_many = {POOL: some, "billiard": some}
    slow = {"mpire": n // 100, "pebble": n // 100}
    return (
        *(python(pool, ", 2", "map", chunks_of_many.get(pool, 500), 0) for pool in PYTHON),
        *(
            python(pool, ", 2; 8 chunks", "map", slow.get(pool, some), slow.get(pool, some) // 8)
            for pool in PYTHON
        ),
        peer("C++", "oneTBB", "oneTBB parallel_for", "peers/tbb", "parallel_for", "map", n),
        peer("C++", "oneTBB", "oneTBB parallel_for, inlined", "peers/tbb", "parallel_for_inlined", "map", n),
        rayon(" par_iter", "map", n),
        rayon(" par_iter, inlined", "map_inlined", n),
    )


def scaling(title, task_us):
    """title and group are those of the workload's own candidates of this size."""
    tasks = min(50_000 // task_us, 2000)
    return (python(pool, f", {title}", "scaling", task_us, tasks, group=title) for pool in PYTHON)


def payload(title, size, run_ms):
    """title and group are those of the workload's own candidates of this size."""
    return (
        python(pool, "", "payload", size, run_ms, before=f"{title}, ", group=title)
        for pool in PYTHON
        if "threads" not in pool
    )


def start():
    few = {"billiard": 1, "mpire": 2, "pebble": 2}  # whose end takes long
    return (python(pool, ", 1", "start", few.get(pool, 4)) for pool in PYTHON)


def idle(ms):
    return (python(pool, ", 2", "idle", ms) for pool in PYTHON)
