"""The sections of the report that a run ends with, in Markdown."""

from harness import machine
from report import table, targets
from report.records import all_results, results


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
