//! A worker is gone: what it held, and the verdict for each task.
//!
//! Order: its death is seen first, and the slots are read after that, so nothing it did is missed.
//! A task that it finished stays finished; whoever may have missed the wake-up is woken again. A
//! task that it was running fails, or is put back when the worker could not have run it.

use super::limits::{Doom, Sentence};
use super::state::PoolState;
use crate::board::Stage;
use crate::board::heap::Block;
use crate::board::record::{BytesLocation, Slot};
use crate::board::side_table::TaskFailure;
use crate::board::slot::{Outcome, Phase, SeatIndex};
use crate::clock;
use crate::error::{Detail, Status};
use crate::sync::Ordering::Relaxed;
use crate::worker::resolve;

/// How a worker ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    /// It said goodbye.
    Left,
    /// It left a task to a worker of the main program's image.
    WrongImage,
    /// A process that ended without a word.
    Lost(Death),
    /// The pool killed it to stop at once.
    Killed(Death),
    /// The pool killed it for one task.
    Sentenced(Sentence, Death),
}

/// Settles all that the worker of this seat has left.
pub(crate) fn recover(state: &PoolState, seat: SeatIndex, fate: Fate) {
    let board = &state.region.board;
    board.sleepers.clear(seat);
    state.enqueue_prefetched_again(seat);
    if matches!(fate, Fate::Left) {
        // It has finished what it began, and woken who was to be woken.
        return;
    }
    let mut found = 0;
    let mut kept = Vec::new();
    let arena = state.region.results_arena(seat);
    // Its own note says where to look first: that future need not wait for the rest.
    let hint = board.seats().at(usize::from(seat.0)).slot.load(Relaxed).checked_sub(1);
    if let Some(slot) = hint.filter(|slot| *slot < state.slots.used()) {
        found += u64::from(recover_slot(state, seat, fate, slot, board.slot(slot), &mut |_| {}));
    }
    state.for_each_slot(|slot, record| {
        let mut keep = |offset| kept.extend(arena.block_at(offset));
        found += u64::from(recover_slot(state, seat, fate, slot, record, &mut keep));
    });
    let kept: Vec<Block> = kept;
    arena.keep_only(&kept);
    state.slots.repair_counts(&state.region, seat, found);
    // It may have died before it could say what it had claimed.
    state.wake_submitters();
    if board.stage() == Stage::Open {
        board.sleepers.notify_one();
    }
}

/// Ends what is neither waiting nor done while there is no worker, and has an owner: nobody runs it. A
/// worker gone astray has written over it, or over its seat.
pub(crate) fn fail_corrupted(state: &PoolState) {
    state.for_each_slot(|slot, record| {
        let phase = record.word.phase();
        let Some(generation) = state.slots.held_generation(slot) else { return };
        // A free slot with an owner is one that a submit is just filling.
        let is_waiting = matches!(phase, Phase::Ready | Phase::Free);
        if is_waiting || (phase.is_done() && record.word.generation() == generation) {
            return;
        }
        record.end_without_worker(0);
        state.slots.side_table.set_failure(slot, note(state, Fate::Left, record));
        state.counters.failed.count();
        state.region.board.force_fail(slot, generation);
        state.hint(slot);
    });
}

/// Settles one slot; says whether the worker was running its task.
fn recover_slot(
    state: &PoolState,
    seat: SeatIndex,
    fate: Fate,
    slot: u32,
    record: &Slot,
    keep: &mut impl FnMut(u64),
) -> bool {
    let board = &state.region.board;
    match record.word.phase() {
        Phase::Running(runner) if runner == seat => {}
        Phase::Completed(runner) | Phase::Failed(runner) if runner == seat => {
            if let Some(BytesLocation::Heap(far)) = record.ending().map(|(ending, _)| ending.result)
            {
                keep(far.place);
            }
            board.rewake(slot);
            return false;
        }
        _ => return false,
    }
    // It has died between counting the task and finishing it.
    state.region.worker_stats(seat).uncount(record.id());
    if matches!(fate, Fate::Lost(_)) {
        state.counters.lost.count();
    }
    let outcome = match fate {
        Fate::WrongImage => {
            state.counters.repeated.count();
            return board.requeue(slot, seat, &state.slots.tails);
        }
        Fate::Lost(_) if may_run_again(state, slot, record) => {
            state.slots.side_table.discard_result_file(record.id());
            state.counters.retried.count();
            state.counters.repeated.count();
            return board.requeue(slot, seat, &state.slots.tails);
        }
        Fate::Killed(_) => Outcome::CancelledTask,
        Fate::Sentenced(sentence, _) if sentence.doom == Doom::CancelledTask => {
            Outcome::CancelledTask
        }
        Fate::Left | Fate::Lost(_) | Fate::Sentenced(..) => Outcome::Failed,
    };
    state.slots.side_table.discard_result_file(record.id());
    record.end_without_worker(spans(state, seat, record));
    state.slots.side_table.set_failure(slot, note(state, fate, record));
    // Counted first: whoever sees it done sees it counted.
    let count =
        if outcome == Outcome::Failed { &state.counters.failed } else { &state.counters.cancelled };
    count.count();
    let is_settled = board.end_orphaned(slot, seat, outcome);
    if !is_settled {
        count.uncount();
    }
    state.hint(slot);
    is_settled
}

/// Whether a task whose worker was lost is to be run again.
fn may_run_again(state: &PoolState, slot: u32, record: &Slot) -> bool {
    !record.word.is_cancel_requested()
        && state.region.board.stage() != Stage::Stop
        && state.slots.side_table.take_retry(slot, state.plan.retries)
}

/// How long the task was queued and ran, packed, by what its worker had noted.
fn spans(state: &PoolState, seat: SeatIndex, record: &Slot) -> u64 {
    let (posted, now) = (record.stamp(), clock::now());
    let current_task = state.region.board.seats().at(usize::from(seat.0)).started.load(Relaxed);
    let started = current_task.clamp(posted.min(now), now);
    let queued = clock::pack(started.saturating_sub(posted));
    u64::from(queued) << 32 | u64::from(clock::pack(now - started))
}

fn note(state: &PoolState, fate: Fate, record: &Slot) -> TaskFailure {
    let function = state.region.functions.read(record.call().function, &state.region.memory);
    let function = function.map_or("a function".to_owned(), |it| resolve::describe(&it));
    let (status, death) = match fate {
        Fate::Killed(death) => (Status::POOL_ERR_TERMINATED, death),
        Fate::Lost(death) => (Status::POOL_ERR_WORKER_LOST, death),
        Fate::Sentenced(sentence, death) => {
            let detail = detail_of(death, &format!("while running {function}"));
            return sentenced(sentence.doom, detail);
        }
        Fate::Left | Fate::WrongImage => {
            (Status::POOL_ERR_WORKER_LOST, Death { pid: 0, how: How::Unknown })
        }
    };
    TaskFailure { status, detail: detail_of(death, &format!("while running {function}")) }
}

/// What a task says whose worker was killed for it.
fn sentenced(doom: Doom, mut detail: Detail) -> TaskFailure {
    let why = match doom {
        Doom::HardLimit(limit_ms) => format!("it ran longer than {limit_ms} ms"),
        Doom::CancelledTask => "it was cancelled while it ran".to_owned(),
    };
    detail.message = format!("{why}: {}", detail.message);
    TaskFailure { status: doom.status(), detail }
}
