//! The queue: a task is put into it, or waits outside until there is a place; and all that wait in it
//! can be cancelled.
//!
//! A task that submits to its own pool does not wait for a place: that might never come, where all
//! workers wait so. It claims a task that waits, which makes a place, puts its own there, and runs the
//! one that it has claimed before its submit returns.

use super::spec::{Args, SubmitOptions};
use super::{Pool, PoolHandle};
use crate::board::priority::Priority;
use crate::board::queue::Reservation;
use crate::board::record::{BytesLocation, TaskCall};
use crate::board::ring::RingEntry;
use crate::board::slots::SlotKey;
use crate::clock;
use crate::error::{Error, Result, Status};
use crate::sync::{self, Deadline};
use crate::watch::backpressure;
use crate::worker::{self, CapacityClaim, ClaimedTask};

/// Cancels every task that waits, but for those that are submitted meanwhile; answers how many. The pool
/// stays as open as it was.
pub(crate) fn cancel_pending(pool: PoolHandle) -> Result<u64> {
    let state = &pool.pool()?.state;
    let (last, mut count) = (state.slots.tails.count(), 0);
    state.for_each_waiting(|key, record| {
        if record.id() <= last {
            count += u64::from(state.withdraw(key, None));
        }
    });
    Ok(count)
}

impl Pool {
    /// Puts a task into the queue, and rings. What is answered must be run, after all that is to be done
    /// for this task. `shut`: the bits of the gate that end a wait.
    #[inline(always)]
    pub(super) fn post(
        &self,
        call: TaskCall,
        args: &Args<'_>,
        key: SlotKey,
        options: Option<&SubmitOptions>,
        shut: u32,
    ) -> Result<Option<ClaimedTask<'_>>> {
        if self.state.submit_queue.is_bounded() {
            return self.enqueue_bounded(call, args, key, options, shut);
        }
        let (place, inline) = self.place(args, key.slot)?;
        let board = &self.region().board;
        let position = board.reserve(&self.state.slots.tails).ok_or(Status::POOL_ERR_FULL)?;
        self.enqueue_at(position, call, place, inline, key).map(|()| None)
    }

    #[cold]
    fn enqueue_bounded(
        &self,
        call: TaskCall,
        args: &Args<'_>,
        key: SlotKey,
        options: Option<&SubmitOptions>,
        shut: u32,
    ) -> Result<Option<ClaimedTask<'_>>> {
        let (place, inline) = self.place(args, key.slot)?;
        let submit_deadline = options.map_or(Deadline::Never, |options| options.submit_deadline);
        let (position, claimed) = self.reserve_bounded(submit_deadline, shut)?;
        match self.enqueue_at(position, call, place, inline, key) {
            Ok(()) => Ok(claimed),
            Err(error) => {
                claimed.into_iter().for_each(ClaimedTask::run);
                Err(error)
            }
        }
    }

    /// Fills the slot and posts it at a position that was reserved.
    #[inline(always)]
    fn enqueue_at(
        &self,
        position: u64,
        call: TaskCall,
        place: BytesLocation,
        inline: &[u8],
        key: SlotKey,
    ) -> Result<()> {
        let (board, tail) = (&self.region().board, &self.state.slots.tails);
        let reservation = match call.priority {
            Priority::DEFAULT => Reservation::main(position),
            priority => self.rank(position, priority, key.slot)?,
        };
        self.region().trim_rings(tail, reservation);
        board.slot(key.slot).fill(call, place, inline, clock::now(), position + 1);
        board.enqueue(reservation, RingEntry { slot: key.slot, generation: key.generation });
        board.sleepers.notify_one();
        Ok(())
    }

    #[cold]
    fn rank(&self, position: u64, priority: Priority, slot: u32) -> Result<Reservation> {
        let reservation =
            self.region().board.reserve_priority(position, priority, &self.state.slots.tails, slot);
        reservation.ok_or_else(|| {
            // Its position was taken, and counts.
            self.state.slots.count_withdrawn();
            self.state.notify_submitters();
            Status::POOL_ERR_FULL.into()
        })
    }

    #[cold]
    fn reserve_bounded(
        &self,
        submit_deadline: Deadline,
        shut: u32,
    ) -> Result<(u64, Option<ClaimedTask<'_>>)> {
        if !worker::is_worker_of(self.region()) {
            return Ok((self.state.wait_for_capacity(submit_deadline, shut)?, None));
        }
        loop {
            self.state.check_flags(shut)?;
            if let Some(position) = self.state.reserve_bounded() {
                return Ok((position, None));
            }
            if submit_deadline.has_passed() {
                return Err(backpressure::full());
            }
            match worker::claim_next(self.region()) {
                CapacityClaim::ClaimedTask(claimed) => match self.state.reserve_bounded() {
                    Some(position) => return Ok((position, Some(claimed))),
                    // Somebody else was faster.
                    None => claimed.run(),
                },
                // What waits is on its way to the ring, or about to run elsewhere.
                CapacityClaim::NoTask => sync::yield_now(),
                CapacityClaim::TooDeep => {
                    let words = "max_pending tasks wait, and the tasks that run others while they submit are nested too deep";
                    return Err(Error::new(Status::POOL_ERR_DEADLOCK, words));
                }
            }
        }
    }
}
