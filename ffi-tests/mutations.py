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

HEARS = "a_sleeping_worker_hears_the_task_and_the_waiter_its_result"
TWO = "two_tasks_wake_two_workers"
ONCE = "a_task_is_claimed_once"
CANCEL = "cancel_and_claim_never_both_win"
AGAIN = "a_cancelled_slot_serves_again_while_a_worker_looks"
TURN = "a_task_in_the_slot_of_a_cancelled_one_has_a_turn_of_its_own"
CANCELLED = "a_waiter_hears_that_its_task_is_cancelled"
BACK = "a_task_that_a_worker_puts_back_is_done_by_another"
FULL = "a_ring_full_of_cancelled_tasks_takes_new_ones"
NOTICE = "a_notice_tells_of_the_first_of_two"
NEWS = "a_sleeper_hears_of_a_new_idle_time"
LEFT = "what_was_left_to_a_worker_that_leaves_is_left_to_another"
LEAVE = "a_worker_is_told_to_leave_in_its_sleep"
ORDER = "a_worker_is_ordered_to_leave_in_its_sleep"
ASKED = "one_of_two_leaves_and_the_task_is_done"
TAKEN_BACK = "a_request_to_leave_is_taken_back_or_taken"
BEFORE_LEAVING = "what_was_left_to_a_worker_that_is_told_to_leave_is_done"
GATE = "no_task_stays_behind_a_shut_gate"
STOPS = "a_worker_that_stops_at_any"  # The beginning of two names, even and odd steps: one of both must fail.
TAKES_OVER = "a_sleeper_takes_over_from_a_worker_that_stops"
WAKER = "a_sleeper_is_woken_though_its_waker_stops"
LAST = "the_last_to_leave_frees_the_pool_and_nobody_else"
BLOCK = "a_block_has_one_taker_at_a_time"
FREE = "a_free_slot_is_given_to_one_taker"
GIVERS = "slots_given_back_at_once_are_all_listed"
SEEN = "no_task_runs_unseen_by_the_watch"
DOOM = "a_worker_that_is_doomed_takes_no_other_task"
SIGNAL = "a_signal_reaches_the_task_that_it_is_for"
BEGUN = "the_beginning_of_a_task_is_told"
PLACE = "a_waiting_submit_hears_of_a_place"
SHUT = "a_waiting_submit_hears_of_a_shut_gate"
CLAIMER = "a_worker_that_stops_while_it_claims_leaves_no_submit_waiting"
BOUND = "two_submits_never_pass_the_bound"
RANKED = "a_sleeping_worker_hears_of_a_task_of_another_rank"
FIRST = "the_first_rank_comes_first_and_each_task_once"
RANK_CANCEL = "a_cancelled_task_of_another_rank_is_not_run"
RANK_BACK = "a_task_of_another_rank_comes_back_to_it"
SHARED = "who_has_nothing_to_do_takes_from_a_batch"
BATCH_ONCE = "a_batch_is_run_once"
BATCH_STOPS = "a_worker_that_stops_with_a_batch_costs_at_most_one_task"
BATCH_CANCEL = "a_cancelled_task_of_a_batch_is_not_run"
CLOSES = "a_slot_given_back_while_the_list_closes_is_counted_by_one_of_both"


def relaxed(text):
    return text, re.sub("AcqRel|Acquire|Release", "Relaxed", text)


def without(part, text):
    return text, text.replace(part, "")


def swapped(text):
    first, *between, last = text.split("\n")
    return text, "\n".join([last, *between, first])


def silent(change):
    return f"self.wake_if_made(slot, {change})", f"{change} != Change::TooLate"


