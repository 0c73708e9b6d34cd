//! Loom models of the board's protocols: every interleaving of a few steps.
//!
//! Run them with `RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=2 cargo test --release --lib`. What a
//! broken protocol does to them: `make mutations`.

use super::region::{Header, Seat};
use super::memory::Span;
use super::priority::{Priority, PriorityRings};
use super::parent::tail::Tails;
use super::record::{BytesLocation, Ending, Slot, TaskCall};
use super::ring::RingEntry;
use super::sleep::Parker;
use super::slot::{Outcome, Phase, SeatIndex, Waited};
use super::{Board, BoardParts, Next, Stage};
use crate::error::Status;
use crate::sync::{AtomicU32, AtomicU64, Deadline, Scope, fence};
use crate::sync::Ordering::*;
use loom::sync::Arc;
use loom::thread;

mod deaths;
mod leave;
mod limits;
mod lists;
mod queue;


const ONE: SeatIndex = SeatIndex(0);
const OTHER: SeatIndex = SeatIndex(1);

/// A board of two slots and two seats, with what it looks at.
struct Floor {
    board: Board,
    tail: Tails,
    _header: Vec<Header>,
    _entries: Vec<AtomicU64>,
    _band: Vec<AtomicU64>,
    _idle: Vec<AtomicU64>,
    _parkers: Vec<Parker>,
    _seats: Vec<Seat>,
    _slots: Vec<Slot>,
}

fn some<T: Default>(count: usize) -> Vec<T> {
    (0..count).map(|_| T::default()).collect()
}

impl Floor {
    fn new() -> Arc<Floor> {
        let (header, entries, idle) = (some::<Header>(1), some(4), some(2));
        let (parkers, seats, slots) = (some(2), some(2), some(2));
        let band = some(4);
        let board = Board::new(BoardParts {
            header: Span::over(&header),
            head: Span::over(std::slice::from_ref(&header[0].head.0)),
            entries: Span::over(&entries),
            priority_rings: PriorityRings::new(
                Span::over(std::slice::from_ref(&header[0].priority_rings[0].0)),
                Span::over(&band),
            ),
            idle: Span::over(&idle),
            parkers: Span::over(&parkers),
            seats: Span::over(&seats),
            slots: Span::over(&slots),
            scope: Scope::Shared,
        });
        Arc::new(Floor {
            board,
            tail: Tails::new(),
            _header: header,
            _entries: entries,
            _band: band,
            _idle: idle,
            _parkers: parkers,
            _seats: seats,
            _slots: slots,
        })
    }

    /// Posts a task whose function is a number, and rings.
    fn post(&self, slot: u32, generation: u32, function: u32) {
        self.post_ranked(Priority::DEFAULT, slot, generation, function);
    }

    fn post_ranked(&self, priority: Priority, slot: u32, generation: u32, function: u32) {
        let position = self.board.reserve(&self.tail).expect("room on the ring");
        let reservation = self
            .board
            .reserve_priority(position, priority, &self.tail, slot)
            .expect("room in the band");
        let args = BytesLocation::Inline { len: 0 };
        let call = TaskCall { function, is_chunk: false, priority };
        self.board.slot(slot).fill(call, args, &[], 0, position + 1);
        self.board.enqueue(reservation, RingEntry { slot, generation });
        self.board.sleepers.notify_one();
    }

    /// What a worker does with a task: its code becomes twice the function's number.
    fn perform(&self, seat: SeatIndex, slot: u32) {
        let record = self.board.slot(slot);
        let code = 2 * record.call().function as i32;
        let result = BytesLocation::Inline { len: 0 };
        record.end(Ending { status: Status::POOL_OK, code, result }, 0);
        let _ = self.board.finish(seat, slot, Outcome::Completed);
    }

    fn work_once(&self, seat: SeatIndex) {
        if let Next::Task(slot) = self.board.next(seat, true) {
            self.perform(seat, slot);
        }
    }

    fn work_if_any(&self, seat: SeatIndex) {
        if let Some(slot) = self.board.take(seat) {
            self.perform(seat, slot);
        }
    }

