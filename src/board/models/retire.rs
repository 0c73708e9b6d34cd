//! Loom models of retiring workers: sleepers wake, one exits for each request, no task is lost.

use super::*;

/// The request comes while the worker sleeps, or before.
#[test]
fn a_sleeping_worker_exits_when_its_seat_is_retired() {
    loom::model(|| {
        let model = ModelBoard::new();
        let worker = spawn(&model, |model| {
            assert_eq!(model.board.next(SEAT_A, IdlePolicy::Stay), Next::Exit)
        });
        model.board.retire_seat(SEAT_A);
        worker.join().unwrap();
    });
}

/// Of two workers one is requested to retire: one of them exits, and the other one runs the task.
#[test]
fn one_of_two_workers_retires_and_the_task_is_run() {
    loom::model(|| {
        let model = ModelBoard::new();
        let work = |seat| {
            move |model: &ModelBoard| match model.board.next(seat, IdlePolicy::Stay) {
                Next::Task(slot) => model.run_task(seat, slot),
                _ => assert!(model.board.took_quota(seat)),
            }
        };
        let one = spawn(&model, work(SEAT_A));
        let other = spawn(&model, work(SEAT_B));
        assert!(model.board.request_retire(model.board.retire_quota(), 1));
        model.submit(0, 1, 1);
        one.join().unwrap();
        other.join().unwrap();
        let (retire_quota, seats) = (model.board.retire_quota(), [SEAT_A, SEAT_B]);
        let exited = seats.into_iter().filter(|seat| model.board.took_quota(*seat)).count();
        assert_eq!(
            (retire_quota.requested + retire_quota.taken, retire_quota.taken as usize),
            (1, exited)
        );
        assert!(exited == 1 || retire_quota.requested == 1);
        if exited == 1 {
            assert_eq!(model.code(0), 2);
        }
    });
}

/// A task comes while a worker is requested to retire: the worker runs it first, or passes it on to
/// the other one.
#[test]
fn a_task_left_to_a_retiring_worker_is_run() {
    loom::model(|| {
        let model = ModelBoard::new();
        let retiring = spawn(&model, |model| {
            while let Next::Task(slot) = model.board.next(SEAT_A, IdlePolicy::Stay) {
                model.run_task(SEAT_A, slot);
            }
        });
        let other = spawn(&model, |model| model.run_next(SEAT_B));
        model.submit(0, 1, 1);
        model.board.retire_seat(SEAT_A);
        retiring.join().unwrap();
        if model.board.seats().at(0).ended.load(Relaxed) == 1 {
            model.board.set_stage(Stage::Stop);
        }
        other.join().unwrap();
        assert_eq!(model.code(0), 2);
    });
}

/// No worker takes a request that was withdrawn.
#[test]
fn a_retire_request_is_withdrawn_or_taken() {
    loom::model(|| {
        let model = ModelBoard::new();
        assert!(model.board.request_retire(model.board.retire_quota(), 1));
        let worker = spawn(&model, |model| {
            let _ = model.board.next(SEAT_A, IdlePolicy::ExitAfterTimeout);
        });
        let seen = model.board.retire_quota();
        let is_withdrawn = model.board.request_retire(seen, 0);
        worker.join().unwrap();
        assert_ne!(is_withdrawn && seen.requested == 1, model.board.took_quota(SEAT_A));
    });
}
