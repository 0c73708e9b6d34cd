//! Loom models of workers that die in the middle of a step, and of the recovery of their tasks.

use super::{ModelBoard, SEAT_A, SEAT_B, spawn};
use crate::board::Stage;
use crate::board::slot::{Outcome, Phase, SeatIndex};
use crate::sync::Ordering::Relaxed;
use crate::sync::model::stop_after;
use std::sync::Mutex;

/// The packed durations that the supervisor writes for the task of a dead worker.
const SPANS: u64 = 9;

/// Recovers the seat of a dead worker, as `supervisor::reap::recover` does.
pub(super) fn recover(model: &ModelBoard, seat: SeatIndex) {
    model.board.sleepers.clear(seat);
    for slot in 0..2 {
        match model.board.slot(slot).word.phase() {
            Phase::Running(runner) if runner == seat => {
                model.board.slot(slot).end_without_worker(SPANS);
                assert!(model.board.end_orphaned(slot, seat, Outcome::Failed));
            }
            Phase::Completed(runner) if runner == seat => model.board.rewake(slot),
            _ => {}
        }
    }
    let _ = requeue_batch(model, seat);
    model.board.sleepers.notify_one();
}

/// Enqueues again the entries that a dead worker has left, and returns their number.
pub(super) fn requeue_batch(model: &ModelBoard, seat: SeatIndex) -> u64 {
    let entries: Vec<_> = model.board.drain_prefetched(seat).collect();
    for entry in &entries {
        model.board.enqueue_again_from_margin(*entry, model.tails.main(), || {});
    }
    entries.len() as u64
}

/// The steps of one task, and some of the search before it.
const STEPS_MAX: u32 = 90;

#[test]
fn a_worker_that_dies_at_any_even_step_costs_at_most_its_task() {
    assert!(dies_at_each((0..STEPS_MAX).step_by(2)));
}

#[test]
fn a_worker_that_dies_at_any_odd_step_costs_at_most_its_task() {
    assert!(dies_at_each((1..STEPS_MAX).step_by(2)));
}

/// Whether the worker has completed within one of these numbers of steps.
fn dies_at_each(mut steps: impl Iterator<Item = u32>) -> bool {
    steps.any(completes_within)
}

/// A worker that makes this many steps, the supervisor, and a replacement: the task ends in any
/// case.
fn completes_within(steps: u32) -> bool {
    let has_completed = std::sync::Arc::new(Mutex::new(true));
    let completed = has_completed.clone();
    loom::model(move || {
        let model = ModelBoard::new();
        let completed = completed.clone();
        let dying = spawn(&model, move |model| {
            if !stop_after(steps, || model.run_next(SEAT_A)) {
                *completed.lock().unwrap() = false;
            }
        });
        let supervisor = spawn(&model, move |model| {
            dying.join().unwrap();
            recover(model, SEAT_A);
            // The replacement, which runs until the stage changes.
            model.run_next(SEAT_B);
        });
        model.submit(0, 1, 1);
        model.wait(0, 1);
        model.board.set_stage(Stage::Stop);
        match model.board.slot(0).word.phase() {
            Phase::Completed(_) => assert_eq!(model.code(0), 2),
            phase => {
                assert_eq!(phase, Phase::Failed(SEAT_A));
                assert_eq!(model.board.slot(0).stamp(), SPANS);
            }
        }
        supervisor.join().unwrap();
    });
    *has_completed.lock().unwrap()
}

#[test]
fn a_sleeper_takes_over_from_a_worker_that_dies() {
    for steps in (0..26).step_by(2) {
        loom::model(move || {
            let model = ModelBoard::new();
            model.submit(0, 1, 1);
            let other = spawn(&model, |model| model.run_next(SEAT_B));
            // First as the worker, and then as the supervisor that finds it dead.
            if !stop_after(steps, || model.try_run_next(SEAT_A)) {
                recover(&model, SEAT_A);
            }
            if model.board.slot(0).word.phase().is_done() {
                model.board.set_stage(Stage::Stop);
            }
            other.join().unwrap();
            assert!(model.board.slot(0).word.phase().is_done());
        });
    }
}

/// A searching worker that finds a task wakes the next worker, and may die in the middle of that.
#[test]
fn a_sleeper_is_woken_even_if_its_waker_dies() {
    for steps in 0..24 {
        loom::model(move || {
            let model = ModelBoard::new();
            assert!(model.board.sleepers.start_searching(SEAT_A));
            let other = spawn(&model, |model| model.run_next(SEAT_B));
            // No worker is woken for these, because one is searching.
            model.submit(0, 1, 1);
            model.submit(1, 1, 2);
            let find = || {
                let found = model.board.take(SEAT_A);
                model.board.sleepers.stop_searching(SEAT_A, || model.board.has_task());
                if let Some(slot) = found {
                    model.run_task(SEAT_A, slot);
                }
            };
            if !stop_after(steps, find) {
                recover(&model, SEAT_A);
            }
            other.join().unwrap();
            assert_eq!(model.board.seats().at(1).ended.load(Relaxed), 1);
        });
    }
}
