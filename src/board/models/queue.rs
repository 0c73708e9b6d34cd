//! Loom models of the queue: two ranks, and submits that wait for a place.

use super::{Floor, ONE, OTHER, run_beside};
use crate::board::feature;
use crate::board::priority::Priority;
use crate::board::slot::Phase;
use crate::sync::model::stop_after;
use crate::sync::Deadline;
use crate::sync::Ordering::*;

#[test]
fn a_sleeping_worker_hears_of_a_task_of_another_rank() {
    loom::model(|| {
        let floor = Floor::new();
        let worker = run_beside(&floor, |floor| floor.work_once(ONE));
        floor.post_ranked(Priority::FIRST, 0, 7, 21);
        floor.wait(0, 7);
        assert_eq!(floor.code(0), 42);
        worker.join().unwrap();
    });
}

#[test]
fn the_first_rank_comes_first_and_each_task_once() {
    loom::model(|| {
        let floor = Floor::new();
        floor.post(0, 1, 1);
        floor.post_ranked(Priority::FIRST, 1, 1, 2);
        let other = run_beside(&floor, |floor| {
            let first = floor.board.take(OTHER);
            if let Some(slot) = first {
                floor.perform(OTHER, slot);
            }
        });
        let first = floor.board.take(ONE);
        // Who takes the lower one comes after the higher one was claimed.
        assert!(first != Some(0) || floor.board.slot(1).word.phase() != Phase::Ready);
        if let Some(slot) = first {
            floor.perform(ONE, slot);
        }
        other.join().unwrap();
        let ended = [0, 1].map(|seat| floor.board.seats().at(seat).ended.load(Relaxed));
        assert_eq!(ended, [1, 1]);
        assert_eq!((floor.code(0), floor.code(1)), (2, 4));
    });
}

#[test]
fn a_cancelled_task_of_another_rank_is_not_run() {
    loom::model(|| {
        let floor = Floor::new();
        floor.post_ranked(Priority::FIRST, 0, 3, 1);
        let worker = run_beside(&floor, |floor| floor.work_if_any(ONE));
        let is_cancelled = floor.board.cancel(0, 3);
        worker.join().unwrap();
        let has_worked = floor.board.seats().at(0).ended.load(Relaxed) == 1;
        assert_ne!(is_cancelled, has_worked);
    });
}

#[test]
fn a_task_of_another_rank_comes_back_to_it() {
    loom::model(|| {
        let floor = Floor::new();
        floor.post_ranked(Priority::FIRST, 0, 1, 1);
        assert_eq!(floor.board.take(ONE), Some(0));
        floor.post(1, 1, 2);
        assert!(floor.board.requeue(0, ONE, &floor.tail));
        assert_eq!(floor.board.take(ONE), Some(0), "before the other one");
        let other = run_beside(&floor, |floor| {
            floor.work_once(OTHER);
            floor.work_once(OTHER);
        });
        assert!(floor.board.requeue(0, ONE, &floor.tail));
        floor.wait(0, 1);
        other.join().unwrap();
        assert_eq!((floor.code(0), floor.code(1)), (2, 4));
    });
}

fn batched() -> loom::sync::Arc<Floor> {
    let floor = Floor::new();
    floor.board.set_features(feature::PREFETCH);
    floor.board.init_seat(ONE);
    floor.board.init_seat(OTHER);
    floor
}

/// Each runs one of two tasks, whosever batch it is in; the one would sleep for ever if it saw none.
#[test]
fn who_has_nothing_to_do_takes_from_a_batch() {
    loom::model(|| {
        let floor = batched();
        let one = run_beside(&floor, |floor| floor.work_once(ONE));
        floor.post(0, 1, 1);
        floor.post(1, 1, 2);
        floor.work_if_any(OTHER);
        one.join().unwrap();
        // The other one does not sleep, and may have seen nothing.
        floor.work_if_any(ONE);
        assert_eq!((floor.code(0), floor.code(1)), (2, 4));
    });
}

#[test]
fn a_batch_is_run_once() {
    loom::model(|| {
        let floor = batched();
        floor.post(0, 1, 1);
        floor.post(1, 1, 2);
        let other = run_beside(&floor, |floor| {
            floor.work_if_any(OTHER);
            floor.work_if_any(OTHER);
        });
        floor.work_if_any(ONE);
        floor.work_if_any(ONE);
        other.join().unwrap();
        let ended = [0, 1].map(|seat| floor.board.seats().at(seat).ended.load(Relaxed));
        assert_eq!(ended[0] + ended[1], 2);
        assert_eq!((floor.code(0), floor.code(1)), (2, 4));
    });
}

