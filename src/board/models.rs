//! Loom models of the board's protocols: all interleavings of a few steps.
//!
//! Run them with `RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=2 cargo test --release --lib`. `make
//! mutations` checks that they fail when a protocol is broken.

use super::memory::Span;
use super::parent::tail::Tails;
use super::priority::{Priority, PriorityRings};
use super::record::{BytesLocation, Ending, Slot, TaskCall};
use super::region::{Header, Seat};
use super::ring::RingEntry;
use super::sleep::Parker;
use super::slot::{CancelReason, Cancellation, Outcome, Phase, SeatIndex, Waited};
use super::{Board, BoardParts, IdlePolicy, Next, Stage};
use crate::error::Status;
use crate::sync::{AtomicU32, AtomicU64, Deadline, Ordering::*, Scope, fence};
use loom::sync::Arc;
use loom::thread;

mod ask;
mod deaths;
mod limits;
mod lists;
mod queue;
mod retire;

const SEAT_A: SeatIndex = SeatIndex(0);
const SEAT_B: SeatIndex = SeatIndex(1);

const REQUESTED: Cancellation = Cancellation { why: CancelReason::Requested, queued: 0 };

/// A board of two slots and two seats, and the memory that it refers to.
struct ModelBoard {
    board: Board,
    tails: Tails,
    _header: Vec<Header>,
    _entries: Vec<AtomicU64>,
    _priority_ring: Vec<AtomicU64>,
    _idle: Vec<AtomicU64>,
    _parkers: Vec<Parker>,
    _seats: Vec<Seat>,
    _slots: Vec<Slot>,
}

fn defaults<T: Default>(count: usize) -> Vec<T> {
    (0..count).map(|_| T::default()).collect()
}

impl ModelBoard {
    fn new() -> Arc<ModelBoard> {
        let (header, entries, idle) = (defaults::<Header>(1), defaults(4), defaults(2));
        let (parkers, seats, slots) = (defaults(2), defaults(2), defaults(2));
        let priority_ring = defaults(4);
        let board = Board::new(BoardParts {
            header: Span::over(&header),
            head: Span::over(std::slice::from_ref(&*header[0].head)),
            entries: Span::over(&entries),
            priority_rings: PriorityRings::new(
                Span::over(std::slice::from_ref(&*header[0].priority_rings[0])),
                Span::over(&priority_ring),
            ),
            idle: Span::over(&idle),
            parkers: Span::over(&parkers),
            seats: Span::over(&seats),
            slots: Span::over(&slots),
            scope: Scope::Shared,
        });
        Arc::new(ModelBoard {
            board,
            tails: Tails::new(),
            _header: header,
            _entries: entries,
            _priority_ring: priority_ring,
            _idle: idle,
            _parkers: parkers,
            _seats: seats,
            _slots: slots,
        })
    }

    /// Submits a task whose function is a number, and notifies one sleeper.
    fn submit(&self, slot: u32, generation: u32, function: u32) {
        self.submit_with_priority(Priority::DEFAULT, slot, generation, function);
    }

    fn submit_with_priority(&self, priority: Priority, slot: u32, generation: u32, function: u32) {
        let position = self.board.reserve(self.tails.main()).expect("room in the ring");
        let reservation = self
            .board
            .reserve_priority(position, priority, &self.tails, slot)
            .expect("room in the priority ring");
        let args = BytesLocation::Inline { len: 0 };
        let call = TaskCall { function, is_chunk: false, priority };
        self.board.slot(slot).word.clear();
        self.board.slot(slot).fill(call, args, &[], 0, position + 1);
        self.board.enqueue(reservation, RingEntry { slot, generation });
        self.board.sleepers.notify_one();
    }

    /// Runs a task as a worker does: its code becomes twice the number of the function.
    fn run_task(&self, seat: SeatIndex, slot: u32) {
        let record = self.board.slot(slot);
        let code = 2 * record.call().function as i32;
        let result = BytesLocation::Inline { len: 0 };
        record.end(Ending { status: Status::POOL_OK, code, result }, 0);
        let _ = self.board.finish(seat, slot, Outcome::Completed);
    }

    fn run_next(&self, seat: SeatIndex) {
        if let Next::Task(slot) = self.board.next(seat, IdlePolicy::Stay) {
            self.run_task(seat, slot);
        }
    }

    fn try_run_next(&self, seat: SeatIndex) {
        if let Some(slot) = self.board.take(seat) {
            self.run_task(seat, slot);
        }
    }

    fn wait(&self, slot: u32, generation: u32) {
        let word = &self.board.slot(slot).word;
        let waited = word.wait(generation, Scope::Shared, Deadline::Never, |_| {}, || {});
        assert_eq!(waited, Waited::Done);
    }

