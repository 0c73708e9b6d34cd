//! Loom models of the queue: priorities, prefetch, and submits that wait for capacity.

use super::{ModelBoard, REQUESTED, SEAT_A, SEAT_B, spawn};
use crate::board::feature;
use crate::board::priority::Priority;
use crate::board::slot::Phase;
use crate::sync::model::stop_after;
use crate::sync::{Deadline, Ordering::*};

#[test]
fn a_sleeping_worker_gets_a_task_of_another_priority() {
    loom::model(|| {
        let model = ModelBoard::new();
        let worker = spawn(&model, |model| model.run_next(SEAT_A));
        model.submit_with_priority(Priority::FIRST, 0, 7, 21);
        model.wait(0, 7);
        assert_eq!(model.code(0), 42);
        worker.join().unwrap();
    });
}

#[test]
fn the_first_priority_comes_first_and_each_task_runs_once() {
    loom::model(|| {
        let model = ModelBoard::new();
        model.submit(0, 1, 1);
        model.submit_with_priority(Priority::FIRST, 1, 1, 2);
        let other = spawn(&model, |model| {
            let first = model.board.take(SEAT_B);
            if let Some(slot) = first {
                model.run_task(SEAT_B, slot);
            }
        });
        let first = model.board.take(SEAT_A);
        // A worker that takes the lower priority comes after the higher one was claimed.
        assert!(first != Some(0) || model.board.slot(1).word.phase() != Phase::Ready);
        if let Some(slot) = first {
            model.run_task(SEAT_A, slot);
        }
        other.join().unwrap();
        let ended = [0, 1].map(|seat| model.board.seats().at(seat).ended.load(Relaxed));
        assert_eq!(ended, [1, 1]);
        assert_eq!((model.code(0), model.code(1)), (2, 4));
    });
}

#[test]
fn a_cancelled_task_of_another_priority_is_not_run() {
    loom::model(|| {
        let model = ModelBoard::new();
        model.submit_with_priority(Priority::FIRST, 0, 3, 1);
        let worker = spawn(&model, |model| model.try_run_next(SEAT_A));
        let is_cancelled = model.board.cancel(0, 3, REQUESTED);
        worker.join().unwrap();
        let has_worked = model.board.seats().at(0).ended.load(Relaxed) == 1;
        assert_ne!(is_cancelled, has_worked);
    });
}

#[test]
fn a_requeued_task_keeps_its_priority() {
    loom::model(|| {
        let model = ModelBoard::new();
        model.submit_with_priority(Priority::FIRST, 0, 1, 1);
        assert_eq!(model.board.take(SEAT_A), Some(0));
        model.submit(1, 1, 2);
        assert!(model.board.requeue(0, SEAT_A, &model.tails, || {}));
        assert_eq!(model.board.take(SEAT_A), Some(0), "before the other one");
        let other = spawn(&model, |model| {
            model.run_next(SEAT_B);
            model.run_next(SEAT_B);
        });
        assert!(model.board.requeue(0, SEAT_A, &model.tails, || {}));
        model.wait(0, 1);
        other.join().unwrap();
        assert_eq!((model.code(0), model.code(1)), (2, 4));
    });
}

fn prefetching() -> loom::sync::Arc<ModelBoard> {
    let model = ModelBoard::new();
    model.board.set_features(feature::PREFETCH);
    model.board.init_seat(SEAT_A);
    model.board.init_seat(SEAT_B);
    model
}

/// Each worker runs one of two tasks, from any batch; the first would sleep forever if it saw none.
#[test]
fn an_idle_worker_takes_from_the_batch_of_another() {
    loom::model(|| {
        let model = prefetching();
        let one = spawn(&model, |model| model.run_next(SEAT_A));
        model.submit(0, 1, 1);
        model.submit(1, 1, 2);
        model.try_run_next(SEAT_B);
        one.join().unwrap();
        // The second worker does not sleep, and may have seen no task.
        model.try_run_next(SEAT_A);
        assert_eq!((model.code(0), model.code(1)), (2, 4));
    });
}

#[test]
fn each_task_of_a_batch_is_run_once() {
    loom::model(|| {
        let model = prefetching();
        model.submit(0, 1, 1);
        model.submit(1, 1, 2);
        let other = spawn(&model, |model| {
            model.try_run_next(SEAT_B);
            model.try_run_next(SEAT_B);
        });
        model.try_run_next(SEAT_A);
        model.try_run_next(SEAT_A);
        other.join().unwrap();
        let ended = [0, 1].map(|seat| model.board.seats().at(seat).ended.load(Relaxed));
        assert_eq!(ended[0] + ended[1], 2);
        assert_eq!((model.code(0), model.code(1)), (2, 4));
    });
}

