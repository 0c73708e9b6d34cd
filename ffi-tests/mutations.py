"""What `make mutations` does: breaks the board's protocols in one place at a time, and sees their models fail.

    mutations.py            all of them, and that every model can fail
    mutations.py WORDS...   those with one of these words in their name

A model that passes over a broken protocol proves nothing. So each row below breaks one step and names the
models that must fail. To stop with an error, to abort and never to come to the end all are to fail.

Not here, because others make up for them: the fence of `wake_all`, whose `fetch_and` sees every sleeper; the Release
of `publish` and the Acquire of `claim`, as the entry hands the bytes over too; the Acquire of `finish`.
"""

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
TREE = OUT / "tree"  # One folder for ever, so that cargo builds only what has changed.
ENVIRONMENT = {
    "RUSTFLAGS": "--cfg loom",
    "CARGO_TARGET_DIR": str(OUT / "target"),
    "CARGO_INCREMENTAL": "1",
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
    "LOOM_MAX_PREEMPTIONS": "2",
}
SECONDS = 120  # What has not ended by then never ends.
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
STOPS = "a_worker_that_stops_at_any"  # At an even or an odd step: one of both must fail.
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
BY_RANK = "Rank::all().find_map(|rank| match"
FREE_GIVE = "match self.head.compare_exchange_weak(head, new, Release, Relaxed) {"
CLOSE_IN_TWO_STEPS = "{ let head = self.head.load(Acquire); self.head.store(CLOSED, Release); head }"
# (what is broken, file in src/board, its text, what stands there instead, models that must fail)
MUTATIONS = [
    ("ring: no fence", "bell", *without("fence(SeqCst);", "fence(SeqCst);\n        // As a rule"), [HEARS, GATE]),
    ("fall_asleep: no fence", "bell", *without("fence(SeqCst);", "fence(SeqCst);\n        if wanted()"), [HEARS]),
    ("fall_asleep: does not look again", "bell", "if wanted() {", "if false && wanted() {", [HEARS, LEAVE]),
    ("fall_asleep: looks at its bed without acquire", "bell", *relaxed("let seen = bed.load(Acquire)"), [HEARS]),
    ("found: no fence", "bell", *without("fence(SeqCst);", "fence(SeqCst);\n        if more()"), [TWO]),
    ("found: rings nobody", "bell", "if more() {", "if false && more() {", [TWO]),
    ("vacate: does nothing", "bell", VACATE, f"{VACATE} return;", [STOPS]),
    ("vacate: shakes nobody", "bell", "self.shake_all(group, self.group", "let _ = (group, self.group", [WAKER]),
    ("shake: leaves the bed as it is", "bell", "bed.0.fetch_add(1, Release);", "", [HEARS, LEAVE]),
    ("shake: no release", "bell", *relaxed("bed.0.fetch_add(1, Release)"), [HEARS]),
    ("step: in two steps", "slot", STEP, IN_TWO_STEPS, [ONCE, CANCEL]),
    ("step: no ordering", "slot", *relaxed(STEP), [STOPS]),
    ("claim: of any generation", "slot", "match self.step(generation,", "match self.step(self.generation(),", [TURN]),
    ("finish: no ordering", "slot", *relaxed("outcome.phase(), AcqRel"), [HEARS]),
    ("cancel: in any phase", "slot", IF_READY, "Some(cancelled(now))", [CANCEL]),
    ("settle: forgets the waiters", "slot", SETTLE, SETTLE_SILENTLY, [STOPS]),
    ("requeue: forgets the waiters", "slot", "KEPT | u64::MAX", "u64::MAX", [BACK]),
    ("phase: no acquire", "slot", *relaxed("phase_of(self.0.load(Acquire))"), [NOTICE]),
    ("wait: no acquire", "slot", *relaxed(LOOK), [HEARS]),
    ("wait: does not look again", "slot", SLEEP, f"{SLEEP} return Waited::Done;", [HEARS]),
    ("mark_waited: sets no flag", "slot", MARK, "Some(now)", [HEARS, NOTICE]),
    ("mark_waited: writes over the phase", "slot", MARK, "self.0.store(marked, Relaxed); Some(marked)", [HEARS]),
    ("look: at an entry of any lap", "ring", "if lap_of(packed) == self.lap(position) {", "if true {", [HEARS, FULL]),
    ("look: no acquire", "ring", *relaxed("self.entry_at(position).load(Acquire);\n            if lap_of"), [HEARS]),
    ("write: no release", "ring", *relaxed("store(packed, Release)"), [HEARS, AGAIN]),
    ("pass: by two", "ring", PASS, PASS.replace("+ 1", "+ 2"), [FULL]),
    ("pass_many: by one more", "ring", "position, position + count, ", "position, position + count + 1, ", [TWO]),
    ("pass: moves the head back", "ring", PASS, "self.head().store(position + 1, Relaxed);", [FULL]),
    ("make_room: keeps dead entries", "ring", "|| !is_dead(entry)", "|| !is_dead(entry) || true", [FULL]),
    ("post: writes the entry first", "queue", *swapped(POST), [HEARS]),
    ("take: notes nothing", "queue", "next.store(batch::pack(entry), Relaxed);", "", [STOPS, TAKES_OVER]),
    ("empty_batch: forgets the next", "batch", ".chain([&seat.next])", ".chain([])", [STOPS]),
    ("ring: sees nobody", "bell", "self.group(group).load(Relaxed) != 0", "false", [HEARS]),
    ("finish: wakes nobody", "mod", *without(FINISH, FINISH), [HEARS, NOTICE]),
    ("cancel: wakes nobody", "mod", *silent("self.slot(slot).word.cancel(generation)"), [CANCELLED]),
    ("settle: wakes nobody", "mod", *silent("self.slot(slot).word.settle(seat, outcome)"), [STOPS]),
    ("requeue: writes the entry first", "queue", *swapped(REQUEUE), [BACK]),
    ("requeue: rings nobody", "queue", *without("self.bell.ring();", "self.bell.ring();\n        made"), [BACK]),
    ("wake_again: does nothing", "mod", "if word.phase().is_done() {", "if false {", [STOPS]),
    ("wake: rings no notice", "mod", *without("self.ring_notice();", RING), [NOTICE]),
    ("ring_notice: no release", "notice", *relaxed("self.notice().fetch_update(Release, Relaxed, rung)"), [NOTICE]),
    ("ring_notice: leaves the count", "notice", ".wrapping_add(RING)", "", [NOTICE]),
    ("ring_notice: sees no sleeper", "notice", "before & WAITED != 0", "false && before > 0", [NOTICE]),
    ("heed_notice: leaves no mark", "notice", "fetch_or(WAITED, Relaxed)", "load(Relaxed)", [NOTICE]),
    ("search: does not look at the idle time", "mod", "|| new();", ";", [NEWS]),
    ("set_idle_time: wakes nobody", "mod", *without("self.bell.wake_all();", IDLE), [NEWS]),
    ("search: leaves without ringing", "mod", FOUND, f"if rest == Rest::Roused {{ {FOUND} }}", [LEFT]),
    ("set_stage: wakes nobody", "mod", *without("self.bell.wake_all();", STAGE), [LEAVE]),
    ("set_stage: wakes first", "mod", *swapped(STAGE), [LEAVE]),
    ("order_to_leave: wakes nobody", "leave", *without("self.bell.wake(seat);", ORDERED), [ORDER]),
    ("bell wake: no ordering", "bell", *relaxed("self.group(group).fetch_and(!sleeping, AcqRel);"), [ORDER]),
    ("search: does not look for orders", "mod", "self.may_have_to_leave(seat) || (", "(", [ORDER]),
    ("search: goes as ordered without ringing", "mod", FOUND, f"if !self.may_have_to_leave(seat) {{ {FOUND} }}", [BEFORE_LEAVING]),
    ("ask_to_leave: wakes nobody", "leave", "self.bell.wake_all();", "", [ASKED]),
    ("take_leave: in two steps", "leave", LEAVER, LEAVER_IN_TWO_STEPS, [ASKED, TAKEN_BACK]),
    ("arm: rings nobody", "alarm", "fetch_min(limit_ms, AcqRel) > limit_ms", "fetch_min(limit_ms, AcqRel) > u64::MAX", [SEEN]),
    ("disarm: no fence", "alarm", *without("fence(SeqCst);", "fence(SeqCst);\n        if is_idle()"), [SEEN]),
    ("disarm: does not look again", "alarm", "if is_idle() {", "if true {", [SEEN]),
    ("doom: in any phase", "slot", "(now & PHASE == RUNNING).then_some(now | DOOMED)", "Some(now | DOOMED)", [DOOM]),
    ("finish: does not see the doom", "word", "self.0 & DOOMED != 0", "false", [DOOM]),
    ("finish: heeds no waiter", "word", "WAITED | NOTICED | DOOMED | SIGNALLED", "DOOMED | SIGNALLED", [HEARS]),
    ("finish: does not await the signal", "mod", "finished.signalled()", "None", [SIGNAL]),
    ("claim: tells nobody", "mod", "if claim == Claim::YoursToTell {", "if false {", [BEGUN]),
    ("ask_announcement: in any phase", "slot", "(now & PHASE == READY).then_some(now | ANNOUNCED)", "Some(now | ANNOUNCED)", [BEGUN]),
    ("retag: the old tag", "free", "(head >> SLOT_BITS).wrapping_add(1)", "(head >> SLOT_BITS)", [FREE]),
    ("free take: no acquire", "free", *relaxed(FREE_TAKE), [FREE]),
    ("give: in two steps", "free", FREE_GIVE, "self.head.store(new, Release); match Ok::<_, u64>(new) {", [GIVERS]),
    ("give: no release", "free", *relaxed(FREE_GIVE), [FREE]),
    ("give: to a closed list", "free", "if head & SLOT_MASK == CLOSED {", "if false {", [CLOSES]),
    ("close: does not count", "free", "listed += 1;", "", [FREE]),
    ("give: leaves the block's bit", "heap", ".fetch_and(!bit, Release)", ".fetch_and(u64::MAX, Release)", [BLOCK]),
    ("take_of: whoever had it", "heap", "if before & (1 << bit) == 0 {", "if true {", [BLOCK]),
    ("settle: no ordering", "../cells", *relaxed("fetch_add(holders, AcqRel)"), [LAST]),
    ("settle: asks before it adds", "../cells", "AcqRel) + holders == 0", "AcqRel) == 0", [LAST]),
    ("tell_of_place: no fence", "places", *without("fence(SeqCst);", "fence(SeqCst);\n        if self.place()"), [PLACE]),
    ("await_place: no fence", "places", *without("fence(SeqCst);", "fence(SeqCst);\n            found"), [PLACE]),
    ("await_place: does not look again", "places", PLACE_LOOK, "if true {", [PLACE]),
    ("await_place: leaves no mark", "places", "self.place().swap(WAITED, Relaxed);", "", [PLACE]),
    ("rouse_submitter: leaves the mark", "places", "self.place().swap(0, Release);", "", [PLACE, SHUT]),
    ("rouse_submitter: wakes nobody", "places", "self.place().wake(1, self.scope);", "", [PLACE, SHUT, CLAIMER]),
    ("reserve_below: in two steps", "ring", RESERVE, RESERVE_IN_TWO_STEPS, [BOUND]),
    ("write_in_band: says nothing of the band", "queue", "& rank.feature() == 0 {", "& rank.feature() == u64::MAX {", [RANKED]),
    ("has_task: not elsewhere", "queue", "features => self.has_task_elsewhere(features),", "features => features == u64::MAX,", [RANKED]),
    ("take_by_rank: the last first", "queue", BY_RANK, BY_RANK.replace("find_map", "collect::<Vec<_>>().into_iter().rev().find_map"), [FIRST]),
    ("claim: of any phase", "slot", "(now & PHASE == READY).then(|| running(now))", "Some(running(now))", [RANK_CANCEL, BATCH_CANCEL, BATCH_ONCE]),
    ("requeue: forgets the rank", "queue", "let rank = record.call().rank;", "let rank = Rank::USUAL;", [RANK_BACK]),
    ("note_batch: notes nothing", "batch", "place.store(entry, Relaxed);", "place.store(entry & 0, Relaxed);", [BATCH_STOPS]),
    ("note_batch: does not say how many", "batch", "own.left.store(count as u32, Relaxed);", "", [BATCH_ONCE]),
    ("has_batched_task: no fence", "batch", "fence(Acquire);", "", [SHARED]),
    ("pass_many: no release", "ring", *relaxed("position + count, Release, Relaxed"), [SHARED]),
    ("take_from_others: takes nothing", "batch", "self.crew().find_map(", "self.crew().take(0).find_map(", [SHARED]),
    ("empty_batch: answers nothing", "batch", "entries.filter(|entry| self.is_live(*entry))", "entries.filter(|_| false)", [BATCH_STOPS]),
    ("close: in two steps", "free", "self.head.swap(CLOSED, AcqRel)", CLOSE_IN_TWO_STEPS, [CLOSES]),
]


