#!/usr/bin/env python3
"""Measures pools beside floors and beside the pools of others, all in one run.

    benches/harness/run.py              all workloads; make bench builds the library first
    benches/harness/run.py round_trip   one or more by name
    benches/harness/run.py --list       their names
    benches/harness/run.py --once       a single round: shows that everything runs, and not much more

The candidates of a workload take turns, several rounds long, so that a machine that changes its mind
changes it for all of them. Markdown tables go to stdout, the raw figures to out/bench/results.json;
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
PATIENCE = 2  # for so many rounds a workload may take twice its time
FILE = build.OUT / "bench" / "results.json"


def say(text):
    print(text, file=sys.stderr, flush=True)


class Measurement:
    """The runs of one workload, as they come in."""

    def __init__(self, workload):
        self.workload = workload
        self.runs = {one.name: [] for one in workload.candidates}
        self.reasons = {}  # why a candidate gave nothing
        self.took_s = {}  # how long a candidate's last run was
        self.others = machine.OtherPrograms()
        self.seconds = 0.0

    def takes_part(self, one):
        return one.name not in self.reasons and (one.rounds == 0 or len(self.runs[one.name]) < one.rounds)

    def run_once(self, one):
        if not self.takes_part(one):
            return None
        begin_s = time.monotonic()
        try:
            return programs.run(one.command)
        except programs.Failure as failure:
            self.reasons[one.name] = str(failure)
            say(f"  {one.role}: {one.name}: {failure}")
            return None
        finally:
            self.took_s[one.name] = time.monotonic() - begin_s

    def round(self, number):
        order = list(self.workload.candidates)
        random.Random(number).shuffle(order)  # nobody always follows the same one
        with self.others, ThreadPoolExecutor(len(order) if self.workload.together else 1) as turns:
            for one, result in zip(order, turns.map(self.run_once, order)):
                self.runs[one.name].append(result)

    def next_round_s(self):
        """How long another round would take."""
        return sum(self.took_s[one.name] for one in self.workload.candidates if self.takes_part(one))

    def measure(self, rounds_max):
        begin_s = time.monotonic()
        for number in range(min(rounds_max, self.workload.rounds_max)):
            budget_s = self.workload.budget_s * (1 if number >= ROUNDS_MIN else PATIENCE)
            if number > 0 and self.seconds + self.next_round_s() > budget_s:
                break
            say(f"{self.workload.name}: round {number + 1}")
            self.round(number)
            self.seconds = time.monotonic() - begin_s

    def record(self):
        """All of it, for the file."""
        return {
            "others": round(self.others.share(), 4),
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
    parser.add_argument("workload", nargs="*", help="names; all when there is none")
    parser.add_argument("--once", action="store_true", help="a single round of each")
    parser.add_argument("--list", action="store_true", help="list the workloads and end")
    options = parser.parse_args()
    if unknown := set(options.workload) - set(workloads.ALL):
        parser.error(f"no such workload: {', '.join(sorted(unknown))}; --list names them")
    if not options.list and not (build.OUT / "lib" / "libcarpool.so").exists():
        parser.error(f"there is no library in {build.OUT}/lib: run make bench")
    return options


def main():
    options = arguments()
    if options.list:
        for workload in workloads.ALL.values():
            print(f"{workload.name:12} {workload.question}")
        return 0

    if (busy := os.getloadavg()[0]) > 0.3:
        say(f"other programs run on this machine (load {busy:.1f}): figures will be worse than it is")
    begin_s = time.monotonic()
    chosen = [workloads.ALL[name] for name in options.workload or workloads.ALL]
    programs.compile_all(one.command[0] for workload in chosen for one in workload.candidates)
    record = {"machine": machine.facts(), "command": ["benches/harness/run.py", *sys.argv[1:]], "workloads": {}}
    print(machine.sentence(record["machine"]))
    failed = False
    for workload in chosen:
        measurement = Measurement(workload)
        measurement.measure(1 if options.once else workload.rounds_max)
        failed |= any(not reason.startswith("skipped") for reason in measurement.reasons.values())
        record["workloads"][workload.name] = measurement.record()
        print(f"\n{sections.section(workload, measurement.record())}", flush=True)
    record["seconds"] = round(time.monotonic() - begin_s)
    print(f"\n{table.LEGEND}\n\n### Wanted and reached\n\n{sections.wanted_and_reached(record)}")
    records.write(record, FILE)
    say(f"{record['seconds']} s; raw figures: {FILE}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
