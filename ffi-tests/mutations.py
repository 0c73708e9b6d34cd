"""What `make mutations` does: breaks one step of the board's protocols at a time, and sees their models fail.

    mutations.py                        all mutations, one after the other
    mutations.py WORD...                those with one of these words in their name
    mutations.py --part K/N [WORD...]   the K-th of N parts: every N-th row, in a tree of its own
    mutations.py --check                builds nothing: whether the rows still fit the sources

A model that passes although a step is broken proves nothing. So each row below breaks one step and names the
models that must fail. A model fails by a panic, by an abort, or by not ending within its time.

A row that does not apply or does not build is reported at the end, and the others still run.

Not here, because others make up for them: the fence of `wake_all`, whose `fetch_and` sees every sleeper; the Release
of `publish` and the Acquire of `claim`, as the entry hands the bytes over too; the Acquire of `finish`.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "out" / "mutations"
ENVIRONMENT = {
    "RUSTFLAGS": "--cfg loom",
    "CARGO_INCREMENTAL": "1",
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
    "LOOM_MAX_PREEMPTIONS": "2",
}
SECONDS = 120  # A model that takes longer never ends.
SECONDS_UNBROKEN = 900  # For a build, or for all models together.

RESULT = "a_sleeping_worker_gets_the_task_and_the_waiter_its_result"
TWO = "two_tasks_wake_two_workers"
ONCE = "a_task_is_claimed_once"
CANCEL = "cancel_and_claim_never_both_win"
REUSED = "a_cancelled_slot_is_reused_while_a_worker_takes"
POSITION = "a_task_in_a_reused_slot_keeps_its_own_position"
REASON = "nothing_of_a_cancellation_reaches_the_next_task_of_the_slot"
CANCELLED = "a_waiter_is_woken_when_its_task_is_cancelled"
REQUEUED = "a_requeued_task_is_run_by_another_worker"
FULL = "a_ring_full_of_cancelled_tasks_takes_new_ones"
EVENT = "the_completion_event_wakes_a_waiter_for_several_tasks"
IDLE_TIME = "a_sleeper_sees_a_new_idle_time"
LEFT = "a_task_left_to_a_worker_that_exits_is_run_by_another"
STAGE_CHANGE = "a_sleeping_worker_exits_when_the_stage_changes"
RESUMED = "a_paused_worker_takes_its_task_when_resumed"
RETIRED = "a_sleeping_worker_exits_when_its_seat_is_retired"
ONE_OF_TWO = "one_of_two_workers_retires_and_the_task_is_run"
CALLED = "a_worker_that_is_called_answers_and_gets_its_task"
NOT_ASKED = "a_worker_that_exits_has_not_asked"
WITHDRAWN = "a_retire_request_is_withdrawn_or_taken"
BEFORE_RETIRING = "a_task_left_to_a_retiring_worker_is_run"
CLOSED_POOL = "no_task_stays_in_a_closed_pool"
DIES = "a_worker_that_dies_at_any"  # The beginning of two names, even and odd steps: one of both must fail.
TAKES_OVER = "a_sleeper_takes_over_from_a_worker_that_dies"
WAKER = "a_sleeper_is_woken_even_if_its_waker_dies"
LAST = "exactly_the_last_holder_frees_the_pool"
BLOCK = "a_block_is_taken_by_one_thread_at_a_time"
FREE = "a_free_slot_is_taken_by_one_thread"
FREED = "slots_freed_concurrently_are_all_in_the_list"
LIMIT = "no_task_with_a_limit_runs_unseen_by_the_supervisor"
KILL = "a_worker_with_a_pending_kill_takes_no_other_task"
SIGNAL = "a_signal_reaches_the_task_that_it_is_for"
STARTED = "the_start_of_a_task_is_notified"
CAPACITY = "a_waiting_submit_gets_free_capacity"
CLOSING = "a_waiting_submit_ends_when_the_pool_closes"
CLAIMER = "a_worker_that_dies_while_it_claims_leaves_no_submit_waiting"
BOUND = "two_submits_never_exceed_the_bound"
PRIORITY = "a_sleeping_worker_gets_a_task_of_another_priority"
FIRST = "the_first_priority_comes_first_and_each_task_runs_once"
PRIORITY_CANCEL = "a_cancelled_task_of_another_priority_is_not_run"
PRIORITY_KEPT = "a_requeued_task_keeps_its_priority"
SHARED = "an_idle_worker_takes_from_the_batch_of_another"
BATCH_ONCE = "each_task_of_a_batch_is_run_once"
BATCH_DIES = "a_worker_that_dies_with_a_batch_costs_at_most_one_task"
BATCH_CANCEL = "a_cancelled_task_of_a_batch_is_not_run"
CLOSES = "a_slot_freed_while_the_list_closes_is_counted_once"


def relaxed(text):
    return text, re.sub("AcqRel|Acquire|Release", "Relaxed", text)


def without(part, text):
    return text, text.replace(part, "")


def swapped(text):
    first, *between, last = text.split("\n")
    return text, "\n".join([last, *between, first])


def silent(change):
    return f"self.wake_if_made(slot, {change})", f"{change} != Change::TooLate"


CLEAR = "fn clear(&self, seat: SeatIndex) {"
STEP = "self.0.fetch_update(AcqRel, Relaxed, checked).ok()"
IN_TWO_STEPS = "let now = self.0.load(Acquire); checked(now).map(|next| { self.0.store(next, Release); now })"
FLAG = "self.0.compare_exchange(now, marked, Relaxed, Relaxed).is_ok().then_some(marked)"
LOOK = "let now = self.0.load(Acquire);\n            if generation_of(now) != generation {"
SLEEP = "self.0.sleep_if(marked, scope, scope.limited(left));"
IF_READY = "(now & PHASE == READY).then(|| how.apply(now))"
STORED_BEFORE = "self.wake_if_made(slot, self.slot(slot).word.cancel(generation, how))"
STORED_AFTER = f"{{ let made = {STORED_BEFORE}; self.slot(slot).progress().store(how.queued.into(), Relaxed); made }}"
END_ORPHANED = "self.change(self.generation(), |now| holds(now, seat).then(|| ended(now)))"
END_SILENTLY = f"match {END_ORPHANED} {{ Change::Made(_) => Change::Made(Waiters::of(0)), late => late }}"
SKIP = "let _ = self.head().compare_exchange(position, position + 1, Relaxed, Relaxed);"
ENQUEUE = "self.slot(entry.slot).word.publish(entry.generation);\n        self.write_entry(reservation, entry);"
ADVANCE = "if !self.ring.advance(position, 1) {"
STAGE = "self.header.at(0).stage.store(stage as u64, Release);\n        self.sleepers.wake_all();"
IDLE = "self.header.at(0).idle_ms.store(idle_ms as u64, Relaxed);\n        self.sleepers.wake_all();"
RETIRE = "self.retire_word(seat).store(REQUESTED, Relaxed);\n        self.sleepers.wake(seat);"
QUOTA = "self.quota_word().fetch_update(Relaxed, Relaxed, taken).is_ok()"
QUOTA_IN_TWO_STEPS = """{
            let now = self.quota_word().load(Relaxed);
            taken(now).map(|next| self.quota_word().store(next, Relaxed)).is_some()
        }"""
REQUEUE = "let made = word.requeue(seat) != Change::TooLate;"
WRITTEN_FIRST = f"self.write_entry(reservation, RingEntry {{ slot, generation }}); {REQUEUE}"
FINISH = "self.wake(slot, finished.waiters());"
NOTIFY = "if waiters.on_event {\n            self.notify_completion();"
STOP_SEARCHING = "self.sleepers.stop_searching(seat, || takes_tasks && self.has_task());"
FREE_TAKE = "fn take(&self) -> Option<u32> {\n        let mut head = self.head.load(Acquire);"
CAPACITY_LOOK = "result = attempt();\n            if result.is_none() {"
RESERVE = "self.next.fetch_update(Relaxed, Relaxed, |next| (next < end).then_some(next + 1)).ok()"
RESERVE_IN_TWO_STEPS = """{
            let next = self.next.load(Relaxed);
            (next < end).then(|| { self.next.store(next + 1, Relaxed); next })
        }"""
HAS_PRIORITY = "(features & feature::PRIORITIES != 0 && self.has_priority_task(features))"
BY_PRIORITY = "Priority::all().find_map(|priority| match"
FREE_GIVE = "match self.head.compare_exchange_weak(head, new, Release, Relaxed) {"
CLOSE_IN_TWO_STEPS = "{ let head = self.head.load(Acquire); self.head.store(CLOSED, Release); head }"

# The files that most rows break, in src/.
SLEEPERS, SLOT, RING, QUEUE, BOARD = (f"board/{name}.rs" for name in ("sleep", "slot", "ring", "queue", "mod"))
PREFETCH, RETIRING, WAITERS, HEAP = (f"board/{name}.rs" for name in ("prefetch", "retire", "waiters", "heap"))
TAIL, TIMER, FREE_LIST = (f"board/parent/{name}.rs" for name in ("tail", "limit_timer", "free_list"))
HANDLES, ASKING = "handle_table.rs", "board/ask.rs"

# (what is broken, file in src/, its text, what replaces it, models that must fail)
MUTATIONS = [
    ("notify_one: no fence", SLEEPERS, *without("fence(SeqCst);", "fn notify_one(&self) {\n        fence(SeqCst);"), [RESULT, CLOSED_POOL]),
    ("sleep: no fence", SLEEPERS, *without("fence(SeqCst);", "fence(SeqCst);\n        if wanted()"), [RESULT]),
    ("sleep: does not look again", SLEEPERS, "if wanted() {", "if false && wanted() {", [RESULT, STAGE_CHANGE]),
    ("sleep: reads its parker without acquire", SLEEPERS, *relaxed("let seen = parker.load(Acquire)"), [RESULT]),
    ("stop_searching: no fence", SLEEPERS, *without("fence(SeqCst);", "fence(SeqCst);\n        if more()"), [TWO]),
    ("stop_searching: wakes nobody", SLEEPERS, "if more() {", "if false && more() {", [TWO]),
    ("clear: does nothing", SLEEPERS, CLEAR, f"{CLEAR} return;", [DIES]),
    ("clear: unparks nobody", SLEEPERS, "self.unpark_all(group, self.group", "let _ = (group, self.group", [WAKER]),
    ("unpark: leaves the parker as it is", SLEEPERS, "parker.0.fetch_add(1, Release);", "", [RESULT, STAGE_CHANGE]),
    ("unpark: no release", SLEEPERS, *relaxed("parker.0.fetch_add(1, Release)"), [RESULT]),
    ("step: in two steps", SLOT, STEP, IN_TWO_STEPS, [CANCEL, BATCH_ONCE]),
    ("step: no ordering", SLOT, *relaxed(STEP), [DIES]),
    ("claim: of any generation", SLOT, "match self.step(generation,", "match self.step(self.generation(),", [POSITION]),
    ("finish: no ordering", SLOT, *relaxed("outcome.phase(), AcqRel"), [RESULT]),
    ("cancel: in any phase", SLOT, IF_READY, "Some(how.apply(now))", [CANCEL]),
    ("end_orphaned: forgets the waiters", SLOT, END_ORPHANED, END_SILENTLY, [DIES]),
    ("requeue: forgets the waiters", SLOT, "KEPT_ON_REQUEUE | u64::MAX", "u64::MAX", [REQUEUED]),
    ("phase: no acquire", SLOT, *relaxed("phase_of(self.0.load(Acquire))"), [EVENT]),
    ("wait: no acquire", SLOT, *relaxed(LOOK), [RESULT]),
    ("wait: does not look again", SLOT, SLEEP, f"{SLEEP} return Waited::Done;", [RESULT]),
    ("set_waiting_flag: sets no flag", SLOT, FLAG, "Some(now)", [RESULT, EVENT]),
    ("set_waiting_flag: writes over the phase", SLOT, FLAG, "self.0.store(marked, Relaxed); Some(marked)", [RESULT]),
    ("peek: at an entry of any lap", RING, "if lap_of(packed) == self.lap(position) {", "if true {", [RESULT, FULL]),
    ("peek: no acquire", RING, *relaxed("self.entry_at(position).load(Acquire);\n            if lap_of"), [RESULT]),
    ("write: no release", RING, *relaxed("store(packed, Release)"), [RESULT, REUSED]),
    ("skip: by two", RING, SKIP, SKIP.replace("+ 1", "+ 2"), [FULL]),
    ("advance: by one more", RING, "position, position + count, ", "position, position + count + 1, ", [TWO]),
    ("skip: moves the head back", RING, SKIP, "self.head().store(position + 1, Relaxed);", [FULL]),
    ("make_room: keeps dead entries", TAIL, "|| !is_dead(entry)", "|| !is_dead(entry) || true", [FULL]),
    ("enqueue: writes the entry first", QUEUE, *swapped(ENQUEUE), [RESULT]),
    ("take: runs what another took", QUEUE, ADVANCE, f"{ADVANCE} return Some(entry.slot); }} else if false {{", [ONCE]),
    ("take: notes nothing", QUEUE, "next.store(prefetch::pack(entry), Relaxed);", "", [DIES, TAKES_OVER]),
    ("drain_prefetched: forgets the next", PREFETCH, ".chain([&seat.next])", ".chain([])", [DIES]),
    ("notify_one: sees nobody", SLEEPERS, "self.group(group).load(Relaxed) != 0", "false", [RESULT]),
    ("finish: wakes nobody", BOARD, *without(FINISH, FINISH), [RESULT, EVENT]),
    ("cancel: wakes nobody", BOARD, *silent("self.slot(slot).word.cancel(generation, how)"), [CANCELLED]),
    ("cancel: gives no reason", SLOT, "CANCELLED | (how & CANCELLATION)", "CANCELLED | (how & 0)", [REASON]),
    ("cancel: stores its time after its step", BOARD, STORED_BEFORE, STORED_AFTER, [REASON]),
    ("end_orphaned: wakes nobody", BOARD, *silent("self.slot(slot).word.end_orphaned(seat, outcome)"), [DIES]),
    ("requeue: writes the entry first", QUEUE, REQUEUE, WRITTEN_FIRST, [REQUEUED]),
    ("requeue: wakes nobody", QUEUE, *without("self.sleepers.notify_one();", "self.sleepers.notify_one();\n        made"), [REQUEUED]),
    ("rewake: does nothing", BOARD, "if word.phase().is_done() {", "if false {", [DIES]),
    ("wake: notifies no completion", BOARD, *without("self.notify_completion();", NOTIFY), [EVENT]),
    ("notify_completion: no release", WAITERS, *relaxed("self.completion_event().fetch_update(Release, Relaxed, notified)"), [EVENT]),
    ("notify_completion: leaves the count", WAITERS, ".wrapping_add(ONE_NOTIFICATION)", "", [EVENT]),
    ("notify_completion: sees no sleeper", WAITERS, "before & WAITED != 0", "false && before > 0", [EVENT]),
    ("prepare_wait: leaves no mark", WAITERS, "fetch_or(WAITED, Relaxed)", "load(Relaxed)", [EVENT]),
    ("find_or_sleep: does not look at the idle time", BOARD, "self.has_task() || changed(),", "self.has_task(),", [IDLE_TIME]),
    ("find_or_sleep: sleeps paused", BOARD, "Stage::Open => self.has_task() || changed(),", "Stage::Open => changed(),", [RESUMED]),
    ("set_idle_time: wakes nobody", BOARD, *without("self.sleepers.wake_all();", IDLE), [IDLE_TIME]),
    ("find_or_sleep: leaves and wakes nobody", BOARD, STOP_SEARCHING, f"if reason == WakeReason::Notified {{ {STOP_SEARCHING} }}", [LEFT]),
    ("set_stage: wakes nobody", BOARD, *without("self.sleepers.wake_all();", STAGE), [STAGE_CHANGE, RESUMED]),
    ("set_stage: wakes first", BOARD, *swapped(STAGE), [STAGE_CHANGE]),
    ("retire_seat: wakes nobody", RETIRING, *without("self.sleepers.wake(seat);", RETIRE), [RETIRED]),
    ("wake a seat: no ordering", SLEEPERS, *relaxed("self.group(group).fetch_and(!sleeping, AcqRel);"), [RETIRED]),
    ("find_or_sleep: does not look for orders", BOARD, "self.may_have_to_retire(seat) || (", "(", [RETIRED]),
    ("find_or_sleep: retires and wakes nobody", BOARD, STOP_SEARCHING, f"if !self.may_have_to_retire(seat) {{ {STOP_SEARCHING} }}", [BEFORE_RETIRING]),
    ("find_or_sleep: sleeps through a call", BOARD, "|| self.answer(seat) || wanted()", "|| wanted()", [CALLED]),
    ("call: wakes nobody", ASKING, "self.sleepers.wake_sleeping(seat);", "", [CALLED]),
    ("has_asked: does not look at the number", ASKING, "== ended.wrapping_add(1)", "!= ended.min(0)", [NOT_ASKED]),
    ("request_retire: wakes nobody", RETIRING, "self.sleepers.wake_all();", "", [ONE_OF_TWO]),
    ("take_retire: in two steps", RETIRING, QUOTA, QUOTA_IN_TWO_STEPS, [ONE_OF_TWO, WITHDRAWN]),
    ("arm: wakes nobody", TIMER, "fetch_min(limit_ms, AcqRel) > limit_ms", "fetch_min(limit_ms, AcqRel) > u64::MAX", [LIMIT]),
    ("disarm: no fence", TIMER, *without("fence(SeqCst);", "fence(SeqCst);\n        if is_idle()"), [LIMIT]),
    ("disarm: does not look again", TIMER, "if is_idle() {", "if true {", [LIMIT]),
    ("mark_for_kill: in any phase", SLOT, "(now & PHASE == RUNNING).then_some(now | KILL_PENDING)", "Some(now | KILL_PENDING)", [KILL]),
    ("finish: does not see the pending kill", SLOT, "self.0 & KILL_PENDING != 0", "false", [KILL]),
    ("finish: heeds no waiter", SLOT, "WAITED | EVENT_WAITED | KILL_PENDING | SIGNAL_PENDING", "KILL_PENDING | SIGNAL_PENDING", [RESULT]),
    ("finish: does not await the signal", BOARD, "finished.pending_signal()", "None", [SIGNAL]),
    ("claim: notifies nobody", BOARD, "if claim == Claim::YoursAndNotify {", "if false {", [STARTED]),
    ("subscribe_start: in any phase", SLOT, "(now & PHASE == READY).then_some(now | START_SUBSCRIBED)", "Some(now | START_SUBSCRIBED)", [STARTED]),
    ("retag: the old tag", FREE_LIST, "(head >> SLOT_BITS).wrapping_add(1)", "(head >> SLOT_BITS)", [FREE]),
    ("free take: no acquire", FREE_LIST, *relaxed(FREE_TAKE), [FREE]),
    ("give: in two steps", FREE_LIST, FREE_GIVE, "self.head.store(new, Release); match Ok::<_, u64>(new) {", [FREED]),
    ("give: no release", FREE_LIST, *relaxed(FREE_GIVE), [FREE]),
    ("give: to a closed list", FREE_LIST, "if head & SLOT_MASK == CLOSED {", "if false {", [CLOSES]),
    ("close: does not count", FREE_LIST, "free += 1;", "", [FREE]),
    ("give: leaves the block's bit", HEAP, ".fetch_and(!bit, Release)", ".fetch_and(u64::MAX, Release)", [BLOCK]),
    ("take_of: a block that is taken", HEAP, "if before & (1 << bit) == 0 {", "if true {", [BLOCK]),
    ("adjust: no ordering", HANDLES, *relaxed("fetch_add(by, AcqRel)"), [LAST]),
    ("adjust: compares before it adds", HANDLES, "AcqRel) + by == 0", "AcqRel) == 0", [LAST]),
    ("notify_capacity: no fence", WAITERS, *without("fence(SeqCst);", "fence(SeqCst);\n        if self.capacity_event()"), [CAPACITY]),
    ("wait_for_capacity: no fence", WAITERS, *without("fence(SeqCst);", "fence(SeqCst);\n            result"), [CAPACITY]),
    ("wait_for_capacity: does not look again", WAITERS, CAPACITY_LOOK, "if true {", [CAPACITY]),
    ("wait_for_capacity: leaves no mark", WAITERS, "self.capacity_event().swap(WAITED, Relaxed);", "", [CAPACITY]),
    ("wake_submitter: leaves the mark", WAITERS, "self.capacity_event().swap(0, Release);", "", [CAPACITY, CLOSING]),
    ("wake_submitter: wakes nobody", WAITERS, "self.capacity_event().wake(1, self.scope);", "", [CAPACITY, CLOSING, CLAIMER]),
    ("reserve_below: in two steps", TAIL, RESERVE, RESERVE_IN_TWO_STEPS, [BOUND]),
    ("write_priority_entry: sets no feature", QUEUE, "& priority.feature_bit() == 0 {", "& priority.feature_bit() == u64::MAX {", [PRIORITY]),
    ("has_task: not in the priority rings", QUEUE, HAS_PRIORITY, HAS_PRIORITY.replace("!= 0", "== u64::MAX"), [PRIORITY]),
    ("take_by_priority: the last first", QUEUE, BY_PRIORITY, BY_PRIORITY.replace("find_map", "collect::<Vec<_>>().into_iter().rev().find_map"), [FIRST]),
    ("claim: of any phase", SLOT, "(now & PHASE == READY).then(|| running(now))", "Some(running(now))", [PRIORITY_CANCEL, BATCH_CANCEL, BATCH_ONCE]),
    ("requeue: forgets the priority", QUEUE, "let priority = record.call().priority;", "let priority = Priority::DEFAULT;", [PRIORITY_KEPT]),
    ("fill_prefetched: notes nothing", PREFETCH, "stored.store(entry, Relaxed);", "stored.store(entry & 0, Relaxed);", [BATCH_DIES]),
    ("fill_prefetched: sets no count", PREFETCH, "own.prefetched_left.store(count as u32, Relaxed);", "", [BATCH_ONCE]),
    ("has_prefetched_task: no fence", PREFETCH, "fence(Acquire);", "", [SHARED]),
    ("advance: no release", RING, *relaxed("position + count, Release, Relaxed"), [SHARED]),
    ("take_from_others: takes nothing", PREFETCH, "self.used_seats().find_map(", "self.used_seats().take(0).find_map(", [SHARED]),
    ("drain_prefetched: returns nothing", PREFETCH, "entries.filter(|entry| self.is_live(*entry))", "entries.filter(|_| false)", [BATCH_DIES]),
    ("close: in two steps", FREE_LIST, "self.head.swap(CLOSED, AcqRel)", CLOSE_IN_TWO_STEPS, [CLOSES]),
]


class Wrong(Exception):
    """A row that does not apply, or does not build."""


def broken(row, sources):
    """The row's file below `sources`, and its text after the replacement."""
    what, file, text, instead, _ = row
    path = sources / file
    if not path.is_file():
        raise Wrong(f"{what}: there is no {file}")
    unbroken = path.read_text()
    if unbroken.count(text) != 1:
        raise Wrong(f"{what}: {file} has this text {unbroken.count(text)} times, not once:\n    {text}")
    if text == instead:
        raise Wrong(f"{what}: the replacement is the text itself:\n    {text}")
    return path, unbroken.replace(text, instead)


