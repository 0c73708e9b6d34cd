//! Loom models of the board's protocols: every interleaving of a few steps.
//!
//! Run them with `RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=2 cargo test --release --lib`. What a
//! broken protocol does to them: `make mutations`.

use super::bell::Bed;
use super::layout::{Header, Seat};
use super::memory::Span;
use super::record::{Ending, Place, Slot};
use super::ring::{Entry, Tail};
use super::slot::{Outcome, Phase, SeatIndex, Waited};
use super::{Board, Parts, Stage};
use crate::error::Status;
use crate::sync::model::stop_after;
use crate::sync::{AtomicU32, AtomicU64, Deadline, Ordering::*, Scope, fence};
use loom::sync::Arc;
use loom::thread;
use std::sync::Mutex;

const ONE: SeatIndex = SeatIndex(0);
const OTHER: SeatIndex = SeatIndex(1);

/// A board of two slots and two seats, with what it looks at.
struct Floor {
    board: Board,
    tail: Tail,
    _header: Vec<Header>,
    _entries: Vec<AtomicU64>,
    _idle: Vec<AtomicU64>,
    _beds: Vec<Bed>,
    _seats: Vec<Seat>,
    _slots: Vec<Slot>,
}

pub(super) fn some<T: Default>(count: usize) -> Vec<T> {
    (0..count).map(|_| T::default()).collect()
}

impl Floor {
    fn new() -> Arc<Floor> {
        let (header, entries, idle) = (some::<Header>(1), some(4), some(1));
        let (beds, seats, slots) = (some(2), some(2), some(2));
        let board = Board::new(Parts {
            header: Span::over(&header),
            head: Span::over(std::slice::from_ref(&header[0].head.0)),
            entries: Span::over(&entries),
            idle: Span::over(&idle),
            beds: Span::over(&beds),
            seats: Span::over(&seats),
            slots: Span::over(&slots),
            scope: Scope::Shared,
        });
        Arc::new(Floor {
            board,
            tail: Tail::new(),
            _header: header,
            _entries: entries,
            _idle: idle,
            _beds: beds,
            _seats: seats,
            _slots: slots,
        })
    }

    /// Posts a task whose function is a number, and rings.
    fn post(&self, slot: u32, generation: u32, function: u32) {
        let position = self.board.reserve(&self.tail).expect("room on the ring");
        let args = Place::Slot { len: 0 };
        self.board.slot(slot).fill(function, args, &[], 0, position + 1);
        self.board.post(position, Entry { slot, generation });
        self.board.bell.ring();
    }

    /// What a worker does with a task: its code becomes twice the function's number.
    fn perform(&self, seat: SeatIndex, slot: u32) {
        let record = self.board.slot(slot);
        let code = 2 * record.function() as i32;
        let result = Place::Slot { len: 0 };
        record.end(Ending { status: Status::POOL_OK, code, result }, 0);
        self.board.finish(seat, slot, Outcome::Completed);
    }

    fn work_once(&self, seat: SeatIndex) {
        if let Some(slot) = self.board.next(seat) {
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
        self.board.slot(slot).ending().expect("an ending").0.code
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
            floor.board.slot(0).word.collect();
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
fn a_notice_tells_of_the_first_of_two() {
    loom::model(|| {
        let floor = Floor::new();
        floor.post(0, 1, 1);
        let worker = run_beside(&floor, |floor| floor.work_if_any(ONE));
        loop {
            let word = floor.board.notice();
            let seen = word.load(Acquire);
            if floor.board.slot(0).word.phase().is_done() {
                break;
            }
            if floor.board.slot(0).word.ask_notice(1) {
                word.sleep_if(seen, Scope::Shared, None);
            }
        }
        assert_eq!(floor.code(0), 2);
        worker.join().unwrap();
    });
}

#[test]
fn a_worker_is_told_to_leave_in_its_sleep() {
    loom::model(|| {
        let floor = Floor::new();
        let worker = run_beside(&floor, |floor| assert_eq!(floor.board.next(ONE), None));
        floor.board.set_stage(Stage::Drain);
        worker.join().unwrap();
    });
}

/// A submit that finds the gate open has posted before the stop looked at the slots, or takes its
/// task back itself: see `Site::gate` and `Pool::submit`.
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
        assert_eq!(floor.board.slot(0).word.phase(), Phase::Cancelled);
    });
}

