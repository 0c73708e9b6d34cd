//! Completing tasks that no worker runs: promises.

use super::task::UserState;
use super::{ResultFile, Task};
use crate::board::Region;
use crate::board::memory::FileLimit;
use crate::board::ring::RingEntry;
use crate::board::slot::{CancelReason, Cancellation, Claim, SeatIndex};
use crate::clock;
use crate::error::Status;
use crate::process::ProcessMark;

/// How a promise ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Completion<'a> {
    Completed(&'a [u8]),
    Failed { status: Status, code: i32, message: &'a str },
}

/// The seat that external completions use. The board of promises has no workers.
const EXTERNAL_SEAT: SeatIndex = SeatIndex(0);

/// Claims a task that no worker runs. False: it was cancelled, or claimed before.
pub(crate) fn claim_external(region: &Region, slot: u32, generation: u32) -> bool {
    region.board.claim(EXTERNAL_SEAT, RingEntry { slot, generation }) == Claim::Yours
}

/// Ends a task that was claimed by [`claim_external`]. `keep_result_file` receives a result that is
/// not on the board.
pub(crate) fn complete(
    region: &Region,
    slot: u32,
    how: Completion<'_>,
    keep_result_file: &dyn Fn(ResultFile),
) {
    let (user_state, now) = (UserState::new(0, 0), clock::now());
    let task =
        Task::new(region, EXTERNAL_SEAT, &user_state, ProcessMark::new(), FileLimit::Current);
    task.begin(slot);
    let outcome = match how {
        Completion::Completed(data) => {
            let outcome = task.end(task.return_bytes(data), now);
            task.take_result_file().into_iter().for_each(keep_result_file);
            outcome
        }
        Completion::Failed { status: Status::POOL_ERR_CANCELLED, .. } => {
            let queued = clock::pack_short(now.saturating_sub(region.board.slot(slot).stamp()));
            let how = Cancellation { why: CancelReason::Requested, queued };
            region.board.cancel_claimed(slot, EXTERNAL_SEAT, how);
            return;
        }
        Completion::Failed { status, code, message } => {
            task.set_message(message.as_bytes());
            task.end_failed(status, code, now)
        }
    };
    // The rest is for workers: no thread is killed for a promise.
    let _ = region.board.finish(EXTERNAL_SEAT, slot, outcome);
}
