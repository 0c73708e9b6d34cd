"""Python pools behind one interface: submit, result, map and shutdown.

A library is imported only when its pool is used. All options are defaults, except where the documentation
of a library names an option that keeps the workers of an idle pool.
"""

import importlib


class Futures:
    """concurrent.futures, and libraries with the same interface."""

    def __init__(self, executor, workers):
        self.pool = executor(max_workers=workers)

    def submit(self, task, x):
        return self.pool.submit(task, x)

    def result(self, future):
        return future.result()

    def map(self, task, items, chunk):
        return self.pool.map(task, items, chunksize=chunk or 1)

    def shutdown(self):
        self.pool.shutdown()


class Multiprocessing:
    """multiprocessing.Pool and its fork billiard."""

    def __init__(self, library, workers):
        self.pool = library.Pool(workers)

    def submit(self, task, x):
        return self.pool.apply_async(task, (x,))

    def result(self, future):
        return future.get()

    def map(self, task, items, chunk):
        return self.pool.map(task, items, chunk or None)

    def shutdown(self):
        self.pool.close()
        self.pool.join()


class Mpire(Multiprocessing):
    def __init__(self, library, workers):
        self.pool = library.WorkerPool(workers, keep_alive=True)

    def map(self, task, items, chunk):
        return self.pool.map(task, items, chunk_size=chunk or None)

    def shutdown(self):
        self.pool.stop_and_join()


class Pebble(Futures):
    def __init__(self, library, workers):
        self.pool = library.ProcessPool(max_workers=workers)

    def submit(self, task, x):
        return self.pool.schedule(task, (x,))

    def map(self, task, items, chunk):
        return self.pool.map(task, items, chunksize=chunk or 1).result()

    def shutdown(self):
        self.pool.close()
        self.pool.join()


class Asyncpal(Futures):
    """Its result() does not wait, its collect() does. Idle workers stay, as in the other pools."""

    def __init__(self, executor, workers):
        self.pool = executor(workers, idle_timeout=None)

    def result(self, future):
        return future.collect()

    def map(self, task, items, chunk):
        return self.pool.map(task, items, chunk_size=chunk or 1)


# POOL: (class, module, attribute of the module that is passed to the class; None: the module itself).
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


def factory(name):
    """A function from the number of workers to a pool. Raises ImportError if the library is missing."""
    pool_class, module, attribute = POOLS[name]
    library = importlib.import_module(module)
    source = getattr(library, attribute) if attribute else library
    return lambda workers: pool_class(source, workers)
