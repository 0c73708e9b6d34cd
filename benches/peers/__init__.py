"""The other pools: which of them are candidates of which workload, with their programs."""

from harness.model import PEER, candidate

POOL = "multiprocessing.Pool"  # the tables compare with this one
# Python pools: the name in the tables, the name in pools.py.
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
# Thread pools for C and C++, all usable from C++: the program, and the mode it is run in.
CPP = {
    "oneTBB enqueue": ("peers/tbb", "enqueue"),
    "oneTBB task_group": ("peers/tbb", "task_group"),
    "Asio post": ("peers/asio", "post"),
    "Asio use_future": ("peers/asio", "use_future"),
    "GLib": ("peers/glib", "push"),
    "libuv": ("peers/uv", "queue_work"),
    "thread_pool": ("peers/thread_pool", "submit"),
}
ROUNDS_MAX = 3  # fewer than carpool's: there are many peers, and they are slow


def peer(family, library, name, *command, group=""):
    options = {"group": group, "family": family, "library": library, "rounds_max": ROUNDS_MAX}
    return candidate(PEER, name, *command, **options)


def python(pool, suffix, *command, prefix="", group=""):
    name = f"{prefix}{pool}{suffix}"
    return peer("Python", pool, name, "peers/python.py", PYTHON[pool], *command, group=group)


def cpp(suffix, *command, pools=tuple(CPP)):
    """The caller of task_group helps while it waits: a third worker, so it gets a family of its own."""
    for name in pools:
        program, mode = CPP[name]
        family = "C++, the caller helps" if mode == "task_group" else "C++"
        yield peer(family, name.split()[0], f"{name}{suffix}", program, mode, *command)


def rayon(suffix, *command):
    return peer("Rust", "Rayon", f"Rayon{suffix}", "peers/rayon", *command)


def round_trip():
    trips, pauses = 20_000, 100
    return (
        *(python(pool, ", 2", "round_trip", 600, pauses // 2) for pool in PYTHON),
        *cpp(", 2", "round_trip", trips, pauses),
        rayon(", 2", "round_trip", trips, pauses),
    )


def small_tasks(tasks):
    few, window, suffix = tasks // 5, 1000, ", 2; 1000 in flight"
    slow = ("Asio use_future", "GLib", "thread_pool")
    return (
        *(python(pool, ", 2", "small_tasks", 10_000 if pool == POOL else 2000) for pool in PYTHON),
        *cpp(", 2", "small_tasks", 0, tasks, pools=tuple(name for name in CPP if name not in slow)),
        *cpp(", 2", "small_tasks", 0, few, pools=slow),
        rayon(", 2", "small_tasks", 0, tasks),
        *cpp(suffix, "small_tasks", window, few),
        rayon(suffix, "small_tasks", window, few),
    )


def items(n):
    """The Python pools twice: with their default chunk size, which may be one item, and with 8 chunks."""
    some = n // 10
    default_chunks = {POOL: some, "billiard": some}  # whose default is large chunks
    slow = {"mpire": n // 100, "pebble": n // 100}
    return (
        *(python(pool, ", 2", "map", default_chunks.get(pool, 500), 0) for pool in PYTHON),
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
    """title is also the group, as it is for the workload's own candidates of this size."""
    tasks = min(50_000 // task_us, 2000)
    return (python(pool, f", {title}", "scaling", task_us, tasks, group=title) for pool in PYTHON)


def payload(title, size, run_ms):
    """title is also the group, as it is for the workload's own candidates of this size."""
    return (
        python(pool, "", "payload", size, run_ms, prefix=f"{title}, ", group=title)
        for pool in PYTHON
        if "threads" not in pool
    )


def start():
    few = {"billiard": 1, "mpire": 2, "pebble": 2}  # their shutdown is slow
    return (python(pool, ", 1", "start", few.get(pool, 4)) for pool in PYTHON)


def death():
    """Not the pools that wait for ever for the task of a dead worker."""
    few = {"billiard": 1}  # It gives up after ten seconds.
    return (python(pool, ", 2", "death", few.get(pool, 20)) for pool in ("ProcessPoolExecutor", "loky", "billiard", "pebble"))


def idle(ms):
    return (python(pool, ", 2", "idle", ms) for pool in PYTHON)
