#!/usr/bin/env python3
"""Writes the results of a run into docs/ and README.md, so that no number there is typed by hand.

    benches/report/page.py           from the last run, whose record becomes docs/performance.json
    benches/report/page.py --again   from docs/performance.json
    benches/report/page.py --check   changes nothing; fails if --again would change a file

The text between <!-- measured: NAME --> and <!-- /measured --> is replaced.
"""

import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[0] = str(Path(__file__).resolve().parent.parent)  # benches/, whose folders are the packages

import argparse
import json
import re

import peers
import workloads
from harness import counts
from harness.build import OUT, ROOT
from report import drawing, records, sections, table

DOCS = ROOT / "docs"
RECORD = DOCS / "performance.json"
PAGES = (DOCS / "performance.md", ROOT / "README.md")
DRAWINGS = {DOCS / "performance-light.svg": drawing.LIGHT, DOCS / "performance-dark.svg": drawing.DARK}


def details(record):
    parts = [
        sections.section(found.workload, record["workloads"][name])
        for name, found in records.all_results(record).items()
    ]
    return "\n\n".join([table.LEGEND, *parts])


def instruction_counts(_):
    if not counts.FILE.exists():
        return "Not counted yet."
    saved = json.loads(counts.FILE.read_text(encoding="utf-8"))
    return f"{counts.summary(saved['instructions'])}\n\n{saved['rustc']}; {saved['compiler']}."


def summary(record):
    """The table of the README."""
    every = records.all_results(record)

    def row(case, workload, metric, unit):
        names = ("process pool, 2", "thread pool, 2", f"{peers.POOL}, 2")
        found = [table.median(every[workload].numbers(name, metric)) for name in names]
        return [case, *(f"{table.three_digits(number)} {unit}" for number in found)]

    rows = table.markdown_rows([
        ["8 bytes each way", "process pool, 2", "thread pool, 2", f"Python's {peers.POOL}, 2"],
        ["---", "--:", "--:", "--:"],
        row("one task in flight, back to back", "round_trip", "back to back", "µs"),
        row("same, after 2 ms idle, all threads asleep", "round_trip", "p50 after 2 ms idle", "µs"),
        row("1 M tasks, each with a future", "small_tasks", "warm", "M/s"),
    ])  # fmt: skip
    where = "Cost with 2 workers, medians of one run ({cpu}, {cpus} CPUs):".format(**record["machine"])
    remark = sections.quiet(record)
    return "\n\n".join([where, rows] + [remark] * (remark != sections.QUIET))


PARTS = {
    "origin": sections.origin,
    "targets": sections.targets_table,
    "counts": instruction_counts,
    "details": details,
    "summary": summary,
}


def regenerate(text, record):
    """The page with all its parts replaced."""

    def part(found):
        return f"{found[1]}\n{PARTS[found[2]](record)}\n{found[3]}"

    return re.sub(r"(<!-- measured: (\w+) -->)\n.*?(<!-- /measured -->)", part, text, flags=re.DOTALL)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--again", action="store_true", help="use docs/performance.json")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a file would change")
    options = parser.parse_args()
    source = RECORD if options.again or options.check else OUT / "bench" / "results.json"
    if not source.exists():
        parser.error(f"{source} does not exist: run make bench")
    record = records.read(source)
    # A workload may be newer than the record that the documentation holds.
    missing = set(workloads.ALL) - set(record["workloads"])
    if missing and source != RECORD:
        parser.error(f"{source} is incomplete, without {', '.join(sorted(missing))}")

    new = {page: regenerate(page.read_text(encoding="utf-8"), record) for page in PAGES}
    new |= {file: drawing.svg(records.all_results(record), colours) for file, colours in DRAWINGS.items()}
    old = {file: file.read_text(encoding="utf-8") if file.exists() else None for file in new}
    changed = [file for file in new if new[file] != old[file]]
    if options.check:
        for file in changed:
            print(f"not up to date: {file}")
        return 1 if changed else 0
    for file in changed:
        file.write_text(new[file], encoding="utf-8")
    if source != RECORD:
        records.write(record, RECORD)
    return 0


if __name__ == "__main__":
    sys.exit(main())
