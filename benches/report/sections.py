"""The sections of a report, in Markdown: the targets, each workload, and where the numbers come from."""

from harness import machine
from report import table, targets
from report.records import all_results, results


def section(workload, part):
    """The section on one workload, from its part of a record."""
    found = results(workload, part)
    remarks = " ".join(filter(None, (workload.notes, table.noise(found, part["others"]))))
    paragraphs = [f"### {workload.name}", workload.question, table.markdown(found), remarks]
    for name, one in part["candidates"].items():
        if one["reason"]:
            paragraphs.append(f"{name}: {one['reason']}.")
    return "\n\n".join(filter(None, paragraphs))


QUIET = "The machine was quiet throughout."


def quiet(record):
    """A sentence on whether the whole run can be trusted."""
    if "--once" in record["command"]:
        return "**One round only**, so the noise is unknown."
    noisy = [
        name for name, found in all_results(record).items()
        if table.noise(found, record["workloads"][name]["others"]).startswith("**Noisy")
    ]  # fmt: skip
    if noisy:
        return f"**The machine was not quiet** during these workloads: {', '.join(noisy)}."
    return QUIET


def targets_table(record):
    """The table of targets, how many are met, and whether to trust it."""
    every = all_results(record).values()
    missed, count = targets.count_missed(every)
    met = f"{count - missed} of {count} targets are met" if count else "There are no targets"
    return f"{targets.markdown(every)}\n\n{met}. {quiet(record)}"


def origin(record):
    """The machine, the run, and the versions of the other pools."""
    minutes = record["seconds"] / 60
    names = " ".join(record["command"][1:]) or "all workloads"
    peers = ", ".join(f"{name} {version}" for name, version in record["machine"].get("peers", {}).items())
    text = f"{machine.describe(record['machine'])}. One run of {names}, {minutes:.1f} minutes long."
    return f"{text} Peers: {peers}." if peers else text
