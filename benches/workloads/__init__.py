"""The workloads: their candidates, their metrics, and the targets for carpool."""

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
        pools.death(),
        pools.idle(),
    )
    return {workload.name: workload for workload in found}


ALL = everything()
