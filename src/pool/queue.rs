//! The queue: a task is put into it, or waits outside until there is a place; and all that wait in it
//! can be cancelled.
//!
//! A task that submits to its own pool does not wait for a place: that might never come, where all
//! workers wait so. It claims a task that waits, which makes a place, puts its own there, and runs the
//! one that it has claimed before its submit returns.

use super::spec::{Args, SubmitOptions};
use super::{Pool, PoolHandle};
use crate::board::ledger::SlotKey;
use crate::board::priority::Priority;
use crate::board::queue::Reservation;
use crate::board::record::{BytesLocation, TaskCall};
use crate::board::ring::RingEntry;
use crate::clock;
use crate::error::{Error, Result, Status};
use crate::sync::{self, Deadline};
use crate::watch::line;
use crate::worker::{self, CapacityClaim, ClaimedTask};

/// Cancels every task that waits, but for those that are submitted meanwhile; answers how many. The pool
/// stays as open as it was.
pub(crate) fn cancel_pending(pool: PoolHandle) -> Result<u64> {
    let site = &pool.pool()?.site;
    let (last, mut count) = (site.slots.tails.count(), 0);
    site.each_waiting(|ticket, record| {
        if record.id() <= last {
            count += u64::from(site.take_back(ticket, None));
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
        ticket: SlotKey,
        extras: Option<&SubmitOptions>,
        shut: u32,
    ) -> Result<Option<ClaimedTask<'_>>> {
        if self.site.line.is_bounded() {
            return self.post_in_line(call, args, ticket, extras, shut);
        }
        let (place, inline) = self.place(args, ticket.slot)?;
        let board = &self.region().board;
        let position = board.reserve(&self.site.slots.tails).ok_or(Status::POOL_ERR_FULL)?;
        self.post_at(position, call, place, inline, ticket).map(|()| None)
    }

    #[cold]
    fn post_in_line(
        &self,
        call: TaskCall,
        args: &Args<'_>,
        ticket: SlotKey,
        extras: Option<&SubmitOptions>,
        shut: u32,
    ) -> Result<Option<ClaimedTask<'_>>> {
        let (place, inline) = self.place(args, ticket.slot)?;
        let patience = extras.map_or(Deadline::Never, |extras| extras.patience);
        let (position, claimed) = self.take_place(patience, shut)?;
        match self.post_at(position, call, place, inline, ticket) {
            Ok(()) => Ok(claimed),
            Err(error) => {
                claimed.into_iter().for_each(ClaimedTask::run);
                Err(error)
            }
        }
    }

    /// Fills the slot and posts it at a position that was reserved.
    #[inline(always)]
    fn post_at(
        &self,
        position: u64,
        call: TaskCall,
        place: BytesLocation,
        inline: &[u8],
        ticket: SlotKey,
    ) -> Result<()> {
        let (board, tail) = (&self.region().board, &self.site.slots.tails);
        let reservation = match call.priority {
            Priority::DEFAULT => Reservation::main(position),
            priority => self.rank(position, priority, ticket.slot)?,
        };
        self.region().trim_rings(tail, reservation);
        board.slot(ticket.slot).fill(call, place, inline, clock::now(), position + 1);
        board.enqueue(reservation, RingEntry { slot: ticket.slot, generation: ticket.generation });
        board.sleepers.notify_one();
        Ok(())
    }

    #[cold]
    fn rank(&self, position: u64, priority: Priority, slot: u32) -> Result<Reservation> {
        let reservation =
            self.region().board.reserve_priority(position, priority, &self.site.slots.tails, slot);
        reservation.ok_or_else(|| {
            // Its position was taken, and counts.
            self.site.slots.count_withdrawn();
            self.site.tell_line();
            Status::POOL_ERR_FULL.into()
        })
    }

    #[cold]
    fn take_place(&self, patience: Deadline, shut: u32) -> Result<(u64, Option<ClaimedTask<'_>>)> {
        if !worker::is_at_home(self.region()) {
            return Ok((self.site.await_place(patience, shut)?, None));
        }
        loop {
            self.site.check_gate_for(shut)?;
            if let Some(position) = self.site.take_place() {
                return Ok((position, None));
            }
            if patience.has_passed() {
                return Err(line::full());
            }
            match worker::claim_next(self.region()) {
                CapacityClaim::ClaimedTask(claimed) => match self.site.take_place() {
                    Some(position) => return Ok((position, Some(claimed))),
                    // Somebody else was faster.
                    None => claimed.run(),
                },
                // What waits is on its way to the ring, or about to run elsewhere.
                CapacityClaim::Nothing => sync::yield_now(),
                CapacityClaim::TooDeep => {
                    let words = "max_pending tasks wait, and the tasks that run others while they submit are nested too deep";
                    return Err(Error::new(Status::POOL_ERR_DEADLOCK, words));
                }
            }
        }
    }
}