def models_of(sources):
    """The names of the models below src/board."""
    files = [*sources.glob("board/models.rs"), *sources.glob("board/models/**/*.rs")]
    return [name for file in files for name in re.findall(r"#\[test\]\s+fn (\w+)\(", file.read_text())]


def wrong_models():
    """Models that rows name and that do not exist, and models that no row breaks."""

    def stands_for(name, model):
        return model == name or model.startswith(f"{name}_")

    there = models_of(ROOT / "src")
    named = {name: row[0] for row in MUTATIONS for name in row[-1]}
    wrong = [f"{named[name]}: there is no model {name}" for name in named if not any(stands_for(name, it) for it in there)]
    return wrong + [f"no row breaks the model {it}" for it in there if not any(stands_for(name, it) for name in named)]


def wrong_rows():
    wrong = []
    for row in MUTATIONS:
        try:
            broken(row, ROOT / "src")
        except Wrong as why:
            wrong.append(str(why))
    return wrong


class Tree:
    """A copy of the sources, in which one step at a time is broken. The folder stays, so that cargo builds only
    what has changed since."""

    def __init__(self, folder):
        self.root = folder / "tree"
        self.environment = {**os.environ, **ENVIRONMENT, "CARGO_TARGET_DIR": str(folder / "target")}
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(ROOT / "src", self.root / "src", copy_function=shutil.copyfile)
        shutil.copy(ROOT / "Cargo.toml", self.root)
        shutil.copy(ROOT / "Cargo.lock", self.root)

    def run(self, command, seconds):
        """The exit status, or None if it did not end in time, and what was printed."""
        options = {"cwd": self.root, "env": self.environment, "timeout": seconds, "errors": "replace"}
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
            return done.returncode, done.stdout
        except subprocess.TimeoutExpired:
            return None, "it does not end"

    def build(self):
        """The program of the models, of the tree as it stands."""
        command = [os.environ.get("CARGO", "cargo"), "test", "--locked", "--release", "--lib", "--no-run"]
        status, printed = self.run([*command, "--message-format=json-render-diagnostics"], SECONDS_UNBROKEN)
        programs = re.findall(r'"executable":("[^"]+")', printed)
        if status != 0 or len(programs) != 1:
            told = [line for line in printed.splitlines() if not line.startswith("{")]
            raise Wrong("the models do not build:\n    " + "\n    ".join(told[-40:]))
        return json.loads(programs[0])

    def verdicts(self, row):
        """Breaks one step, runs its models, mends it. Each model with whether it was caught, and its seconds."""
        path, text = broken(row, self.root / "src")
        unbroken = path.read_text()
        path.write_text(text)
        try:
            program = self.build()
            for model in row[-1]:
                started = time.monotonic()
                status, _ = self.run([program, f"::{model}"], SECONDS)
                yield model, status != 0, time.monotonic() - started
        except Wrong as why:
            raise Wrong(f"{row[0]}: {why}") from None
        finally:
            path.write_text(unbroken)


