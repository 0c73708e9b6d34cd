"""The tasks of python.py, in a module that worker processes can import."""

import os
import signal
import time


def twice_plus_one(x):
    return x * 2 + 1


def echo(data):
    return data


def nap(_):
    time.sleep(0.02)


def die(path):
    """Notes the time, and kills its worker."""
    with open(path, "wb") as notes:
        notes.write(time.monotonic_ns().to_bytes(8, "little"))
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(seconds):
    time.sleep(seconds)


def compute(steps):
    x = steps
    for _ in range(steps):
        x = (x * 1103515245 + 12345) & 0x3FFFFFFF
    return x
