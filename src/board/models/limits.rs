//! Loom models of the limit timer, pending kills, signals, and subscriptions to a start.

use super::{ModelBoard, REQUESTED, SEAT_A, spawn};
use crate::board::After;
use crate::board::parent::limit_timer::LimitTimer;
use crate::board::ring::RingEntry;
use crate::board::slot::{Claim, Outcome, Phase};
use crate::sync::{AtomicU32, Ordering::*, fence};
use loom::sync::Arc;

/// Either the supervisor keeps checking, or the submitter wakes it.
#[test]
fn no_task_with_a_limit_runs_unseen_by_the_supervisor() {
    loom::model(|| {
        let timer = Arc::new(LimitTimer::default());
        let task = Arc::new(AtomicU32::new(0));
        assert!(timer.arm(9));
        let (checked, submitted) = (timer.clone(), task.clone());
        let supervisor = loom::thread::spawn(move || {
            let limit_ms = checked.limit_ms().expect("an armed timer");
            if submitted.load(Relaxed) == 0 {
                checked.disarm(limit_ms, || submitted.load(Relaxed) == 0);
            }
        });
        task.store(1, Relaxed);
        fence(SeqCst);
        let must_wake = timer.arm(9);
        supervisor.join().unwrap();
        assert!(must_wake || timer.limit_ms() == Some(9));
    });
}

// In the following models the worker is the thread that runs first: loom does not return to a step
// that only reads.

/// A worker that is killed for the first task never runs the second.
#[test]
fn a_worker_with_a_pending_kill_takes_no_other_task() {
    loom::model(|| {
        let model = ModelBoard::new();
        model.submit(0, 1, 1);
        model.submit(1, 1, 2);
        let supervisor = spawn(&model, |model| {
            if model.board.slot(0).word.mark_for_kill(1) == Some(SEAT_A) {
                // The worker is killed here.
                assert_eq!(model.board.slot(1).word.phase(), Phase::Ready);
                model.board.cancel(1, 1, REQUESTED);
            }
        });
        assert_eq!(model.board.take(SEAT_A), Some(0));
        let continues = model.board.finish(SEAT_A, 0, Outcome::Completed) != After::Exit;
        if continues {
            assert_eq!(model.board.take(SEAT_A), Some(1));
        }
        supervisor.join().unwrap();
        let second = model.board.slot(1).word.phase();
        assert_eq!(second, if continues { Phase::Running(SEAT_A) } else { Phase::Cancelled });
    });
}

/// A signal for a task is never sent after its worker has continued.
#[test]
fn a_signal_reaches_the_task_that_it_is_for() {
    loom::model(|| {
        let model = ModelBoard::new();
        let has_continued = Arc::new(AtomicU32::new(0));
        model.submit(0, 1, 1);
        assert_eq!(model.board.take(SEAT_A), Some(0));
        let continued = has_continued.clone();
        let supervisor = spawn(&model, move |model| {
            let word = &model.board.slot(0).word;
            if word.mark_overdue(SEAT_A, 1, true) {
                // The signal is sent here.
                assert_eq!(continued.load(Relaxed), 0);
                word.signal_sent(1);
            }
        });
        let _ = model.board.finish(SEAT_A, 0, Outcome::Completed);
        has_continued.store(1, Relaxed);
        supervisor.join().unwrap();
    });
}

/// A thread that subscribes to the start of a task is notified, or learns that the task has
/// started.
#[test]
fn the_start_of_a_task_is_notified() {
    loom::model(|| {
        let model = ModelBoard::new();
        model.submit(0, 1, 1);
        let seen = model.board.completion_event().load(Acquire);
        let worker = spawn(&model, |model| {
            let claim = model.board.claim(SEAT_A, RingEntry { slot: 0, generation: 1 });
            assert_eq!(claim, Claim::Yours);
        });
        let is_subscribed = model.board.slot(0).word.subscribe_start(1);
        worker.join().unwrap();
        assert!(!is_subscribed || model.board.completion_event().load(Acquire) != seen);
    });
}
