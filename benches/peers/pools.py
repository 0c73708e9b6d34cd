"""Pools of Python's world, behind four methods: submit, result, map and end.

Each class is given the number of workers. A library is imported when its class is made, and left at its
defaults, but for what its documentation says makes a pool that lasts.
"""

import importlib


class Futures:
    """concurrent.futures, and whoever has taken over its interface."""

    def __init__(self, executor, workers):
        self.pool = executor(max_workers=workers)

    def submit(self, task, x):
        return self.pool.submit(task, x)

    def result(self, future):
        return future.result()

    def map(self, task, items, chunk):
        return self.pool.map(task, items, chunksize=chunk or 1)

    def end(self):
        self.pool.shutdown()


class Multiprocessing:
    """multiprocessing.Pool, and billiard, which comes from it."""

    def __init__(self, library, workers):
        self.pool = library.Pool(workers)

    def submit(self, task, x):
        return self.pool.apply_async(task, (x,))

    def result(self, future):
        return future.get()

    def map(self, task, items, chunk):
        return self.pool.map(task, items, chunk or None)

    def end(self):
        self.pool.close()
        self.pool.join()


class Mpire(Multiprocessing):
    def __init__(self, library, workers):
        self.pool = library.WorkerPool(workers, keep_alive=True)

    def map(self, task, items, chunk):
        return self.pool.map(task, items, chunk_size=chunk or None)

    def end(self):
        self.pool.stop_and_join()


class Pebble(Futures):
    def __init__(self, library, workers):
        self.pool = library.ProcessPool(max_workers=workers)

    def submit(self, task, x):
        return self.pool.schedule(task, (x,))

    def map(self, task, items, chunk):
        return self.pool.map(task, items, chunksize=chunk or 1).result()

    def end(self):
        self.pool.close()
        self.pool.join()


class Asyncpal(Futures):
    """Its result() does not wait, collect() does. Its workers stay here, as those of the others do."""

    def __init__(self, executor, workers):
        self.pool = executor(workers, idle_timeout=None)

    def result(self, future):
        return future.collect()

    def map(self, task, items, chunk):
        return self.pool.map(task, items, chunk_size=chunk or 1)


# POOL: (its class, the module it needs, what the class is given of that).
POOLS = {
    "multiprocessing": (Multiprocessing, "multiprocessing", None),
    "futures": (Futures, "concurrent.futures", "ProcessPoolExecutor"),
    "loky": (Futures, "loky", "ProcessPoolExecutor"),
    "billiard": (Multiprocessing, "billiard", None),
    "mpire": (Mpire, "mpire", None),
    "pebble": (Pebble, "pebble", None),
    "asyncpal": (Asyncpal, "asyncpal", "ProcessPool"),
    "asyncpal-threads": (Asyncpal, "asyncpal", "ThreadPool"),
}


def named(name):
    """What makes a pool, given the number of workers; ImportError where the library is missing."""
    kind, module, attribute = POOLS[name]
    library = importlib.import_module(module)
    given = getattr(library, attribute) if attribute else library
    return lambda workers: kind(given, workers)