    fn code(&self, slot: u32) -> i32 {
        self.board.slot(slot).ending().expect("an ending").code
    }
}

fn spawn<F: FnOnce(&ModelBoard) + 'static>(
    model: &Arc<ModelBoard>,
    work: F,
) -> thread::JoinHandle<()> {
    let model = model.clone();
    thread::spawn(move || work(&model))
}

#[test]
fn a_sleeping_worker_gets_the_task_and_the_waiter_its_result() {
    loom::model(|| {
        let model = ModelBoard::new();
        let worker = spawn(&model, |model| model.run_next(SEAT_A));
        model.submit(0, 7, 21);
        model.wait(0, 7);
        assert_eq!(model.code(0), 42);
        worker.join().unwrap();
    });
}

/// The first worker checks once, does not sleep, and exits; the other one sleeps until it is
/// notified.
#[test]
fn a_task_left_to_a_worker_that_exits_is_run_by_another() {
    loom::model(|| {
        let model = ModelBoard::new();
        let exiting = spawn(&model, |model| {
            if let Next::Task(slot) = model.board.next(SEAT_A, IdlePolicy::ExitAfterTimeout) {
                model.run_task(SEAT_A, slot);
            }
        });
        let other = spawn(&model, |model| model.run_next(SEAT_B));
        model.submit(0, 1, 1);
        exiting.join().unwrap();
        if model.board.seats().at(0).ended.load(Relaxed) == 1 {
            model.board.set_stage(Stage::Stop);
        }
        other.join().unwrap();
        assert_eq!(model.code(0), 2);
    });
}

#[test]
fn two_tasks_wake_two_workers() {
    loom::model(|| {
        let model = ModelBoard::new();
        let one = spawn(&model, |model| model.run_next(SEAT_A));
        let other = spawn(&model, |model| model.run_next(SEAT_B));
        model.submit(0, 1, 1);
        model.submit(1, 1, 2);
        one.join().unwrap();
        other.join().unwrap();
        assert_eq!((model.code(0), model.code(1)), (2, 4));
    });
}

#[test]
fn a_task_is_claimed_once() {
    loom::model(|| {
        let model = ModelBoard::new();
        model.submit(0, 1, 1);
        let other = spawn(&model, |model| model.try_run_next(SEAT_B));
        model.try_run_next(SEAT_A);
        other.join().unwrap();
        let seats = [0, 1].map(|seat| model.board.seats().at(seat).ended.load(Relaxed));
        assert_eq!(seats[0] + seats[1], 1);
    });
}

#[test]
fn cancel_and_claim_never_both_win() {
    loom::model(|| {
        let model = ModelBoard::new();
        model.submit(0, 3, 1);
        let worker = spawn(&model, |model| model.try_run_next(SEAT_A));
        let is_cancelled = model.board.cancel(0, 3, REQUESTED);
        worker.join().unwrap();
        let has_worked = model.board.seats().at(0).ended.load(Relaxed) == 1;
        assert_ne!(is_cancelled, has_worked);
        assert!(model.board.slot(0).word.phase().is_done());
    });
}

#[test]
fn a_cancelled_slot_is_reused_while_a_worker_takes() {
    loom::model(|| {
        let model = ModelBoard::new();
        model.submit(0, 1, 1);
        let worker = spawn(&model, |model| model.run_next(SEAT_A));
        if model.board.cancel(0, 1, REQUESTED) {
            model.board.slot(0).word.clear();
            model.submit(0, 2, 5);
            model.wait(0, 2);
            assert_eq!(model.code(0), 10);
        } else {
            model.wait(0, 1);
            assert_eq!(model.code(0), 2);
        }
        worker.join().unwrap();
    });
}

#[test]
fn nothing_of_a_cancellation_reaches_the_next_task_of_the_slot() {
    loom::model(|| {
        const HOW: Cancellation = Cancellation { why: CancelReason::Broken, queued: 77 };
        let model = ModelBoard::new();
        model.submit(0, 1, 1);
        let owner = spawn(&model, |model| {
            model.wait(0, 1);
            let observed = model.board.slot(0).word.observe();
            assert_eq!((observed.phase(), observed.cancellation()), (Phase::Cancelled, HOW));
            model.board.slot(0).word.clear();
            model.submit(0, 2, 5);
            let progress = model.board.slot(0).progress().load(Relaxed);
            assert_eq!(progress, 0, "what was submitted has not run");
        });
        assert!(model.board.cancel(0, 1, HOW));
        owner.join().unwrap();
    });
}

