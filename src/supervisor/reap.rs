//! Recovery after a worker has exited: ends or requeues the task that it was running.
//!
//! Order: first the exit is seen, then the slots are read, so nothing that the worker did is
//! missed. A task that it finished stays finished, and waiters that may have missed the wake-up are
//! woken again. A task that it was running fails, or is requeued if the worker could not run it or
//! if it may be retried.

use super::exit_status::ProcessExit;
use super::workers::WorkerExit;
use crate::board::Stage;
use crate::board::heap::Block;
use crate::board::parent::side_table::TaskFailure;
use crate::board::record::{BytesLocation, Slot};
use crate::board::slot::{Outcome, Phase, SeatIndex};
use crate::clock;
use crate::error::Status;
use crate::state::PoolState;
use crate::sync::Ordering::Relaxed;
use crate::worker::protocol::ExitReason;

/// Recovers all that the exited worker of this seat held.
pub(super) fn recover(state: &PoolState, seat: SeatIndex, exit: &WorkerExit) {
    let board = &state.region.board;
    board.sleepers.clear(seat);
    state.enqueue_prefetched_again(seat);
    if exit.is_voluntary && exit.reason != ExitReason::NeedsMainProgram {
        // It has finished its tasks, and woken their waiters.
        return;
    }
    let mut found = 0;
    let mut used: Vec<Block> = Vec::new();
    let arena = state.region.results_arena(seat);
    // The slot that the seat has recorded comes first: its future need not wait for the others.
    let hint = board.seats().at(usize::from(seat.0)).slot.load(Relaxed).checked_sub(1);
    if let Some(slot) = hint.filter(|slot| *slot < state.slots.used()) {
        let record = board.slot(slot);
        found += u64::from(recover_slot(state, seat, exit, slot, record, &mut |_| {}));
    }
    state.for_each_slot(|slot, record| {
        let mut keep = |offset| used.extend(arena.block_at(offset));
        found += u64::from(recover_slot(state, seat, exit, slot, record, &mut keep));
    });
    arena.keep_only(&used);
    state.slots.repair_counts(&state.region, seat, found);
    // It may have died after it counted a claim, and before it woke a submitter.
    state.wake_submitters();
    if board.stage() == Stage::Open {
        board.sleepers.notify_one();
    }
}

/// Fails each task that has an owner and is neither queued nor done. Called only while there are no
/// workers, so none runs it: a stray worker has overwritten its slot or its seat.
pub(super) fn fail_corrupted(state: &PoolState) {
    state.for_each_slot(|slot, record| {
        let phase = record.word.phase();
        let Some(generation) = state.slots.entries.held_generation(slot) else { return };
        // A submit is about to fill a free slot with an owner.
        let is_queued = matches!(phase, Phase::Ready | Phase::Free);
        if is_queued || (phase.is_done() && record.word.generation() == generation) {
            return;
        }
        record.end_without_worker(0);
        let failure = lost(state, ProcessExit::UNKNOWN, record);
        state.slots.side_table.set_failure(slot, failure);
        state.counters.failed.add();
        state.region.board.force_fail(slot, generation);
        state.hint_completion(slot);
    });
}

/// Recovers one slot. Returns whether the worker was running its task.
fn recover_slot(
    state: &PoolState,
    seat: SeatIndex,
    exit: &WorkerExit,
    slot: u32,
    record: &Slot,
    keep: &mut impl FnMut(u64),
) -> bool {
    let board = &state.region.board;
    match record.word.phase() {
        Phase::Running(runner) if runner == seat => {}
        Phase::Completed(runner) | Phase::Failed(runner) if runner == seat => {
            if let Some(BytesLocation::Heap(far)) = record.ending().map(|ending| ending.result) {
                keep(far.location);
            }
            board.rewake(slot);
            return false;
        }
        _ => return false,
    }
    // It may have died after it counted the task, and before it finished it.
    state.region.worker_stats(seat).uncount(record.id());
    let requeue = || {
        state.counters.repeated.add();
        board.requeue(slot, seat, &state.slots.tails)
    };
    if exit.is_voluntary {
        // It has announced that this task needs the main program.
        return requeue();
    }
    if exit.is_loss() {
        state.counters.lost.add();
        if may_retry(state, slot, record) {
            state.slots.side_table.discard_result_file(slot);
            state.counters.retried.add();
            return requeue();
        }
    }
    let (outcome, failure) = task_outcome(state, exit, record);
    state.slots.side_table.discard_result_file(slot);
    record.end_without_worker(spans(state, seat, record));
    state.slots.side_table.set_failure(slot, failure);
    // Counted first: a caller that sees the task done also sees it counted.
    let counter = match outcome {
        Outcome::Failed => &state.counters.failed,
        _ => &state.counters.cancelled,
    };
    counter.add();
    let is_ended = board.end_orphaned(slot, seat, outcome);
    if !is_ended {
        counter.undo();
    }
    state.hint_completion(slot);
    is_ended
}

/// How a task ends whose worker was killed or lost while it ran.
fn task_outcome(state: &PoolState, exit: &WorkerExit, record: &Slot) -> (Outcome, TaskFailure) {
    let process = exit.process.unwrap_or(ProcessExit::UNKNOWN);
    let killed = |status, why: String| {
        let mut detail = process.to_detail(&running(state, record));
        detail.message = format!("{why}: {}", detail.message);
        TaskFailure { status, detail }
    };
    match exit.pending_kill {
        Some(kill) => match kill.limit_ms {
            Some(limit_ms) => {
                let why = format!("it ran longer than {limit_ms} ms");
                (Outcome::Failed, killed(Status::POOL_ERR_HARD_LIMIT, why))
            }
            None => {
                let why = "it was cancelled while it ran".to_owned();
                (Outcome::Killed, killed(Status::POOL_ERR_CANCELLED, why))
            }
        },
        None if exit.is_killed_by_stop => {
            let detail = process.to_detail(&running(state, record));
            (Outcome::Killed, TaskFailure { status: Status::POOL_ERR_TERMINATED, detail })
        }
        None => (Outcome::Failed, lost(state, process, record)),
    }
}

fn lost(state: &PoolState, process: ProcessExit, record: &Slot) -> TaskFailure {
    let detail = process.to_detail(&running(state, record));
    TaskFailure { status: Status::POOL_ERR_WORKER_LOST, detail }
}

/// The end of a sentence about the worker of this task.
fn running(state: &PoolState, record: &Slot) -> String {
    let function = state.functions.describe(record.call().function);
    format!("while running {}", function.as_deref().unwrap_or("a function"))
}

/// Whether a task whose worker was lost is run again.
fn may_retry(state: &PoolState, slot: u32, record: &Slot) -> bool {
    !record.word.is_cancel_requested()
        && state.region.board.stage() != Stage::Stop
        && state.slots.side_table.take_retry(slot, state.config.retries)
}

/// How long the task was queued and how long it ran, packed, by the start that its worker has
/// recorded.
fn spans(state: &PoolState, seat: SeatIndex, record: &Slot) -> u64 {
    let (submitted, now) = (record.stamp(), clock::now());
    let recorded = state.region.board.seats().at(usize::from(seat.0)).started.load(Relaxed);
    let started = recorded.clamp(submitted.min(now), now);
    let queued = clock::pack(started.saturating_sub(submitted));
    u64::from(queued) << 32 | u64::from(clock::pack(now - started))
}