/// The worker may have taken both, claimed one of them, and ended it.
#[test]
fn a_worker_that_dies_with_a_batch_costs_at_most_one_task() {
    for steps in 0..24 {
        loom::model(move || {
            let model = prefetching();
            model.submit(0, 1, 1);
            model.submit(1, 1, 2);
            if !stop_after(steps, || model.try_run_next(SEAT_A)) {
                super::deaths::recover(&model, SEAT_A);
            }
            let _ = super::deaths::requeue_batch(&model, SEAT_A);
            model.try_run_next(SEAT_B);
            model.try_run_next(SEAT_B);
            let ends = [0, 1].map(|slot| model.board.slot(slot).word.phase());
            assert!(ends.iter().all(|phase| phase.is_done()), "{ends:?}");
            assert!(ends.iter().filter(|phase| matches!(phase, Phase::Failed(_))).count() <= 1);
        });
    }
}

#[test]
fn a_cancelled_task_of_a_batch_is_not_run() {
    loom::model(|| {
        let model = prefetching();
        model.submit(0, 1, 1);
        model.submit(1, 1, 2);
        let worker = spawn(&model, |model| {
            model.try_run_next(SEAT_A);
            model.try_run_next(SEAT_A);
        });
        let is_cancelled = model.board.cancel(1, 1, REQUESTED);
        worker.join().unwrap();
        let ended = model.board.seats().at(0).ended.load(Relaxed);
        assert_eq!(ended, if is_cancelled { 1 } else { 2 });
    });
}

/// Reserves a position, if no other task waits.
fn reserve_bounded(model: &ModelBoard) -> Option<u64> {
    let claimed: u64 =
        [0, 1].iter().map(|seat| model.board.seats().at(*seat).claimed.load(Acquire)).sum();
    model.board.reserve_below(model.tails.main(), claimed + 1)
}

/// A board with a bound of one waiting task, and that task.
fn bounded() -> loom::sync::Arc<ModelBoard> {
    let model = ModelBoard::new();
    model.board.set_features(feature::BOUNDED);
    model.submit(0, 1, 1);
    model
}

#[test]
fn a_waiting_submit_gets_free_capacity() {
    loom::model(|| {
        let model = bounded();
        let worker = spawn(&model, |model| model.try_run_next(SEAT_A));
        let position =
            model.board.wait_for_capacity(Deadline::Never, || reserve_bounded(&model), || false);
        assert_eq!(position, Some(1));
        worker.join().unwrap();
    });
}

#[test]
fn a_waiting_submit_ends_when_the_pool_closes() {
    loom::model(|| {
        let model = bounded();
        let flags = loom::sync::Arc::new(crate::sync::AtomicU32::new(0));
        let closing = flags.clone();
        let closer = spawn(&model, move |model| {
            closing.store(1, Relaxed);
            model.board.wake_submitter();
        });
        let is_closed = || flags.load(Relaxed) != 0;
        assert_eq!(
            model.board.wait_for_capacity(Deadline::Never, || reserve_bounded(&model), is_closed),
            None
        );
        closer.join().unwrap();
    });
}

/// The supervisor wakes the submitter after it has recovered the seat.
#[test]
fn a_worker_that_dies_while_it_claims_leaves_no_submit_waiting() {
    for steps in 0..12 {
        loom::model(move || {
            let model = bounded();
            let supervisor = spawn(&model, move |model| {
                if !stop_after(steps, || _ = model.board.take(SEAT_A)) {
                    // Its claims, as the slot table counts them; or another worker claims the task.
                    let more = super::deaths::requeue_batch(model, SEAT_A);
                    if model.board.slot(0).word.phase() == Phase::Ready {
                        model.board.seats().at(0).claimed.store(more, Release);
                        let _ = model.board.take(SEAT_B);
                    } else {
                        model.board.seats().at(0).claimed.store(1, Release);
                    }
                    model.board.wake_submitter();
                }
            });
            let position = model.board.wait_for_capacity(
                Deadline::Never,
                || reserve_bounded(&model),
                || false,
            );
            assert!(position.is_some());
            supervisor.join().unwrap();
        });
    }
}

#[test]
fn two_submits_never_exceed_the_bound() {
    loom::model(|| {
        let model = bounded();
        assert_eq!(model.board.take(SEAT_A), Some(0));
        let reserved = loom::sync::Arc::new(crate::sync::AtomicU32::new(0));
        let counted = reserved.clone();
        let other = spawn(&model, move |model| {
            counted.fetch_add(reserve_bounded(model).is_some().into(), Relaxed);
        });
        reserved.fetch_add(reserve_bounded(&model).is_some().into(), Relaxed);
        other.join().unwrap();
        assert_eq!((reserved.load(Relaxed), model.tails.main().count()), (1, 2));
    });
}
