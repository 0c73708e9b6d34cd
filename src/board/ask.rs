//! Asking for tasks, on the board of an isolated worker: the worker asks, and its proxy in the parent
//! gives it a task then, and not before.
//!
//! ```text
//!            ask                              called, answers
//!   busy ──────────▶ asks: spins, or sleeps ─────────────────▶ is given a task ──▶ busy
//! ```
//!
//! A worker asks for each task, after it has ended the one before and knows that it will take another: one
//! that is about to exit does not ask. It asks by the number of tasks that it has claimed, plus one: if it
//! asks again before it has seen the task that it is given, that is not read later as the next request.
//!
//! Then the proxy looks for a task. When it has one, it calls the worker, which answers. So a task is given
//! only to a worker that is awake: one that was killed or stopped meanwhile does not answer.
//!
//! | proxy ([`super::Board::call`])       | worker ([`super::Board::next`])                   |
//! |--------------------------------------|---------------------------------------------------|
//! | 1. increment `called`                | 1. searching → sleeping                           |
//! | 2. fence                             | 2. fence                                          |
//! | 3. if the worker sleeps, wake it     | 3. check once more; if it was called, answer;     |
//! |                                      |    if not, sleep                                  |
//!
//! If the proxy's fence is first, the worker sees that it is called. If the worker's is first, the proxy
//! sees its sleeping bit, and wakes it.

use super::slot::SeatIndex;
use super::{Board, feature};
use crate::sync::{Ordering::*, fence};

impl Board {
    // ---- the proxy -----------------------------------------------------------------------------

    /// Whether the worker of this seat asks for the task after `ended` ones. Acquire; pairs with
    /// `ask`: the worker has no use any more for what it had of the task before.
    pub(crate) fn has_asked(&self, seat: SeatIndex, ended: u64) -> bool {
        self.seats.at(usize::from(seat.0)).asks.load(Acquire) == ended.wrapping_add(1)
    }

    /// Calls the worker of this seat, which asks, by a number that it was not called by before.
    pub(crate) fn call(&self, seat: SeatIndex, number: u32) {
        self.seats.at(usize::from(seat.0)).called.store(number, Relaxed);
        fence(SeqCst);
        self.sleepers.wake_sleeping(seat);
    }

    /// Whether it has answered. Relaxed: what it is given then makes all visible.
    pub(crate) fn has_answered(&self, seat: SeatIndex, number: u32) -> bool {
        self.seats.at(usize::from(seat.0)).answered.load(Relaxed) == number
    }

    // ---- the worker ----------------------------------------------------------------------------

    /// Asks for a task, if this board is for that. Release; pairs with `has_asked`.
    pub(super) fn ask(&self, seat: SeatIndex) {
        if self.features() & feature::ASKS != 0 {
            let own = self.seats.at(usize::from(seat.0));
            own.asks.store(own.claimed.load(Relaxed) + 1, Release);
            self.notify_completion();
        }
    }

    /// Answers a call, if there is one; true if there was. Where no worker is called, there is none.
    pub(super) fn answer(&self, seat: SeatIndex) -> bool {
        let own = self.seats.at(usize::from(seat.0));
        let called = own.called.load(Relaxed);
        let is_called = own.answered.load(Relaxed) != called;
        if is_called {
            own.answered.store(called, Relaxed);
            // Release: the proxy that is woken sees the answer.
            self.notify_completion();
        }
        is_called
    }
}
