#!/usr/bin/env python3
"""Measures pools beside floors and beside the pools of others, all in one run.

    benches/run.py              all workloads; make bench builds the library first
    benches/run.py round_trip   one or more by name
    benches/run.py --list       their names

The candidates of a workload take turns, several rounds long, so that a machine that changes its mind
changes it for all of them. Markdown tables go to stdout, the raw figures to out/bench/results.json;
benches/page.py writes them into docs/.
"""

import sys

sys.dont_write_bytecode = True

import argparse
import json
import random
import time
from concurrent.futures import ThreadPoolExecutor

import build
import machine
import programs
import table
import targets
import workloads

ROUNDS_MIN = 3
FILE = build.OUT / "bench" / "results.json"


def say(text):
    print(text, file=sys.stderr, flush=True)


class Measurement:
    """The runs of one workload, as they come in."""

    def __init__(self, workload):
        self.workload = workload
        self.runs = {one.name: [] for one in workload.candidates}
        self.reasons = {}  # why a candidate gave nothing
        self.others = machine.OtherPrograms()

    def run_once(self, one):
        if one.name in self.reasons or 0 < one.rounds <= len(self.runs[one.name]):
            return None
        try:
            return programs.run(one.command)
        except programs.Failure as failure:
            self.reasons[one.name] = str(failure)
            say(f"  {one.role}: {one.name}: {failure}")
            return None

    def round(self, number):
        order = list(self.workload.candidates)
        random.Random(number).shuffle(order)  # nobody always follows the same one
        with self.others, ThreadPoolExecutor(len(order) if self.workload.together else 1) as turns:
            for one, result in zip(order, turns.map(self.run_once, order)):
                self.runs[one.name].append(result)

    def measure(self):
        begin_s = time.monotonic()
        for number in range(self.workload.rounds_max):
            used_s = time.monotonic() - begin_s
            if number >= ROUNDS_MIN and used_s + used_s / number > self.workload.budget_s:
                break
            say(f"{self.workload.name}: round {number + 1}")
            self.round(number)

    def record(self):
        """All of it, for the file."""
        return {
            "others": round(self.others.share(), 4),
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


def section(workload, record):
    """The workload's part of the page, from what record() has given."""
    results = of_record(workload, record)
    words = " ".join(filter(None, (workload.notes, table.verdict(results, record["others"]))))
    lines = [f"### {workload.name}", workload.question, table.markdown(results), words]
    for name, one in record["candidates"].items():
        if one["reason"]:
            lines.append(f"{name}: {one['reason']}.")
    return "\n\n".join(filter(None, lines))


def of_record(workload, record):
    return table.Results(workload, {name: one["runs"] for name, one in record["candidates"].items()})


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workload", nargs="*", help="names; all when there is none")
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

    begin_s = time.monotonic()
    chosen = [workloads.ALL[name] for name in options.workload or workloads.ALL]
    programs.compile_all(one.command[0] for workload in chosen for one in workload.candidates)
    facts = {"machine": machine.facts(), "command": ["benches/run.py", *options.workload], "workloads": {}}
    print(machine.sentence(facts["machine"]))
    failed = False
    for workload in chosen:
        measurement = Measurement(workload)
        measurement.measure()
        failed |= any(not reason.startswith("skipped") for reason in measurement.reasons.values())
        record = facts["workloads"][workload.name] = measurement.record()
        print(f"\n{section(workload, record)}", flush=True)
    facts["seconds"] = round(time.monotonic() - begin_s)
    every = [of_record(workload, facts["workloads"][workload.name]) for workload in chosen]
    print(f"\n{table.LEGEND}\n\n### Wanted and reached\n\n{targets.markdown(every)}")
    FILE.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    say(f"{facts['seconds']} s; raw figures: {FILE}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
