//! How long a caller waits for the end of a pool, and what it does meanwhile: its tick.

use super::Pool;
use super::config::Tick;
use crate::error::{Error, Result, Status};
use crate::sync::Deadline;
use std::cell::Cell;
use std::time::Instant;

thread_local! {
    /// The pool whose tick this thread runs: the address of its region, or 0.
    static TICKING: Cell<usize> = const { Cell::new(0) };
}

#[derive(Clone, Copy)]
pub(super) struct WaitWithTick<'a> {
    pub(super) deadline: Deadline,
    tick: Option<(&'a Tick, usize)>,
}

impl WaitWithTick<'_> {
    /// Waits without a tick.
    pub(super) fn until(deadline: Deadline) -> WaitWithTick<'static> {
        WaitWithTick { deadline, tick: None }
    }

    /// Waits by `wait`, which is to answer None when the time that it gets is over. No lock may be held.
    pub(super) fn wait<T>(&self, mut wait: impl FnMut(Deadline) -> Option<T>) -> Option<T> {
        // A tick that waits itself is not called in its own middle.
        let tick = self.tick.filter(|_| TICKING.get() == 0);
        let Some((tick, address)) = tick else { return wait(self.deadline) };
        let mut next = Instant::now().checked_add(tick.every);
        loop {
            let chunk = next.map_or(Deadline::Never, Deadline::At);
            if let Some(found) = wait(self.deadline.min(chunk)) {
                return Some(found);
            }
            if self.deadline.has_passed() {
                return None;
            }
            if chunk.has_passed() {
                TICKING.set(address);
                (tick.call)();
                TICKING.set(0);
                next = Instant::now().checked_add(tick.every);
            }
        }
    }
}

impl Pool {
    /// Waits with the pool's tick, if it has one.
    pub(super) fn submit_deadline(&self, deadline: Deadline) -> WaitWithTick<'_> {
        let tick = self.config.tick.as_ref().map(|tick| (tick, self.address()));
        WaitWithTick { deadline, tick }
    }

    /// A tick that freed its pool would take it from under the one who waits.
    pub(super) fn refuse_in_tick(&self) -> Result<()> {
        if TICKING.get() == self.address() {
            let words = "called from on_tick of the same pool";
            return Err(Error::new(Status::POOL_ERR_DEADLOCK, words));
        }
        Ok(())
    }
}
