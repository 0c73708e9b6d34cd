"""A host without a C main: Python uses the library through ctypes, with threads and processes."""

import ctypes
import os
import sys
from ctypes import POINTER, byref, c_char, c_char_p, c_int32, c_int64, c_size_t, c_uint64, c_void_p

POOL_OK, ERR_TASK, ERR_WORKER_LOST, ERR_FUNCTION = 0, 10, 11, 17
PROCESS, THREAD = 0, 1
FOREVER = -1

library = ctypes.CDLL(os.path.abspath("out/lib/libcarpool.so"))
FUNCTIONS = os.path.abspath("out/tests/libfunctions.so")
DEADLY = os.path.abspath("out/tests/libdeadly.so")
TASK = ctypes.CFUNCTYPE(c_int32, c_void_p)


class Options(ctypes.Structure):
    """The struct as far as this program needs it; the rest is what an older header did not have."""

    _fields_ = [
        ("struct_size", c_size_t),
        ("name", c_char_p),
        ("kind", c_int32),
        ("start", c_int32),
        ("min_workers", ctypes.c_uint32),
        ("max_workers", ctypes.c_uint32),
    ]


class Error(ctypes.Structure):
    _fields_ = [
        ("status", c_int32),
        ("task_code", c_int32),
        ("os_errno", c_int32),
        ("exit_code", c_int32),
        ("signal", c_int32),
        ("worker_pid", c_int64),
        ("message", c_char * 216),
    ]


library.pool_new.argtypes = [POINTER(Options), POINTER(c_void_p), POINTER(Error)]
library.pool_free.argtypes = [c_void_p]
library.pool_free.restype = None
library.pool_submit.argtypes = [c_void_p, c_void_p, c_void_p, c_size_t, POINTER(c_void_p)]
library.pool_submit_symbol.argtypes = [
    c_void_p, c_char_p, c_char_p, c_void_p, c_size_t, POINTER(c_void_p)]
library.future_collect.argtypes = [c_void_p, c_int64, POINTER(c_void_p), POINTER(c_size_t)]
library.future_error.argtypes = [c_void_p, POINTER(Error)]
library.future_free.argtypes = [c_void_p]
library.future_free.restype = None
library.pool_task_args.argtypes = [c_void_p, POINTER(c_size_t)]
library.pool_task_args.restype = c_void_p
library.pool_task_return.argtypes = [c_void_p, c_void_p, c_size_t]
library.pool_task_fail.argtypes = [c_void_p, c_int32, c_char_p]
library.pool_count_live.restype = c_size_t
library.pool_status_name.restype = c_char_p


def expect(status, wanted=POOL_OK):
    if status != wanted:
        names = [library.pool_status_name(number).decode() for number in (status, wanted)]
        raise AssertionError("%s, not %s" % tuple(names))


def new_pool(kind, workers=2):
    pool, error = c_void_p(), Error()
    options = Options(struct_size=ctypes.sizeof(Options), kind=kind, max_workers=workers)
    status = library.pool_new(byref(options), byref(pool), byref(error))
    assert status == POOL_OK, error.message
    return pool


def collect(future, wanted=POOL_OK):
    """The result of the future, or its error where that is what is wanted."""
    data, size, error = c_void_p(), c_size_t(), Error()
    expect(library.future_collect(future, FOREVER, byref(data), byref(size)), wanted)
    result = ctypes.string_at(data, size.value) if wanted == POOL_OK else None
    expect(library.future_error(future, byref(error)))
    library.future_free(future)
    return error if wanted else result


def submit(pool, function, argument=b""):
    future = c_void_p()
    pointer = ctypes.cast(function, c_void_p)
    expect(library.pool_submit(pool, pointer, argument, len(argument), byref(future)))
    return future


def submit_symbol(pool, module, symbol, argument=b""):
    future = c_void_p()
    expect(library.pool_submit_symbol(
        pool, module.encode(), symbol.encode(), argument, len(argument), byref(future)))
    return future


def number(value):
    return bytes(c_uint64(value))


@TASK
def shout(task):
    """A task that is written in Python."""
    size = c_size_t()
    text = ctypes.string_at(library.pool_task_args(task, byref(size)), size.value).upper()
    return library.pool_task_return(task, text, len(text))


@TASK
def refuse(task):
    return library.pool_task_fail(task, 7, b"not today")


def threads_run_functions_of_python():
    pool = new_pool(THREAD)
    futures = [submit(pool, shout, b"word %d" % i) for i in range(100)]
    assert [collect(future) for future in futures] == [b"WORD %d" % i for i in range(100)]
    error = collect(submit(pool, refuse), ERR_TASK)
    assert (error.task_code, error.message) == (7, b"not today")
    library.pool_free(pool)


def processes_run_functions_of_libraries():
    functions = ctypes.CDLL(FUNCTIONS)
    functions.quadruple.restype = c_void_p
    pool = new_pool(PROCESS)
    futures = [submit(pool, functions.triple, number(i)) for i in range(100)]
    futures += [submit(pool, functions.quadruple(), number(i)) for i in range(100)]
    futures += [submit_symbol(pool, FUNCTIONS, "triple", number(i)) for i in range(100)]
    results = [int.from_bytes(collect(future), sys.byteorder) for future in futures]
    threefold, fourfold = [3 * i for i in range(100)], [4 * i for i in range(100)]
    assert results == threefold + fourfold + threefold
    library.pool_free(pool)


def errors_are_told():
    pool = new_pool(PROCESS)
    error = collect(submit_symbol(pool, FUNCTIONS, "no_such_function"), ERR_FUNCTION)
    assert b"no_such_function" in error.message, error.message
    error = collect(submit_symbol(pool, DEADLY, "fall_over"), ERR_WORKER_LOST)
    assert error.signal == 6 and error.worker_pid not in (0, os.getpid())
    assert b"fall_over" in error.message, error.message
    library.pool_free(pool)


def processes_refuse_functions_of_python():
    """A callback made by ctypes lives in no module that another process could open."""
    pool, future = new_pool(PROCESS), c_void_p()
    pointer = ctypes.cast(shout, c_void_p)
    expect(library.pool_submit(pool, pointer, b"", 0, byref(future)), ERR_FUNCTION)
    assert future.value is None
    library.pool_free(pool)


def main():
    # A worker that ran this script would leave its line here as well.
    with open(os.path.join(os.environ.get("TEST_TMP", "/tmp"), "mains"), "a+") as mains:
        mains.write("main\n")
    threads_run_functions_of_python()
    processes_run_functions_of_libraries()
    errors_are_told()
    processes_refuse_functions_of_python()
    assert library.pool_count_live() == 0
    with open(mains.name) as lines:
        ran = lines.read().count("main")
    if "TEST_TMP" in os.environ:
        assert ran == 1, ran


main()