#[test]
fn a_task_in_a_reused_slot_keeps_its_own_position() {
    loom::model(|| {
        let model = ModelBoard::new();
        model.submit(0, 1, 1);
        let worker = spawn(&model, |model| {
            if model.board.take(SEAT_A) == Some(0) {
                assert_eq!(model.board.slot(0).call().function, 1, "the last task is taken first");
            }
        });
        if model.board.cancel(0, 1, REQUESTED) {
            model.board.slot(0).word.clear();
            model.submit(1, 1, 2);
            model.submit(0, 2, 3);
        }
        worker.join().unwrap();
    });
}

#[test]
fn a_waiter_is_woken_when_its_task_is_cancelled() {
    loom::model(|| {
        let model = ModelBoard::new();
        model.submit(0, 1, 1);
        let canceller = spawn(&model, |model| assert!(model.board.cancel(0, 1, REQUESTED)));
        model.wait(0, 1);
        canceller.join().unwrap();
    });
}

#[test]
fn a_requeued_task_is_run_by_another_worker() {
    loom::model(|| {
        let model = ModelBoard::new();
        model.submit(0, 1, 1);
        let other = spawn(&model, |model| model.run_next(SEAT_B));
        let exiting = spawn(&model, |model| {
            if let Some(slot) = model.board.take(SEAT_A) {
                assert!(model.board.requeue(slot, SEAT_A, &model.tails, || {}));
            }
        });
        model.wait(0, 1);
        assert_eq!(model.code(0), 2);
        exiting.join().unwrap();
        other.join().unwrap();
    });
}

/// Waits for a task like a thread that waits for several.
fn wait_by_completion_event(model: &ModelBoard) {
    let word = model.board.completion_event();
    loop {
        let seen = word.load(Acquire);
        if model.board.slot(0).word.phase().is_done() {
            break;
        }
        if model.board.slot(0).word.subscribe_completion(1) {
            if let Some(expected) = model.board.prepare_wait(seen) {
                word.sleep_if(expected, Scope::Shared, None);
            }
        }
    }
    assert_eq!(model.code(0), 2);
}

/// In both orders: loom begins with the first thread, and does not reach all interleavings from
/// there.
#[test]
fn the_completion_event_wakes_a_waiter_for_several_tasks() {
    for is_worker_first in [false, true] {
        loom::model(move || {
            let model = ModelBoard::new();
            model.submit(0, 1, 1);
            if is_worker_first {
                let waiter = spawn(&model, wait_by_completion_event);
                model.try_run_next(SEAT_A);
                waiter.join().unwrap();
            } else {
                let worker = spawn(&model, |model| model.try_run_next(SEAT_A));
                wait_by_completion_event(&model);
                worker.join().unwrap();
            }
        });
    }
}

#[test]
fn a_sleeping_worker_exits_when_the_stage_changes() {
    loom::model(|| {
        let model = ModelBoard::new();
        let worker = spawn(&model, |model| {
            assert_eq!(model.board.next(SEAT_A, IdlePolicy::Stay), Next::Exit)
        });
        model.board.set_stage(Stage::Drain);
        worker.join().unwrap();
    });
}

/// Whether it is asleep, searching or about to look when the stage changes.
#[test]
fn a_paused_worker_takes_its_task_when_resumed() {
    loom::model(|| {
        let model = ModelBoard::new();
        model.board.set_stage(Stage::Paused);
        let worker = spawn(&model, |model| {
            assert_eq!(model.board.next(SEAT_A, IdlePolicy::Stay), Next::Task(0))
        });
        model.submit(0, 1, 1);
        model.board.set_stage(Stage::Open);
        worker.join().unwrap();
    });
}

#[test]
fn a_sleeper_sees_a_new_idle_time() {
    loom::model(|| {
        let model = ModelBoard::new();
        model.board.set_idle_time(-1);
        let worker = spawn(&model, |model| {
            assert_eq!(model.board.next(SEAT_A, IdlePolicy::ExitAfterTimeout), Next::IdleTimeout)
        });
        model.board.set_idle_time(0);
        worker.join().unwrap();
    });
}

/// A submit that sees no flag has enqueued before the shutdown checks the slots, or cancels its
/// task itself: see `PoolState::flags` and `Pool::submit`.
#[test]
fn no_task_stays_in_a_closed_pool() {
    loom::model(|| {
        let model = ModelBoard::new();
        let flags = Arc::new(AtomicU32::new(0));
        let closing = flags.clone();
        let stop = spawn(&model, move |model| {
            closing.fetch_or(1, AcqRel);
            fence(SeqCst);
            if model.board.slot(0).word.phase() == Phase::Ready {
                model.board.cancel(0, 1, REQUESTED);
            }
        });
        model.submit(0, 1, 1);
        if flags.load(Relaxed) != 0 {
            model.board.cancel(0, 1, REQUESTED);
        }
        stop.join().unwrap();
        assert_eq!(model.board.slot(0).word.phase(), Phase::Cancelled);
    });
}
