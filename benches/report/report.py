"""The record of a run: how it is kept in a file, and how it is told."""

import json

import workloads
from harness import machine
from report import table, targets

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


def section(workload, record):
    """What there is to tell of one workload."""
    found = results(workload, record)
    words = " ".join(filter(None, (workload.notes, table.verdict(found, record["others"]))))
    lines = [f"### {workload.name}", workload.question, table.markdown(found), words]
    for name, one in record["candidates"].items():
        if one["reason"]:
            lines.append(f"{name}: {one['reason']}.")
    return "\n\n".join(filter(None, lines))


QUIET = "The machine was quiet throughout."


def quiet(record):
    """Whether the whole run can be believed, in a sentence."""
    if "--once" in record["command"]:
        return "**One round only**, so there is nothing to tell noise by."
    noisy = [
        name for name, found in all_results(record).items()
        if table.verdict(found, record["workloads"][name]["others"]).startswith("**Noisy")
    ]  # fmt: skip
    if noisy:
        return f"**The machine was not quiet** while these were measured: {', '.join(noisy)}."
    return QUIET


def wanted_and_reached(record):
    """The table of targets, and how to read it."""
    every = all_results(record).values()
    missed, cells = targets.missed(every)
    reached = f"{cells - missed} of {cells} are reached" if cells else "There are none"
    return f"{targets.markdown(every)}\n\n{reached}. {quiet(record)}"


def origin(record):
    """Where and when the figures come from."""
    minutes = record["seconds"] / 60
    of_what = " ".join(record["command"][1:]) or "all workloads"
    peers = ", ".join(f"{name} {version}" for name, version in record["machine"].get("peers", {}).items())
    told = f"{machine.sentence(record['machine'])}. One run of {of_what}, {minutes:.1f} minutes long."
    return f"{told} Peers: {peers}." if peers else told