    fn wait(&self, slot: u32, generation: u32) {
        let word = &self.board.slot(slot).word;
        let waited = word.wait(generation, Scope::Shared, Deadline::Never, |_| {});
        assert_eq!(waited, Waited::Done);
    }

    fn code(&self, slot: u32) -> i32 {
        self.board.slot(slot).ending().expect("an ending").code
    }
}

fn run_beside<F: FnOnce(&Floor) + 'static>(floor: &Arc<Floor>, work: F) -> thread::JoinHandle<()> {
    let floor = floor.clone();
    thread::spawn(move || work(&floor))
}

#[test]
fn a_sleeping_worker_hears_the_task_and_the_waiter_its_result() {
    loom::model(|| {
        let floor = Floor::new();
        let worker = run_beside(&floor, |floor| floor.work_once(ONE));
        floor.post(0, 7, 21);
        floor.wait(0, 7);
        assert_eq!(floor.code(0), 42);
        worker.join().unwrap();
    });
}

/// With no time at all it looks, sleeps not at all, and leaves; the other one sleeps until rung.
#[test]
fn what_was_left_to_a_worker_that_leaves_is_left_to_another() {
    loom::model(|| {
        let floor = Floor::new();
        let leaver = run_beside(&floor, |floor| {
            if let Next::Task(slot) = floor.board.next(ONE, false) {
                floor.perform(ONE, slot);
            }
        });
        let stayer = run_beside(&floor, |floor| floor.work_once(OTHER));
        floor.post(0, 1, 1);
        leaver.join().unwrap();
        if floor.board.seats().at(0).ended.load(Relaxed) == 1 {
            floor.board.set_stage(Stage::Stop);
        }
        stayer.join().unwrap();
        assert_eq!(floor.code(0), 2);
    });
}

#[test]
fn two_tasks_wake_two_workers() {
    loom::model(|| {
        let floor = Floor::new();
        let one = run_beside(&floor, |floor| floor.work_once(ONE));
        let other = run_beside(&floor, |floor| floor.work_once(OTHER));
        floor.post(0, 1, 1);
        floor.post(1, 1, 2);
        one.join().unwrap();
        other.join().unwrap();
        assert_eq!((floor.code(0), floor.code(1)), (2, 4));
    });
}

#[test]
fn a_task_is_claimed_once() {
    loom::model(|| {
        let floor = Floor::new();
        floor.post(0, 1, 1);
        let other = run_beside(&floor, |floor| floor.work_if_any(OTHER));
        floor.work_if_any(ONE);
        other.join().unwrap();
        let seats = [0, 1].map(|seat| floor.board.seats().at(seat).ended.load(Relaxed));
        assert_eq!(seats[0] + seats[1], 1);
    });
}

#[test]
fn cancel_and_claim_never_both_win() {
    loom::model(|| {
        let floor = Floor::new();
        floor.post(0, 3, 1);
        let worker = run_beside(&floor, |floor| floor.work_if_any(ONE));
        let is_cancelled = floor.board.cancel(0, 3);
        worker.join().unwrap();
        let has_worked = floor.board.seats().at(0).ended.load(Relaxed) == 1;
        assert_ne!(is_cancelled, has_worked);
        assert!(floor.board.slot(0).word.phase().is_done());
    });
}

#[test]
fn a_cancelled_slot_serves_again_while_a_worker_looks() {
    loom::model(|| {
        let floor = Floor::new();
        floor.post(0, 1, 1);
        let worker = run_beside(&floor, |floor| floor.work_once(ONE));
        if floor.board.cancel(0, 1) {
            floor.board.slot(0).word.clear();
            floor.post(0, 2, 5);
            floor.wait(0, 2);
            assert_eq!(floor.code(0), 10);
        } else {
            floor.wait(0, 1);
            assert_eq!(floor.code(0), 2);
        }
        worker.join().unwrap();
    });
}

