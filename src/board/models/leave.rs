//! Models of telling workers to leave: heard in their sleep, by one for each that is asked, and no task is
//! left behind.

use super::*;

/// Told in its sleep, or before it falls asleep.
#[test]
fn a_worker_is_ordered_to_leave_in_its_sleep() {
    loom::model(|| {
        let floor = Floor::new();
        let worker =
            run_beside(&floor, |floor| assert_eq!(floor.board.next(ONE, true), Next::Exit));
        floor.board.retire_seat(ONE);
        worker.join().unwrap();
    });
}

/// Of two one is asked: it is one of them that goes, and the other one hears of the task.
#[test]
fn one_of_two_leaves_and_the_task_is_done() {
    loom::model(|| {
        let floor = Floor::new();
        let work = |seat| {
            move |floor: &Floor| match floor.board.next(seat, true) {
                Next::Task(slot) => floor.perform(seat, slot),
                _ => assert!(floor.board.took_quota(seat)),
            }
        };
        let one = run_beside(&floor, work(ONE));
        let other = run_beside(&floor, work(OTHER));
        assert!(floor.board.request_retire(floor.board.retire_quota(), 1));
        floor.post(0, 1, 1);
        one.join().unwrap();
        other.join().unwrap();
        let (retire_quota, seats) = (floor.board.retire_quota(), [ONE, OTHER]);
        let gone = seats.into_iter().filter(|seat| floor.board.took_quota(*seat)).count();
        assert_eq!(
            (retire_quota.requested + retire_quota.taken, retire_quota.taken as usize),
            (1, gone)
        );
        assert!(gone == 1 || retire_quota.requested == 1);
        if gone == 1 {
            assert_eq!(floor.code(0), 2);
        }
    });
}

/// A task comes while a worker is told to leave: it runs it first, or leaves it to the other one.
#[test]
fn what_was_left_to_a_worker_that_is_told_to_leave_is_done() {
    loom::model(|| {
        let floor = Floor::new();
        let leaver = run_beside(&floor, |floor| {
            while let Next::Task(slot) = floor.board.next(ONE, true) {
                floor.perform(ONE, slot);
            }
        });
        let stayer = run_beside(&floor, |floor| floor.work_once(OTHER));
        floor.post(0, 1, 1);
        floor.board.retire_seat(ONE);
        leaver.join().unwrap();
        if floor.board.seats().at(0).ended.load(Relaxed) == 1 {
            floor.board.set_stage(Stage::Stop);
        }
        stayer.join().unwrap();
        assert_eq!(floor.code(0), 2);
    });
}

/// Nobody takes leave who is not asked any more.
#[test]
fn a_request_to_leave_is_taken_back_or_taken() {
    loom::model(|| {
        let floor = Floor::new();
        assert!(floor.board.request_retire(floor.board.retire_quota(), 1));
        let worker = run_beside(&floor, |floor| {
            let _ = floor.board.next(ONE, false);
        });
        let seen = floor.board.retire_quota();
        let is_taken_back = floor.board.request_retire(seen, 0);
        worker.join().unwrap();
        assert_ne!(is_taken_back && seen.requested == 1, floor.board.took_quota(ONE));
    });
}
