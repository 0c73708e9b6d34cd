"""Describes the machine, and how busy other programs keep it."""

import ctypes
import os
import platform
import resource
import subprocess
import time

from harness import build
from harness.build import CC, OUT


class OtherPrograms:
    """The share of the machine's CPU time that other programs used or that was stolen."""

    def __init__(self):
        self.others_s = self.all_s = 0.0

    @staticmethod
    def read():
        with open("/proc/stat", encoding="ascii") as stat:
            user, nice, system, idle, wait, irq, soft, steal = map(int, stat.readline().split()[1:9])
        tick = os.sysconf("SC_CLK_TCK")
        busy_s = (user + nice + system + irq + soft + steal) / tick
        own_s = 0.0
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
            usage = resource.getrusage(who)
            own_s += usage.ru_utime + usage.ru_stime
        return busy_s - own_s, busy_s + (idle + wait) / tick

    def __enter__(self):
        self.before = self.read()
        return self

    def __exit__(self, *_):
        others_s, all_s = self.read()
        self.others_s += others_s - self.before[0]
        self.all_s += all_s - self.before[1]

    def share(self):
        return max(0.0, self.others_s / self.all_s) if self.all_s else 0.0


def cpu_model():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except StopIteration:
        return platform.machine()


def library_version():
    version = ctypes.CDLL(str(OUT / "lib" / "libcarpool.so")).pool_version_string
    version.restype = ctypes.c_char_p
    return version().decode()


def memory_gib():
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30


def facts():
    compiler = subprocess.run([*CC, "--version"], check=True, capture_output=True, text=True)
    return {
        "carpool": library_version(),
        "cpu": cpu_model(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory_gib()),
        "kernel": platform.release(),
        "compiler": compiler.stdout.splitlines()[0],
        "python": platform.python_version(),
        "peers": build.versions(),
        "unix_time": int(time.time()),
    }


def describe(facts):
    return (
        "carpool {carpool}; {cpu}, {cpus} CPUs, {memory_gib} GiB; Linux {kernel}; {compiler}; "
        "Python {python}"
    ).format(**facts)