#[test]
fn a_task_in_the_slot_of_a_cancelled_one_has_a_turn_of_its_own() {
    loom::model(|| {
        let floor = Floor::new();
        floor.post(0, 1, 1);
        let worker = run_beside(&floor, |floor| {
            if floor.board.take(ONE) == Some(0) {
                assert_eq!(floor.board.slot(0).call().function, 1, "the last task comes first");
            }
        });
        if floor.board.cancel(0, 1) {
            floor.board.slot(0).word.clear();
            floor.post(1, 1, 2);
            floor.post(0, 2, 3);
        }
        worker.join().unwrap();
    });
}

#[test]
fn a_waiter_hears_that_its_task_is_cancelled() {
    loom::model(|| {
        let floor = Floor::new();
        floor.post(0, 1, 1);
        let canceller = run_beside(&floor, |floor| assert!(floor.board.cancel(0, 1)));
        floor.wait(0, 1);
        canceller.join().unwrap();
    });
}

#[test]
fn a_task_that_a_worker_puts_back_is_done_by_another() {
    loom::model(|| {
        let floor = Floor::new();
        floor.post(0, 1, 1);
        let other = run_beside(&floor, |floor| floor.work_once(OTHER));
        let leaver = run_beside(&floor, |floor| {
            if let Some(slot) = floor.board.take(ONE) {
                assert!(floor.board.requeue(slot, ONE, &floor.tail));
            }
        });
        floor.wait(0, 1);
        assert_eq!(floor.code(0), 2);
        leaver.join().unwrap();
        other.join().unwrap();
    });
}

/// Waits for a task as somebody does who waits for several.
fn wait_by_notice(floor: &Floor) {
    let word = floor.board.completion_event();
    loop {
        let seen = word.load(Acquire);
        if floor.board.slot(0).word.phase().is_done() {
            break;
        }
        if floor.board.slot(0).word.subscribe_completion(1) {
            if let Some(heeded) = floor.board.prepare_wait(seen) {
                word.sleep_if(heeded, Scope::Shared, None);
            }
        }
    }
    assert_eq!(floor.code(0), 2);
}

/// Both ways round: loom begins with the first thread, and does not come to every order from there.
#[test]
fn a_notice_tells_of_the_first_of_two() {
    for is_worker_first in [false, true] {
        loom::model(move || {
            let floor = Floor::new();
            floor.post(0, 1, 1);
            if is_worker_first {
                let waiter = run_beside(&floor, wait_by_notice);
                floor.work_if_any(ONE);
                waiter.join().unwrap();
            } else {
                let worker = run_beside(&floor, |floor| floor.work_if_any(ONE));
                wait_by_notice(&floor);
                worker.join().unwrap();
            }
        });
    }
}

#[test]
fn a_worker_is_told_to_leave_in_its_sleep() {
    loom::model(|| {
        let floor = Floor::new();
        let worker =
            run_beside(&floor, |floor| assert_eq!(floor.board.next(ONE, true), Next::Exit));
        floor.board.set_stage(Stage::Drain);
        worker.join().unwrap();
    });
}

#[test]
fn a_sleeper_hears_of_a_new_idle_time() {
    loom::model(|| {
        let floor = Floor::new();
        floor.board.set_idle_time(-1);
        let worker =
            run_beside(&floor, |floor| assert_eq!(floor.board.next(ONE, false), Next::IdleTimeout));
        floor.board.set_idle_time(0);
        worker.join().unwrap();
    });
}

/// A submit that finds the gate open has posted before the stop looked at the slots, or takes its
/// task back itself: see `PoolState::gate` and `Pool::submit`.
#[test]
fn no_task_stays_behind_a_shut_gate() {
    loom::model(|| {
        let floor = Floor::new();
        let gate = Arc::new(AtomicU32::new(0));
        let shut = gate.clone();
        let stop = run_beside(&floor, move |floor| {
            shut.fetch_or(1, AcqRel);
            fence(SeqCst);
            if floor.board.slot(0).word.phase() == Phase::Ready {
                floor.board.cancel(0, 1);
            }
        });
        floor.post(0, 1, 1);
        if gate.load(Relaxed) != 0 {
            floor.board.cancel(0, 1);
        }
        stop.join().unwrap();
        assert_eq!(floor.board.slot(0).word.phase(), Phase::CancelledTask);
    });
}