VACATE = "fn vacate(&self, seat: SeatIndex) {"
STEP = "self.0.fetch_update(AcqRel, Relaxed, checked).ok()"
IN_TWO_STEPS = "let now = self.0.load(Acquire); checked(now).map(|next| { self.0.store(next, Release); now })"
MARK = "self.0.compare_exchange(now, marked, Relaxed, Relaxed).is_ok().then_some(marked)"
LOOK = "let now = self.0.load(Acquire);\n            if generation_of(now) != generation {"
SLEEP = "self.0.sleep_if(marked, scope, left);"
IF_READY = "(now & PHASE == READY).then(|| cancelled(now))"
SETTLE = "self.change(self.generation(), |now| holds(now, seat).then(|| settled(now)))"
SETTLE_SILENTLY = f"match {SETTLE} {{ Change::Made(_) => Change::Made(Waiters::of(0)), late => late }}"
PASS = "let _ = self.head().compare_exchange(position, position + 1, Relaxed, Relaxed);"
POST = "self.slot(entry.slot).word.publish(entry.generation);\n        self.write(spot, entry);"
STAGE = "self.header.at(0).stage.store(stage as u64, Release);\n        self.bell.wake_all();"
IDLE = "self.header.at(0).idle_ms.store(idle_ms as u64, Relaxed);\n        self.bell.wake_all();"
ORDERED = "self.order(seat).store(ORDERED, Relaxed);\n        self.bell.wake(seat);"
LEAVER = "self.leavers_word().fetch_update(Relaxed, Relaxed, taken).is_ok()"
LEAVER_IN_TWO_STEPS = """{
            let now = self.leavers_word().load(Relaxed);
            taken(now).map(|next| self.leavers_word().store(next, Relaxed)).is_some()
        }"""
REQUEUE = """let made = word.requeue(seat) != Change::TooLate;
        // The position is ours either way; an entry for a slot that is not ready is a dead one.
        self.write(spot, Entry { slot, generation });"""
FINISH = "self.wake(slot, finished.waiters());"
RING = "if waiters.on_notice {\n            self.ring_notice();"
FOUND = "self.bell.found(seat, || self.has_task());"
FREE_TAKE = "fn take(&self) -> Option<u32> {\n        let mut head = self.head.load(Acquire);"
PLACE_LOOK = "found = look();\n            if found.is_none() {"
RESERVE = "self.next.fetch_update(Relaxed, Relaxed, |next| (next < end).then_some(next + 1)).ok()"
RESERVE_IN_TWO_STEPS = """{
            let next = self.next.load(Relaxed);
            (next < end).then(|| { self.next.store(next + 1, Relaxed); next })
        }"""
HAS_RANKED = "(features & feature::BANDS != 0 && self.has_ranked_task(features))"
BY_RANK = "Rank::all().find_map(|rank| match"
FREE_GIVE = "match self.head.compare_exchange_weak(head, new, Release, Relaxed) {"
CLOSE_IN_TWO_STEPS = "{ let head = self.head.load(Acquire); self.head.store(CLOSED, Release); head }"

