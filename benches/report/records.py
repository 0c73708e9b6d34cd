"""The record of a run: how it is kept in a file."""

import json

import workloads
from report import table

FORMAT = 1  # of the file; raised when older files can no longer be read


def write(record, file):
    """JSON with a line for each candidate: small enough to keep, and a difference can be read."""
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
        raise SystemExit(f"{file}: not in the format that this program reads: measure again")
    return record


def results(workload, record):
    """The figures of one workload, of the part of a record that tells of it."""
    runs = {name: one["runs"] for name, one in record["candidates"].items()}
    return table.Results(workload, runs)


def all_results(record):
    """Those of all workloads in a record, by name."""
    return {
        name: results(workload, record["workloads"][name])
        for name, workload in workloads.ALL.items()
        if name in record["workloads"]
    }
