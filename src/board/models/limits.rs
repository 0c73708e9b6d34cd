//! Loom models of what the watch does to tasks that run: the alarm, dooming, a signal; and of being told that a
//! task begins.

use super::{Floor, ONE, run_beside};
use crate::board::After;
use crate::board::parent::limit_timer::LimitTimer;
use crate::board::ring::RingEntry;
use crate::board::slot::{Claim, Outcome, Phase};
use crate::sync::{AtomicU32, fence};
use crate::sync::Ordering::*;
use loom::sync::Arc;

/// Either the watch goes on looking, or the submitter rings it.
#[test]
fn no_task_runs_unseen_by_the_watch() {
    loom::model(|| {
        let alarm = Arc::new(LimitTimer::default());
        let task = Arc::new(AtomicU32::new(0));
        assert!(alarm.arm(9));
        let (watched, posted) = (alarm.clone(), task.clone());
        let watch = loom::thread::spawn(move || {
            let limit_ms = watched.limit_ms().expect("an armed alarm");
            if posted.load(Relaxed) == 0 {
                watched.disarm(limit_ms, || posted.load(Relaxed) == 0);
            }
        });
        task.store(1, Relaxed);
        fence(SeqCst);
        let is_rung = alarm.arm(9);
        watch.join().unwrap();
        assert!(is_rung || alarm.limit_ms() == Some(9));
    });
}

// In these the worker is the thread that runs first: loom does not come back to a step that only reads.

/// Who is killed for the first task never runs the second.
#[test]
fn a_worker_that_is_doomed_takes_no_other_task() {
    loom::model(|| {
        let floor = Floor::new();
        floor.post(0, 1, 1);
        floor.post(1, 1, 2);
        let watch = run_beside(&floor, |floor| {
            if floor.board.slot(0).word.mark_for_kill(1) == Some(ONE) {
                // Here it is killed.
                assert_eq!(floor.board.slot(1).word.phase(), Phase::Ready);
                floor.board.cancel(1, 1);
            }
        });
        assert_eq!(floor.board.take(ONE), Some(0));
        let goes_on = floor.board.finish(ONE, 0, Outcome::Completed) != After::Exit;
        if goes_on {
            assert_eq!(floor.board.take(ONE), Some(1));
        }
        watch.join().unwrap();
        let second = floor.board.slot(1).word.phase();
        assert_eq!(second, if goes_on { Phase::Running(ONE) } else { Phase::CancelledTask });
    });
}

/// A signal for a task is not sent any more when its worker has gone on.
#[test]
fn a_signal_reaches_the_task_that_it_is_for() {
    loom::model(|| {
        let floor = Floor::new();
        let has_gone_on = Arc::new(AtomicU32::new(0));
        floor.post(0, 1, 1);
        assert_eq!(floor.board.take(ONE), Some(0));
        let gone_on = has_gone_on.clone();
        let watch = run_beside(&floor, move |floor| {
            let word = &floor.board.slot(0).word;
            if word.mark_overdue(ONE, 1, true) {
                // Here it is sent.
                assert_eq!(gone_on.load(Relaxed), 0);
                word.signal_sent(1);
            }
        });
        let _ = floor.board.finish(ONE, 0, Outcome::Completed);
        has_gone_on.store(1, Relaxed);
        watch.join().unwrap();
    });
}

/// Who asks to be told that a task begins is told, or finds that it has begun.
#[test]
fn the_beginning_of_a_task_is_told() {
    loom::model(|| {
        let floor = Floor::new();
        floor.post(0, 1, 1);
        let seen = floor.board.completion_event().load(Acquire);
        let worker = run_beside(&floor, |floor| {
            let claim = floor.board.claim(ONE, RingEntry { slot: 0, generation: 1 });
            assert_eq!(claim, Claim::Yours);
        });
        let is_asked = floor.board.slot(0).word.subscribe_start(1);
        worker.join().unwrap();
        assert!(!is_asked || floor.board.completion_event().load(Acquire) != seen);
    });
}
