"""Other pools that do the same work: who takes part in which workload, with its program."""

from model import PEER, candidate


def multiprocessing(*command, name="multiprocessing.Pool, 2", group=""):
    return candidate(PEER, name, "multiprocessing_peer.py", *command, group=group, family="Python")


ROUND_TRIP = (multiprocessing("round_trip", 3000, 100),)
SMALL_TASKS = (multiprocessing("small_tasks", 20_000),)
MAP = ()
START = (multiprocessing("start", 5, name="multiprocessing.Pool, 1"),)


def payload(title, size, run_ms):
    """title and group are those of the workload's own candidates of this size."""
    return (multiprocessing("payload", size, run_ms, name=f"{title}, multiprocessing.Pool", group=title),)


def idle(ms):
    return (multiprocessing("idle", ms),)
