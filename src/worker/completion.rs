//! Tasks that no worker's function ends, and a function that belongs to no caller.

use super::task::UserState;
use super::{ResultFile, Task};
use crate::board::Region;
use crate::board::ring::RingEntry;
use crate::board::slot::{Claim, Outcome, SeatIndex};
use crate::clock;
use crate::error::{Result, Status};
use crate::sync::Ordering::Relaxed;

/// What a task's end is to be that no function decides.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Completion<'a> {
    Completed(&'a [u8]),
    Failed { status: Status, code: i32, message: &'a str },
}

/// The seat in whose name tasks are ended by hand.
const NOBODYS_SEAT: SeatIndex = SeatIndex(0);

/// Claims a task that no worker will run. False: it was cancelled, or claimed before.
pub(crate) fn claim_external(region: &Region, slot: u32, generation: u32) -> bool {
    region.board.claim(NOBODYS_SEAT, RingEntry { slot, generation }) == Claim::Yours
}

/// Ends a task that was claimed by hand.
pub(crate) fn complete(
    region: &Region,
    slot: u32,
    how: Completion<'_>,
    deliver: &dyn Fn(ResultFile) -> Result<()>,
) {
    let (state, now) = (UserState::default(), clock::now());
    let task = Task::new(region, NOBODYS_SEAT, &state);
    task.begin(slot);
    let outcome = match how {
        Completion::Completed(data) => {
            let outcome = task.end(task.return_bytes(data), now);
            match task.take_result_file().map_or(Ok(()), deliver) {
                Ok(()) => outcome,
                Err(_) => task.end_failed(Status::POOL_ERR_NOMEM, 0, now),
            }
        }
        Completion::Failed { status: Status::POOL_ERR_CANCELLED, .. } => {
            // What a task is that was taken back: see `PoolState::take_back`.
            region.board.slot(slot).progress().store(now, Relaxed);
            region.board.end_orphaned(slot, NOBODYS_SEAT, Outcome::CancelledTask);
            return;
        }
        Completion::Failed { status, code, message } => {
            task.set_message(message.as_bytes());
            task.end_failed(status, code, now)
        }
    };
    // Nobody kills whoever ends it.
    let _ = region.board.finish(NOBODYS_SEAT, slot, outcome);
}

/// A task's function of the library's own: its result is its arguments.
unsafe extern "C-unwind" fn echo(task: *mut std::ffi::c_void) -> i32 {
    let Some(task) = Task::at(task.cast_const().cast()) else { return -1 };
    task.return_bytes(task.args_bytes())
}

/// A function that any worker can run, of whatever pool.
pub(crate) fn echo_address() -> usize {
    echo as *const () as usize
}
