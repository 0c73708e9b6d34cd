//! Loom models of workers that stop for ever in the middle of a step, and of what is settled then.

use super::{Floor, ONE, OTHER, run_beside};
use crate::board::Stage;
use crate::board::slot::{Outcome, Phase, SeatIndex};
use crate::sync::Ordering::Relaxed;
use crate::sync::model::stop_after;
use std::sync::Mutex;

/// What the watch notes of a task whose worker is gone.
const SPANS: u64 = 9;

/// What the watch does for a seat whose worker is gone, as `watch::reap::settle` does it.
pub(super) fn recover(floor: &Floor, seat: SeatIndex) {
    floor.board.sleepers.clear(seat);
    for slot in 0..2 {
        match floor.board.slot(slot).word.phase() {
            Phase::Running(runner) if runner == seat => {
                floor.board.slot(slot).end_without_worker(SPANS);
                assert!(floor.board.end_orphaned(slot, seat, Outcome::Failed));
            }
            Phase::Completed(runner) if runner == seat => floor.board.rewake(slot),
            _ => {}
        }
    }
    let _ = put_batch_back(floor, seat);
    floor.board.sleepers.notify_one();
}

/// Answers how many positions more that took.
pub(super) fn put_batch_back(floor: &Floor, seat: SeatIndex) -> u64 {
    let entries: Vec<_> = floor.board.drain_prefetched(seat).collect();
    for entry in &entries {
        floor.board.enqueue_again_from_margin(*entry, &floor.tail);
    }
    entries.len() as u64
}

/// The steps of one task, and some of the search before it.
const STEPS_MAX: u32 = 90;

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
    let current_task = is_at_end.clone();
    loom::model(move || {
        let floor = Floor::new();
        let current_task = current_task.clone();
        let doomed = run_beside(&floor, move |floor| {
            if !stop_after(steps, || floor.work_once(ONE)) {
                *current_task.lock().unwrap() = false;
            }
        });
        let watch = run_beside(&floor, move |floor| {
            doomed.join().unwrap();
            recover(floor, ONE);
            // The replacement, which stays until told to leave.
            floor.work_once(OTHER);
        });
        floor.post(0, 1, 1);
        floor.wait(0, 1);
        floor.board.set_stage(Stage::Stop);
        match floor.board.slot(0).word.phase() {
            Phase::Completed(_) => assert_eq!(floor.code(0), 2),
            phase => {
                assert_eq!(phase, Phase::Failed(ONE));
                assert_eq!(floor.board.slot(0).stamp(), SPANS);
            }
        }
        watch.join().unwrap();
    });
    *is_at_end.lock().unwrap()
}

#[test]
fn a_sleeper_takes_over_from_a_worker_that_stops() {
    for steps in (0..26).step_by(2) {
        loom::model(move || {
            let floor = Floor::new();
            floor.post(0, 1, 1);
            let other = run_beside(&floor, |floor| floor.work_once(OTHER));
            // As the first worker, and then as the watch that finds it gone.
            if !stop_after(steps, || floor.work_if_any(ONE)) {
                recover(&floor, ONE);
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
    for steps in 0..24 {
        loom::model(move || {
            let floor = Floor::new();
            assert!(floor.board.sleepers.start_searching(ONE));
            let other = run_beside(&floor, |floor| floor.work_once(OTHER));
            // Nobody is woken for these: somebody is searching.
            floor.post(0, 1, 1);
            floor.post(1, 1, 2);
            let find = || {
                let found = floor.board.take(ONE);
                floor.board.sleepers.stop_searching(ONE, || floor.board.has_task());
                if let Some(slot) = found {
                    floor.perform(ONE, slot);
                }
            };
            if !stop_after(steps, find) {
                recover(&floor, ONE);
            }
            other.join().unwrap();
            assert_eq!(floor.board.seats().at(1).ended.load(Relaxed), 1);
        });
    }
}
