//! Loom models of asking for tasks: a worker that sleeps answers a call, and one that exits has not asked.

use super::*;
use crate::board::feature;

/// Waits as a proxy does.
fn wait_until(model: &ModelBoard, condition: impl Fn() -> bool) {
    let event = model.board.completion_event();
    loop {
        let seen = event.load(Acquire);
        if condition() {
            return;
        }
        if let Some(seen) = model.board.prepare_wait(seen) {
            event.sleep_if(seen, Scope::Shared, None);
        }
    }
}

/// Gives the worker of a seat its task of this number.
fn give(model: &ModelBoard, number: u32) {
    wait_until(model, || model.board.has_asked(SEAT_A, u64::from(number) - 1));
    model.board.call(SEAT_A, number);
    wait_until(model, || model.board.has_answered(SEAT_A, number));
    model.submit(number - 1, number, 21);
}

#[test]
fn a_worker_that_is_called_answers_and_gets_its_task() {
    loom::model(|| {
        let model = ModelBoard::new();
        model.board.set_features(feature::ASKS);
        let worker = spawn(&model, |model| model.run_next(SEAT_A));
        give(&model, 1);
        model.wait(0, 1);
        assert_eq!(model.code(0), 42);
        worker.join().unwrap();
    });
}

/// The worker exits after its task: its proxy sees no request, whatever it asked for before.
#[test]
fn a_worker_that_exits_has_not_asked() {
    loom::model(|| {
        let model = ModelBoard::new();
        model.board.set_features(feature::ASKS);
        let worker = spawn(&model, |model| model.run_next(SEAT_A));
        give(&model, 1);
        model.wait(0, 1);
        assert!(!model.board.has_asked(SEAT_A, 1));
        worker.join().unwrap();
        assert!(!model.board.has_asked(SEAT_A, 1));
    });
}
