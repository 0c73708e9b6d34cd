#!/usr/bin/env python3
"""Measures carpool's pools, floors and other pools, all in one run.

    benches/harness/run.py              all workloads; make bench builds the library first
    benches/harness/run.py round_trip   one or more by name
    benches/harness/run.py --list       lists their names
    benches/harness/run.py --once       a single round: checks that everything runs

The candidates of a workload take turns for several rounds, so that a machine that becomes faster or slower
does so for all of them. Markdown tables go to stdout, the raw numbers to out/bench/results.json;
benches/report/page.py writes them into docs/.
"""

import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[0] = str(Path(__file__).resolve().parent.parent)  # benches/, whose folders are the packages

import argparse
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor

import workloads
from harness import build, machine, programs
from report import records, sections, table

ROUNDS_MIN = 3
BUDGET_FACTOR = 2  # a workload may exceed its budget by this factor to complete ROUNDS_MIN
FILE = build.OUT / "bench" / "results.json"


def log(text):
    print(text, file=sys.stderr, flush=True)


class Measurement:
    """The runs of one workload, collected round by round."""

    def __init__(self, workload):
        self.workload = workload
        self.runs = {one.name: [] for one in workload.candidates}
        self.reasons = {}  # why a candidate has no numbers
        self.last_run_s = {}  # the duration of each candidate's last run
        self.other_programs = machine.OtherPrograms()
        self.seconds = 0.0

    def participates(self, one):
        if one.name in self.reasons:
            return False
        return one.rounds_max == 0 or len(self.runs[one.name]) < one.rounds_max

    def run_once(self, one):
        if not self.participates(one):
            return None
        begin_s = time.monotonic()
        try:
            return programs.run(one.command)
        except programs.Failure as failure:
            self.reasons[one.name] = str(failure)
            log(f"  {one.role}: {one.name}: {failure}")
            return None
        finally:
            self.last_run_s[one.name] = time.monotonic() - begin_s

    def round(self, number):
        order = list(self.workload.candidates)
        random.Random(number).shuffle(order)  # no candidate always follows the same one
        threads = len(order) if self.workload.concurrent else 1
        with self.other_programs, ThreadPoolExecutor(threads) as executor:
            for one, result in zip(order, executor.map(self.run_once, order)):
                self.runs[one.name].append(result)

    def next_round_s(self):
        """How long another round is expected to take."""
        return sum(self.last_run_s[one.name] for one in self.workload.candidates if self.participates(one))

    def measure(self, rounds_max):
        begin_s = time.monotonic()
        for number in range(min(rounds_max, self.workload.rounds_max)):
            budget_s = self.workload.budget_s * (1 if number >= ROUNDS_MIN else BUDGET_FACTOR)
            if number > 0 and self.seconds + self.next_round_s() > budget_s:
                break
            log(f"{self.workload.name}: round {number + 1}")
            self.round(number)
            self.seconds = time.monotonic() - begin_s

    def record(self):
        """The workload's part of the record."""
        return {
            "others": round(self.other_programs.share(), 4),
            "seconds": round(self.seconds, 1),
            "candidates": {
                one.name: {
                    "role": one.role,
                    "command": one.command,
                    "reason": self.reasons.get(one.name),
                    "runs": self.runs[one.name],
                }
                for one in self.workload.candidates
            },
        }


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workload", nargs="*", help="names; default: all")
    parser.add_argument("--once", action="store_true", help="a single round of each")
    parser.add_argument("--list", action="store_true", help="list the workloads and exit")
    options = parser.parse_args()
    if unknown := set(options.workload) - set(workloads.ALL):
        parser.error(f"no such workload: {', '.join(sorted(unknown))}; --list names them")
    if not options.list and not (build.OUT / "lib" / "libcarpool.so").exists():
        parser.error(f"{build.OUT}/lib has no library: run make bench")
    return options


def main():
    options = arguments()
    if options.list:
        for workload in workloads.ALL.values():
            print(f"{workload.name:12} {workload.question}")
        return 0

    if (busy := os.getloadavg()[0]) > 0.3:
        log(f"other programs are running on this machine (load {busy:.1f}) and will affect the results")
    begin_s = time.monotonic()
    chosen = [workloads.ALL[name] for name in options.workload or workloads.ALL]
    programs.compile_all(one.command[0] for workload in chosen for one in workload.candidates)
    record = {"machine": machine.facts(), "command": ["benches/harness/run.py", *sys.argv[1:]], "workloads": {}}
    print(machine.describe(record["machine"]))
    failed = False
    for workload in chosen:
        measurement = Measurement(workload)
        measurement.measure(1 if options.once else workload.rounds_max)
        failed |= any(not reason.startswith("skipped") for reason in measurement.reasons.values())
        record["workloads"][workload.name] = measurement.record()
        print(f"\n{sections.section(workload, measurement.record())}", flush=True)
    record["seconds"] = round(time.monotonic() - begin_s)
    print(f"\n{table.LEGEND}\n\n### Targets\n\n{sections.targets_table(record)}")
    records.write(record, FILE)
    log(f"{record['seconds']} s; raw numbers: {FILE}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