def run_rows(rows, tree):
    """Runs the rows; the numbers of those that were caught and that survived, and what is wrong with others."""
    caught, survivors, wrong = 0, [], []
    for number, row in enumerate(rows, start=1):
        good = True
        try:
            for model, is_caught, seconds in tree.verdicts(row):
                good &= is_caught
                verdict = "caught" if is_caught else "SURVIVED"
                print(f"{number:3}/{len(rows)}  {verdict:8}  {row[0]}: {model} ({seconds:.0f} s)", flush=True)
        except Wrong as why:
            print(f"{number:3}/{len(rows)}  WRONG     {why}", flush=True)
            wrong.append(str(why))
            continue
        if good:
            caught += 1
        else:
            survivors.append(row[0])
    return caught, survivors, wrong


def part(text):
    """K/N as (K, N)."""
    numbers = re.fullmatch(r"(\d+)/(\d+)", text)
    if not numbers or not 1 <= int(numbers[1]) <= int(numbers[2]):
        raise argparse.ArgumentTypeError(f"{text} is not K/N with 1 <= K <= N")
    return int(numbers[1]), int(numbers[2])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="WORD")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--part", type=part, metavar="K/N", default=(1, 1))
    arguments = parser.parse_args()
    wrong = wrong_models()
    if arguments.check:
        wrong = wrong_rows() + wrong
        print(f"{len(MUTATIONS)} mutations, {len(wrong)} wrong", *wrong, sep="\n")
        sys.exit(bool(wrong))
    number, parts = arguments.part
    rows = [row for index, row in enumerate(MUTATIONS) if index % parts == number - 1]
    rows = [row for row in rows if not arguments.words or any(word in row[0] for word in arguments.words)]
    tree = Tree(OUT if parts == 1 else OUT / f"part-{number}-of-{parts}")
    try:
        status, printed = tree.run([tree.build(), "board::models::"], SECONDS_UNBROKEN)
    except Wrong as why:
        sys.exit(str(why))
    if status != 0:
        sys.exit(f"the models fail without a mutation:\n{printed}")
    caught, survivors, not_run = run_rows(rows, tree)
    wrong += not_run
    print(f"{caught} caught, {len(survivors)} survived, {len(wrong)} wrong")
    for line in [*(f"survived: {name}" for name in survivors), *(f"wrong: {why}" for why in wrong)]:
        print(line)
    sys.exit(bool(survivors or wrong))


if __name__ == "__main__":
    main()
