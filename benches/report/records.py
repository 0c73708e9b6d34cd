"""The record of a run: the file it is kept in, and the results of its workloads."""

import json

import workloads
from report.table import Results

FORMAT = 1  # of the file; incremented when older files can no longer be read


def write(record, file):
    """JSON with one line per candidate: compact, and readable as a diff."""
    lines = []
    for name, workload in record["workloads"].items():
        candidates = ",\n".join(
            f"   {json.dumps(name, ensure_ascii=False)}: {json.dumps(one, ensure_ascii=False)}"
            for name, one in workload["candidates"].items()
        )
        lines.append(
            f'  {json.dumps(name)}: {{\n   "others": {workload["others"]}, "seconds": {workload["seconds"]},\n'
            f'   "candidates": {{\n{candidates}\n   }}\n  }}'
        )
    head = {"format": FORMAT, **{key: value for key, value in record.items() if key != "workloads"}}
    text = json.dumps(head, indent=1, ensure_ascii=False)[:-2]
    file.write_text(f'{text},\n "workloads": {{\n' + ",\n".join(lines) + "\n }\n}\n", encoding="utf-8")


def read(file):
    record = json.loads(file.read_text(encoding="utf-8"))
    if record.get("format") != FORMAT:
        raise SystemExit(f"{file} has an unknown format: measure again")
    return record


def results(workload, part):
    """The results of one workload, from its part of a record."""
    return Results(workload, {name: one["runs"] for name, one in part["candidates"].items()})


def all_results(record):
    """The results of all workloads in a record, by name."""
    return {
        name: results(workload, record["workloads"][name])
        for name, workload in workloads.ALL.items()
        if name in record["workloads"]
    }