# (what is broken, file in src/, its text, what replaces it, models that must fail)
MUTATIONS = [
    ("ring: no fence", "board/bell.rs", *without("fence(SeqCst);", "fence(SeqCst);\n        // As a rule"), [HEARS, GATE]),
    ("fall_asleep: no fence", "board/bell.rs", *without("fence(SeqCst);", "fence(SeqCst);\n        if wanted()"), [HEARS]),
    ("fall_asleep: does not look again", "board/bell.rs", "if wanted() {", "if false && wanted() {", [HEARS, LEAVE]),
    ("fall_asleep: looks at its bed without acquire", "board/bell.rs", *relaxed("let seen = bed.load(Acquire)"), [HEARS]),
    ("found: no fence", "board/bell.rs", *without("fence(SeqCst);", "fence(SeqCst);\n        if more()"), [TWO]),
    ("found: rings nobody", "board/bell.rs", "if more() {", "if false && more() {", [TWO]),
    ("vacate: does nothing", "board/bell.rs", VACATE, f"{VACATE} return;", [STOPS]),
    ("vacate: shakes nobody", "board/bell.rs", "self.shake_all(group, self.group", "let _ = (group, self.group", [WAKER]),
    ("shake: leaves the bed as it is", "board/bell.rs", "bed.0.fetch_add(1, Release);", "", [HEARS, LEAVE]),
    ("shake: no release", "board/bell.rs", *relaxed("bed.0.fetch_add(1, Release)"), [HEARS]),
    ("step: in two steps", "board/slot.rs", STEP, IN_TWO_STEPS, [ONCE, CANCEL]),
    ("step: no ordering", "board/slot.rs", *relaxed(STEP), [STOPS]),
    ("claim: of any generation", "board/slot.rs", "match self.step(generation,", "match self.step(self.generation(),", [TURN]),
    ("finish: no ordering", "board/slot.rs", *relaxed("outcome.phase(), AcqRel"), [HEARS]),
    ("cancel: in any phase", "board/slot.rs", IF_READY, "Some(cancelled(now))", [CANCEL]),
    ("settle: forgets the waiters", "board/slot.rs", SETTLE, SETTLE_SILENTLY, [STOPS]),
    ("requeue: forgets the waiters", "board/slot.rs", "KEPT | u64::MAX", "u64::MAX", [BACK]),
    ("phase: no acquire", "board/slot.rs", *relaxed("phase_of(self.0.load(Acquire))"), [NOTICE]),
    ("wait: no acquire", "board/slot.rs", *relaxed(LOOK), [HEARS]),
    ("wait: does not look again", "board/slot.rs", SLEEP, f"{SLEEP} return Waited::Done;", [HEARS]),
    ("mark_waited: sets no flag", "board/slot.rs", MARK, "Some(now)", [HEARS, NOTICE]),
    ("mark_waited: writes over the phase", "board/slot.rs", MARK, "self.0.store(marked, Relaxed); Some(marked)", [HEARS]),
    ("look: at an entry of any lap", "board/ring.rs", "if lap_of(packed) == self.lap(position) {", "if true {", [HEARS, FULL]),
    ("look: no acquire", "board/ring.rs", *relaxed("self.entry_at(position).load(Acquire);\n            if lap_of"), [HEARS]),
    ("write: no release", "board/ring.rs", *relaxed("store(packed, Release)"), [HEARS, AGAIN]),
    ("pass: by two", "board/ring.rs", PASS, PASS.replace("+ 1", "+ 2"), [FULL]),
    ("pass_many: by one more", "board/ring.rs", "position, position + count, ", "position, position + count + 1, ", [TWO]),
    ("pass: moves the head back", "board/ring.rs", PASS, "self.head().store(position + 1, Relaxed);", [FULL]),
    ("make_room: keeps dead entries", "board/ring.rs", "|| !is_dead(entry)", "|| !is_dead(entry) || true", [FULL]),
    ("post: writes the entry first", "board/queue.rs", *swapped(POST), [HEARS]),
    ("take: notes nothing", "board/queue.rs", "next.store(batch::pack(entry), Relaxed);", "", [STOPS, TAKES_OVER]),
    ("empty_batch: forgets the next", "board/batch.rs", ".chain([&seat.next])", ".chain([])", [STOPS]),
    ("ring: sees nobody", "board/bell.rs", "self.group(group).load(Relaxed) != 0", "false", [HEARS]),
    ("finish: wakes nobody", "board/mod.rs", *without(FINISH, FINISH), [HEARS, NOTICE]),
    ("cancel: wakes nobody", "board/mod.rs", *silent("self.slot(slot).word.cancel(generation)"), [CANCELLED]),
    ("settle: wakes nobody", "board/mod.rs", *silent("self.slot(slot).word.settle(seat, outcome)"), [STOPS]),
    ("requeue: writes the entry first", "board/queue.rs", *swapped(REQUEUE), [BACK]),
    ("requeue: rings nobody", "board/queue.rs", *without("self.bell.ring();", "self.bell.ring();\n        made"), [BACK]),
    ("wake_again: does nothing", "board/mod.rs", "if word.phase().is_done() {", "if false {", [STOPS]),
    ("wake: rings no notice", "board/mod.rs", *without("self.ring_notice();", RING), [NOTICE]),
    ("ring_notice: no release", "board/notice.rs", *relaxed("self.notice().fetch_update(Release, Relaxed, rung)"), [NOTICE]),
    ("ring_notice: leaves the count", "board/notice.rs", ".wrapping_add(RING)", "", [NOTICE]),
    ("ring_notice: sees no sleeper", "board/notice.rs", "before & WAITED != 0", "false && before > 0", [NOTICE]),
    ("heed_notice: leaves no mark", "board/notice.rs", "fetch_or(WAITED, Relaxed)", "load(Relaxed)", [NOTICE]),
    ("search: does not look at the idle time", "board/mod.rs", "|| new();", ";", [NEWS]),
    ("set_idle_time: wakes nobody", "board/mod.rs", *without("self.bell.wake_all();", IDLE), [NEWS]),
    ("search: leaves without ringing", "board/mod.rs", FOUND, f"if rest == Rest::Roused {{ {FOUND} }}", [LEFT]),
    ("set_stage: wakes nobody", "board/mod.rs", *without("self.bell.wake_all();", STAGE), [LEAVE]),
    ("set_stage: wakes first", "board/mod.rs", *swapped(STAGE), [LEAVE]),
    ("order_to_leave: wakes nobody", "board/leave.rs", *without("self.bell.wake(seat);", ORDERED), [ORDER]),
    ("bell wake: no ordering", "board/bell.rs", *relaxed("self.group(group).fetch_and(!sleeping, AcqRel);"), [ORDER]),
    ("search: does not look for orders", "board/mod.rs", "self.may_have_to_leave(seat) || (", "(", [ORDER]),
    ("search: goes as ordered without ringing", "board/mod.rs", FOUND, f"if !self.may_have_to_leave(seat) {{ {FOUND} }}", [BEFORE_LEAVING]),
    ("ask_to_leave: wakes nobody", "board/leave.rs", "self.bell.wake_all();", "", [ASKED]),
    ("take_leave: in two steps", "board/leave.rs", LEAVER, LEAVER_IN_TWO_STEPS, [ASKED, TAKEN_BACK]),
    ("arm: rings nobody", "board/alarm.rs", "fetch_min(limit_ms, AcqRel) > limit_ms", "fetch_min(limit_ms, AcqRel) > u64::MAX", [SEEN]),
    ("disarm: no fence", "board/alarm.rs", *without("fence(SeqCst);", "fence(SeqCst);\n        if is_idle()"), [SEEN]),
    ("disarm: does not look again", "board/alarm.rs", "if is_idle() {", "if true {", [SEEN]),
    ("doom: in any phase", "board/slot.rs", "(now & PHASE == RUNNING).then_some(now | DOOMED)", "Some(now | DOOMED)", [DOOM]),
    ("finish: does not see the doom", "board/word.rs", "self.0 & DOOMED != 0", "false", [DOOM]),
    ("finish: heeds no waiter", "board/word.rs", "WAITED | NOTICED | DOOMED | SIGNALLED", "DOOMED | SIGNALLED", [HEARS]),
    ("finish: does not await the signal", "board/mod.rs", "finished.signalled()", "None", [SIGNAL]),
    ("claim: tells nobody", "board/mod.rs", "if claim == Claim::YoursToTell {", "if false {", [BEGUN]),
    ("ask_announcement: in any phase", "board/slot.rs", "(now & PHASE == READY).then_some(now | ANNOUNCED)", "Some(now | ANNOUNCED)", [BEGUN]),
    ("retag: the old tag", "board/free.rs", "(head >> SLOT_BITS).wrapping_add(1)", "(head >> SLOT_BITS)", [FREE]),
    ("free take: no acquire", "board/free.rs", *relaxed(FREE_TAKE), [FREE]),
    ("give: in two steps", "board/free.rs", FREE_GIVE, "self.head.store(new, Release); match Ok::<_, u64>(new) {", [GIVERS]),
    ("give: no release", "board/free.rs", *relaxed(FREE_GIVE), [FREE]),
    ("give: to a closed list", "board/free.rs", "if head & SLOT_MASK == CLOSED {", "if false {", [CLOSES]),
    ("close: does not count", "board/free.rs", "listed += 1;", "", [FREE]),
    ("give: leaves the block's bit", "board/heap.rs", ".fetch_and(!bit, Release)", ".fetch_and(u64::MAX, Release)", [BLOCK]),
    ("take_of: whoever had it", "board/heap.rs", "if before & (1 << bit) == 0 {", "if true {", [BLOCK]),
    ("settle: no ordering", "cells.rs", *relaxed("fetch_add(holders, AcqRel)"), [LAST]),
    ("settle: asks before it adds", "cells.rs", "AcqRel) + holders == 0", "AcqRel) == 0", [LAST]),
    ("tell_of_place: no fence", "board/places.rs", *without("fence(SeqCst);", "fence(SeqCst);\n        if self.place()"), [PLACE]),
    ("await_place: no fence", "board/places.rs", *without("fence(SeqCst);", "fence(SeqCst);\n            found"), [PLACE]),
    ("await_place: does not look again", "board/places.rs", PLACE_LOOK, "if true {", [PLACE]),
    ("await_place: leaves no mark", "board/places.rs", "self.place().swap(WAITED, Relaxed);", "", [PLACE]),
    ("rouse_submitter: leaves the mark", "board/places.rs", "self.place().swap(0, Release);", "", [PLACE, SHUT]),
    ("rouse_submitter: wakes nobody", "board/places.rs", "self.place().wake(1, self.scope);", "", [PLACE, SHUT, CLAIMER]),
    ("reserve_below: in two steps", "board/ring.rs", RESERVE, RESERVE_IN_TWO_STEPS, [BOUND]),
    ("write_in_band: says nothing of the band", "board/queue.rs", "& rank.feature() == 0 {", "& rank.feature() == u64::MAX {", [RANKED]),
    ("has_task: does not look into the bands", "board/queue.rs", HAS_RANKED, HAS_RANKED.replace("!= 0", "== u64::MAX"), [RANKED]),
    ("take_by_rank: the last first", "board/queue.rs", BY_RANK, BY_RANK.replace("find_map", "collect::<Vec<_>>().into_iter().rev().find_map"), [FIRST]),
    ("claim: of any phase", "board/slot.rs", "(now & PHASE == READY).then(|| running(now))", "Some(running(now))", [RANK_CANCEL, BATCH_CANCEL, BATCH_ONCE]),
    ("requeue: forgets the rank", "board/queue.rs", "let rank = record.call().rank;", "let rank = Rank::USUAL;", [RANK_BACK]),
    ("note_batch: notes nothing", "board/batch.rs", "place.store(entry, Relaxed);", "place.store(entry & 0, Relaxed);", [BATCH_STOPS]),
    ("note_batch: does not say how many", "board/batch.rs", "own.left.store(count as u32, Relaxed);", "", [BATCH_ONCE]),
    ("has_batched_task: no fence", "board/batch.rs", "fence(Acquire);", "", [SHARED]),
    ("pass_many: no release", "board/ring.rs", *relaxed("position + count, Release, Relaxed"), [SHARED]),
    ("take_from_others: takes nothing", "board/batch.rs", "self.crew().find_map(", "self.crew().take(0).find_map(", [SHARED]),
    ("empty_batch: answers nothing", "board/batch.rs", "entries.filter(|entry| self.is_live(*entry))", "entries.filter(|_| false)", [BATCH_STOPS]),
    ("close: in two steps", "board/free.rs", "self.head.swap(CLOSED, AcqRel)", CLOSE_IN_TWO_STEPS, [CLOSES]),
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