/// What the watch does for a seat whose worker is gone, as `watch::reap::settle` does it.
fn settle(floor: &Floor, seat: SeatIndex) {
    floor.board.bell.vacate(seat);
    for slot in 0..2 {
        match floor.board.slot(slot).word.phase() {
            Phase::Running(runner) if runner == seat => {
                assert!(floor.board.settle(slot, seat, Outcome::Failed));
            }
            Phase::Completed(runner) if runner == seat => floor.board.wake_again(slot),
            _ => {}
        }
    }
    floor.board.bell.ring();
}

/// The steps of one task, and some of the search before it.
const STEPS_MAX: u32 = 60;

#[test]
fn a_worker_that_stops_at_any_even_step_costs_at_most_its_task() {
    assert!(stop_at_each((0..STEPS_MAX).step_by(2)));
}

#[test]
fn a_worker_that_stops_at_any_odd_step_costs_at_most_its_task() {
    assert!(stop_at_each((1..STEPS_MAX).step_by(2)));
}

/// Whether the worker came to its end within these steps, after it was stopped at all before.
fn stop_at_each(mut steps: impl Iterator<Item = u32>) -> bool {
    steps.any(comes_to_its_end_in)
}

/// A worker that makes so many steps, a watch, and a replacement: the task is done in any case.
fn comes_to_its_end_in(steps: u32) -> bool {
    let is_at_end = std::sync::Arc::new(Mutex::new(true));
    let noted = is_at_end.clone();
    loom::model(move || {
        let floor = Floor::new();
        let noted = noted.clone();
        let doomed = run_beside(&floor, move |floor| {
            if !stop_after(steps, || floor.work_once(ONE)) {
                *noted.lock().unwrap() = false;
            }
        });
        let watch = run_beside(&floor, move |floor| {
            doomed.join().unwrap();
            settle(floor, ONE);
            // The replacement, which stays until told to leave.
            floor.work_once(OTHER);
        });
        floor.post(0, 1, 1);
        floor.wait(0, 1);
        floor.board.set_stage(Stage::Stop);
        match floor.board.slot(0).word.phase() {
            Phase::Completed(_) => assert_eq!(floor.code(0), 2),
            phase => assert_eq!(phase, Phase::Failed(ONE)),
        }
        watch.join().unwrap();
    });
    *is_at_end.lock().unwrap()
}

#[test]
fn a_sleeper_takes_over_from_a_worker_that_stops() {
    for steps in [0, 2, 4, 6, 8, 10, 12, 14, 16] {
        loom::model(move || {
            let floor = Floor::new();
            floor.post(0, 1, 1);
            let other = run_beside(&floor, |floor| floor.work_once(OTHER));
            // As the first worker, and then as the watch that finds it gone.
            if !stop_after(steps, || floor.work_if_any(ONE)) {
                settle(&floor, ONE);
            }
            if floor.board.slot(0).word.phase().is_done() {
                floor.board.set_stage(Stage::Stop);
            }
            other.join().unwrap();
            assert!(floor.board.slot(0).word.phase().is_done());
        });
    }
}

/// A searcher that finds a task wakes the next worker, and may stop in the middle of that.
#[test]
fn a_sleeper_is_woken_though_its_waker_stops() {
    for steps in 0..14 {
        loom::model(move || {
            let floor = Floor::new();
            assert!(floor.board.bell.search(ONE));
            let other = run_beside(&floor, |floor| floor.work_once(OTHER));
            // Nobody is woken for these: somebody is searching.
            floor.post(0, 1, 1);
            floor.post(1, 1, 2);
            let find = || {
                let found = floor.board.take(ONE);
                floor.board.bell.found(ONE, || floor.board.has_task());
                if let Some(slot) = found {
                    floor.perform(ONE, slot);
                }
            };
            if !stop_after(steps, find) {
                settle(&floor, ONE);
            }
            other.join().unwrap();
            assert_eq!(floor.board.seats().at(1).ended.load(Relaxed), 1);
        });
    }
}