/// It may have taken both, claimed one of them, and ended it.
#[test]
fn a_worker_that_stops_with_a_batch_costs_at_most_one_task() {
    for steps in 0..24 {
        loom::model(move || {
            let floor = batched();
            floor.post(0, 1, 1);
            floor.post(1, 1, 2);
            if !stop_after(steps, || floor.work_if_any(ONE)) {
                super::deaths::recover(&floor, ONE);
            }
            let _ = super::deaths::put_batch_back(&floor, ONE);
            floor.work_if_any(OTHER);
            floor.work_if_any(OTHER);
            let ends = [0, 1].map(|slot| floor.board.slot(slot).word.phase());
            assert!(ends.iter().all(|phase| phase.is_done()), "{ends:?}");
            assert!(ends.iter().filter(|phase| matches!(phase, Phase::Failed(_))).count() <= 1);
        });
    }
}

#[test]
fn a_cancelled_task_of_a_batch_is_not_run() {
    loom::model(|| {
        let floor = batched();
        floor.post(0, 1, 1);
        floor.post(1, 1, 2);
        let worker = run_beside(&floor, |floor| {
            floor.work_if_any(ONE);
            floor.work_if_any(ONE);
        });
        let is_cancelled = floor.board.cancel(1, 1);
        worker.join().unwrap();
        let ended = floor.board.seats().at(0).ended.load(Relaxed);
        assert_eq!(ended, if is_cancelled { 1 } else { 2 });
    });
}

/// A position, if fewer than one task waits.
fn take_place(floor: &Floor) -> Option<u64> {
    let claimed: u64 =
        [0, 1].iter().map(|seat| floor.board.seats().at(*seat).claimed.load(Acquire)).sum();
    floor.board.reserve_below(&floor.tail, claimed + 1)
}

/// Whose bound is one task that waits.
fn bounded() -> loom::sync::Arc<Floor> {
    let floor = Floor::new();
    floor.board.set_features(feature::BOUNDED);
    floor.post(0, 1, 1);
    floor
}

#[test]
fn a_waiting_submit_hears_of_a_place() {
    loom::model(|| {
        let floor = bounded();
        let worker = run_beside(&floor, |floor| floor.work_if_any(ONE));
        let place = floor.board.wait_for_capacity(Deadline::Never, || take_place(&floor), || false);
        assert_eq!(place, Some(1));
        worker.join().unwrap();
    });
}

#[test]
fn a_waiting_submit_hears_of_a_shut_gate() {
    loom::model(|| {
        let floor = bounded();
        let gate = loom::sync::Arc::new(crate::sync::AtomicU32::new(0));
        let shut = gate.clone();
        let closer = run_beside(&floor, move |floor| {
            shut.store(1, Relaxed);
            floor.board.wake_submitter();
        });
        let is_shut = || gate.load(Relaxed) != 0;
        assert_eq!(
            floor.board.wait_for_capacity(Deadline::Never, || take_place(&floor), is_shut),
            None
        );
        closer.join().unwrap();
    });
}

/// The watch rouses the submitter when it has settled what the worker left.
#[test]
fn a_worker_that_stops_while_it_claims_leaves_no_submit_waiting() {
    for steps in 0..12 {
        loom::model(move || {
            let floor = bounded();
            let watch = run_beside(&floor, move |floor| {
                if !stop_after(steps, || _ = floor.board.take(ONE)) {
                    // What it claimed, as the ledger counts it; or another one claims it.
                    let more = super::deaths::put_batch_back(floor, ONE);
                    if floor.board.slot(0).word.phase() == Phase::Ready {
                        floor.board.seats().at(0).claimed.store(more, Release);
                        let _ = floor.board.take(OTHER);
                    } else {
                        floor.board.seats().at(0).claimed.store(1, Release);
                    }
                    floor.board.wake_submitter();
                }
            });
            let place =
                floor.board.wait_for_capacity(Deadline::Never, || take_place(&floor), || false);
            assert!(place.is_some());
            watch.join().unwrap();
        });
    }
}

#[test]
fn two_submits_never_pass_the_bound() {
    loom::model(|| {
        let floor = bounded();
        assert_eq!(floor.board.take(ONE), Some(0));
        let places = loom::sync::Arc::new(crate::sync::AtomicU32::new(0));
        let counted = places.clone();
        let other = run_beside(&floor, move |floor| {
            counted.fetch_add(take_place(floor).is_some().into(), Relaxed);
        });
        places.fetch_add(take_place(&floor).is_some().into(), Relaxed);
        other.join().unwrap();
        assert_eq!((places.load(Relaxed), floor.tail.count()), (1, 2));
    });
}
