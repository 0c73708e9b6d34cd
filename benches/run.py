#!/usr/bin/env python3
"""Measures pools beside floors and beside Python's multiprocessing, all in one run.

    benches/run.py              all workloads; make bench builds the library first
    benches/run.py round_trip   one or more by name
    benches/run.py --list       their names

The candidates of a workload take turns, several rounds long, so that a machine that changes its mind
changes it for all of them. A Markdown table goes to stdout, the raw figures to out/bench/results.json.
"""

import sys

sys.dont_write_bytecode = True

import argparse
import ctypes
import json
import os
import platform
import random
import resource
import shlex
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import table
import workloads

HERE = Path(__file__).resolve().parent
OUT = Path(os.environ.get("OUT", HERE.parent / "out")).resolve()
CC = shlex.split(os.environ.get("CC", "gcc"))
CFLAGS = "-std=c11 -O2 -Wall -Wextra -Wpedantic -Werror -pthread".split()
LDFLAGS = [f"-L{OUT}/lib", "-lcarpool", "-Wl,-rpath,$ORIGIN/../lib"]

WATCHDOG_S = 40  # the slowest run takes a few seconds
SKIPPED = 77
ROUNDS_MIN = 3


class Failure(Exception):
    """A program that gave no figures, and will not do so in the next round either."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def compile_programs(chosen):
    programs = {one.command[0] for workload in chosen for one in workload.candidates}
    (OUT / "bench").mkdir(parents=True, exist_ok=True)
    for program in sorted(programs):
        if not program.endswith(".py"):
            source, binary = HERE / f"{program}.c", OUT / "bench" / program
            subprocess.run(
                [*CC, *CFLAGS, f"-I{OUT}/include", "-o", binary, source, *LDFLAGS], check=True
            )


def run_program(command):
    """Runs one candidate once and returns its line of JSON as a dict."""
    program, *arguments = command
    argv = [sys.executable, HERE / program] if program.endswith(".py") else [OUT / "bench" / program]
    # Files, not pipes: a process that was left behind could hold a pipe open.
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen([*argv, *arguments], stdout=out, stderr=err, start_new_session=True)
        try:
            code = process.wait(WATCHDOG_S)
        except subprocess.TimeoutExpired:
            raise Failure(f"not done after {WATCHDOG_S} s") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        out.seek(0)
        err.seek(0)
        if code == SKIPPED:
            raise Failure(f"skipped: {err.read().strip()}")
        if code != 0:
            raise Failure(f"failed with {code}: {err.read().strip()}")
        return json.loads(out.read())


class OtherPrograms:
    """How much of the machine's CPU time went to programs that are not measured, or was stolen."""

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


def measure(workload):
    """Returns each candidate's runs, those that gave nothing with the reason, and others' CPU share."""
    runs = {one.name: [] for one in workload.candidates}
    reasons, others = {}, OtherPrograms()
    begin_s = time.monotonic()
    for number in range(workload.rounds_max):
        used_s = time.monotonic() - begin_s
        if number >= ROUNDS_MIN and used_s + used_s / number > workload.budget_s:
            break
        say(f"{workload.name}: round {number + 1}")
        order = list(workload.candidates)
        random.Random(number).shuffle(order)  # nobody always follows the same one
        for one in order:
            result = None
            if one.name not in reasons:
                try:
                    with others:
                        result = run_program(one.command)
                except Failure as failure:
                    reasons[one.name] = str(failure)
                    say(f"  {one.role}: {one.name}: {failure}")
            runs[one.name].append(result)
    return runs, reasons, others.share()


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


def machine():
    compiler = subprocess.run([*CC, "--version"], check=True, capture_output=True, text=True)
    return {
        "carpool": library_version(),
        "cpu": cpu_model(),
        "cpus": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "compiler": compiler.stdout.splitlines()[0],
        "python": platform.python_version(),
        "unix_time": int(time.time()),
    }


def report(workload, runs, reasons, others):
    """Prints the workload's part of the page and returns it for the file."""
    figures = table.Table(workload, {name: run for name, run in runs.items() if any(run)})
    words = table.verdict(figures, others)
    print(f"\n### {workload.name}\n\n{workload.question}\n\n{figures.markdown()}\n")
    print(*filter(None, (workload.notes, words)), sep=" ")
    for name, reason in reasons.items():
        print(f"\n{name}: {reason}.")
    sys.stdout.flush()
    return {
        "question": workload.question,
        "others": others,
        "verdict": words,
        "too_wide": figures.too_wide(),
        "candidates": {
            one.name: {
                "role": one.role,
                "command": one.command,
                "reason": reasons.get(one.name),
                "runs": runs[one.name],
            }
            for one in workload.candidates
        },
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workload", nargs="*", help="names; all when there is none")
    parser.add_argument("--list", action="store_true", help="list the workloads and end")
    options = parser.parse_args()
    if options.list:
        for workload in workloads.ALL.values():
            print(f"{workload.name:12} {workload.question}")
        return 0
    if unknown := set(options.workload) - set(workloads.ALL):
        parser.error(f"no such workload: {', '.join(sorted(unknown))}; --list names them")
    if not (OUT / "lib" / "libcarpool.so").exists():
        parser.error(f"there is no library in {OUT}/lib: run make bench")

    chosen = [workloads.ALL[name] for name in options.workload or workloads.ALL]
    compile_programs(chosen)
    results = {"machine": machine(), "workloads": {}}
    print("carpool {carpool}; {cpu}, {cpus} CPUs; Linux {kernel}; {compiler}; Python {python}".format(
        **results["machine"]))
    failed = False
    for workload in chosen:
        runs, reasons, others = measure(workload)
        failed |= any(not reason.startswith("skipped") for reason in reasons.values())
        results["workloads"][workload.name] = report(workload, runs, reasons, others)
    print(f"\n{table.LEGEND}")
    file = OUT / "bench" / "results.json"
    file.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    say(f"raw figures: {file}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