def run(command, seconds):
    """The exit status, or None when it did not come to its end, and what was printed."""
    options = {"cwd": TREE, "env": {**os.environ, **ENVIRONMENT}, "timeout": seconds, "errors": "replace"}
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired:
        return None, "it does not come to its end"


def build():
    """The program of the models, of the tree as it stands."""
    command = [os.environ.get("CARGO", "cargo"), "test", "--locked", "--release", "--lib", "--no-run"]
    status, printed = run([*command, "--message-format=json-render-diagnostics"], SECONDS_UNBROKEN)
    programs = re.findall(r'"executable":("[^"]+")', printed)
    if status != 0 or len(programs) != 1:
        sys.exit(f"the models do not build: {printed}")
    return json.loads(programs[0])


def models_fail(what, file, text, instead, models):
    """Breaks one step, runs its models, mends it. Whether all have failed."""
    path = TREE / "src" / "board" / f"{file}.rs"
    unbroken = path.read_text()
    if unbroken.count(text) != 1:
        sys.exit(f"{what}: {file}.rs has this {unbroken.count(text)} times, not once:\n{text}")
    path.write_text(unbroken.replace(text, instead))
    program = build()
    verdicts = []
    for model in models:
        started = time.monotonic()
        verdicts.append("SURVIVED" if run([program, f"::{model}"], SECONDS)[0] == 0 else "caught")
        print(f"{verdicts[-1]:8}  {what}: {model} ({time.monotonic() - started:.0f} s)", flush=True)
    path.write_text(unbroken)
    return "SURVIVED" not in verdicts


def main():
    shutil.rmtree(TREE, ignore_errors=True)
    shutil.copytree(ROOT / "src", TREE / "src", copy_function=shutil.copyfile)
    shutil.copy(ROOT / "Cargo.toml", TREE)
    shutil.copy(ROOT / "Cargo.lock", TREE)
    program = build()
    status, printed = run([program, "board::models::"], SECONDS_UNBROKEN)
    if status != 0:
        sys.exit(f"the unbroken protocols fail:\n{printed}")
    there = re.findall(r"::models::(?:\w+::)*(\w+): test", run([program, "--list"], SECONDS)[1])
    named = {model for row in MUTATIONS for model in row[-1]}
    wrong = [f"nothing breaks {model}" for model in there if not any(name in model for name in named)]
    wrong += [f"there is no model {name}" for name in sorted(named) if not any(name in model for model in there)]
    chosen = [row for row in MUTATIONS if not sys.argv[1:] or any(word in row[0] for word in sys.argv[1:])]
    survivors = [row[0] for row in chosen if not models_fail(*row)]
    print(f"{len(chosen) - len(survivors)} caught, {len(survivors)} survived", *wrong, sep="\n")
    sys.exit(bool(survivors or wrong))


if __name__ == "__main__":
    main()
