"""What is measured: the workloads, with who takes part in each and what is wanted of carpool."""

from . import payloads, pools, tasks


def everything():
    """All workloads by name."""
    found = (
        tasks.round_trip(),
        tasks.small_tasks(),
        tasks.pending(),
        tasks.items(),
        tasks.scaling(),
        payloads.payload(),
        payloads.in_place(),
        pools.start(),
        pools.memory(),
        pools.size(),
        pools.limits(),
        pools.idle(),
    )
    return {workload.name: workload for workload in found}


ALL = everything()
