"""A program in Python that reads the declarations through cffi. Arguments: the prefix, the module of its tasks."""

import struct
import sys

from cffi import FFI

prefix, module = sys.argv[1], sys.argv[2].encode()
ffi = FFI()
ffi.cdef(open(f"{prefix}/include/carpool.cdef.h").read())
carpool = ffi.dlopen(f"{prefix}/lib/libcarpool.so")


def ok(status):
    assert status == carpool.POOL_OK, ffi.string(carpool.pool_status_string(status))


def outcome(pool, symbol, args):
    """The result of a task, or its error."""
    future, data, length = ffi.new("future_t **"), ffi.new("void **"), ffi.new("size_t *")
    error = ffi.new("pool_error_t *")
    ok(carpool.pool_submit_symbol(pool, module, symbol, args, len(args), future))
    status = carpool.future_collect(future[0], carpool.POOL_FOREVER, data, length)
    result = bytes(ffi.buffer(data[0], length[0])) if status == carpool.POOL_OK else None
    ok(carpool.future_error(future[0], error))
    carpool.future_free(future[0])
    return result if result is not None else (status, error.task_code, error.signal, ffi.string(error.message).decode())


for kind in (carpool.POOL_THREAD, carpool.POOL_PROCESS):
    options, pool = ffi.new("pool_options_t *"), ffi.new("pool_t **")
    ok(carpool.pool_options_init(options, ffi.sizeof("pool_options_t")))
    options.kind, options.max_workers = kind, 2
    ok(carpool.pool_options_set(options, b"idle_timeout_ms", b"POOL_FOREVER", ffi.NULL))
    ok(carpool.pool_new(options, pool, ffi.NULL))
    results = [outcome(pool[0], b"square", struct.pack("q", n)) for n in (3, 4, 5)]
    assert results == [struct.pack("q", n * n) for n in (3, 4, 5)], results
    refused = outcome(pool[0], b"refuse", b"")
    assert refused == (carpool.POOL_ERR_TASK, 7, 0, "seven is refused"), refused
    if kind == carpool.POOL_PROCESS:
        lost = outcome(pool[0], b"die", b"")
        assert lost[0] == carpool.POOL_ERR_WORKER_LOST and lost[2] == 9 and "die" in lost[3], lost
    ok(carpool.pool_wait_idle(pool[0], carpool.POOL_FOREVER))
    carpool.pool_free(pool[0])
