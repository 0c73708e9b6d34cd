"""The tasks of python.py, in a module that worker processes can import."""

import time


def twice_plus_one(x):
    return x * 2 + 1


def echo(data):
    return data


def nap(_):
    time.sleep(0.02)


def compute(steps):
    x = steps
    for _ in range(steps):
        x = (x * 1103515245 + 12345) & 0x3FFFFFFF
    return x
