"""asyncio's loop, through ctypes: add_reader with the pool's descriptor, and a coroutine that awaits each task.

Arguments: the library, the library of tasks, the kind; and where fields of pool_options_t are: its size, kind,
max_workers, driver."""

import asyncio
import ctypes
import os
import struct
import sys
import threading
from ctypes import POINTER, byref, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

POOL_OK, DRAIN, EXTERNAL, FOREVER = 0, 0, 1, -1
KINDS = {"spawn": 0, "thread": 1}
N = 300

library, tasks = ctypes.CDLL(sys.argv[1]), ctypes.CDLL(sys.argv[2])
SIZE, KIND, MAX_WORKERS, DRIVER = map(int, sys.argv[4:])
DONE = ctypes.CFUNCTYPE(None, c_void_p, c_void_p)

library.pool_new.argtypes = [c_void_p, POINTER(c_void_p), c_void_p]
library.pool_free.argtypes = [c_void_p]
library.pool_free.restype = None
library.pool_submit.argtypes = [c_void_p, c_void_p, c_void_p, c_size_t, POINTER(c_void_p)]
library.pool_shutdown.argtypes = [c_void_p, c_int32, c_int64]
library.pool_fd.argtypes = [c_void_p]
library.pool_process_events.argtypes = [c_void_p, POINTER(c_uint32)]
library.future_on_done.argtypes = [c_void_p, DONE, c_void_p, c_void_p, c_void_p]
library.future_result.argtypes = [c_void_p, POINTER(c_void_p), POINTER(c_size_t)]
library.future_free.argtypes = [c_void_p]
library.future_free.restype = None


def expect(status):
    assert status == POOL_OK, status


def new_pool():
    options, pool = bytearray(SIZE), c_void_p()
    struct.pack_into("N", options, 0, SIZE)
    struct.pack_into("i", options, KIND, KINDS[sys.argv[3]])
    struct.pack_into("I", options, MAX_WORKERS, 2)
    struct.pack_into("i", options, DRIVER, EXTERNAL)
    expect(library.pool_new((ctypes.c_char * SIZE).from_buffer(options), byref(pool), None))
    return pool


class Tasks:
    """Tasks of a pool that can be awaited."""

    def __init__(self, pool):
        self.pool, self.waiting = pool, {}
        self.loop, self.home = asyncio.get_running_loop(), threading.get_ident()
        self.on_done = DONE(self.finish)
        self.loop.add_reader(library.pool_fd(pool), self.turn)

    def close(self):
        self.loop.remove_reader(library.pool_fd(self.pool))

    def turn(self):
        """A loop that was woken has something to do."""
        n, before = c_uint32(), len(self.waiting)
        expect(library.pool_process_events(self.pool, byref(n)))
        assert n.value > 0 and before - len(self.waiting) == n.value

    def finish(self, future, number):
        assert threading.get_ident() == self.home
        data, size = c_void_p(), c_size_t()
        expect(library.future_result(future, byref(data), byref(size)))
        result = int.from_bytes(ctypes.string_at(data, size.value), sys.byteorder)
        self.waiting.pop(number or 0).set_result(result)

    async def square(self, number):
        future, argument = c_void_p(), bytes(c_uint64(number))
        function = ctypes.cast(tasks.drive_square, c_void_p)
        expect(library.pool_submit(self.pool, function, argument, len(argument), byref(future)))
        self.waiting[number] = self.loop.create_future()
        expect(library.future_on_done(future, self.on_done, number, None, None))
        library.future_free(future)
        return await self.waiting[number]


async def use(pool):
    squares = Tasks(pool)

    async def twice(number):
        square = await squares.square(number)
        assert square == number * number, (number, square)
        assert await squares.square(number + N) == (number + N) ** 2
        return square

    found = await asyncio.gather(*(twice(number) for number in range(N)))
    assert found == [number * number for number in range(N)] and not squares.waiting
    squares.close()


def traces():
    threads = os.listdir("/proc/self/task")
    children = "".join(open(f"/proc/self/task/{thread}/children").read() for thread in threads)
    return len(os.listdir("/proc/self/fd")), len(threads), children.split()


def main():
    for _ in range(2):
        # What the library makes once in a process it keeps.
        before = traces()
        pool = new_pool()
        asyncio.run(use(pool))
        expect(library.pool_shutdown(pool, DRAIN, FOREVER))
        library.pool_free(pool)
    assert library.pool_count_live() == 0
    assert traces() == before, (before, traces())


main()
