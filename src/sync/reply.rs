//! An answer that somebody waits for. It is given once; or never, when whoever was to give it is gone.

use super::Deadline;
use crate::error::Result;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Who is to answer.
pub(crate) struct ReplySender(Arc<ReplyCell>);

/// Who waits for the answer.
pub(crate) struct ReplyReceiver(Arc<ReplyCell>);

/// What there is to hear.
pub(crate) enum ReplyWait {
    Answer(Result<u32>),
    /// Whoever was to answer is gone.
    Nothing,
    /// The time is over.
    Late,
}

#[derive(Default)]
struct ReplyCell {
    state: Mutex<ReplyState>,
    told: Condvar,
}

#[derive(Default)]
enum ReplyState {
    #[default]
    Open,
    Given(Result<u32>),
    /// Taken, or never to be given.
    Over,
}

pub(crate) fn ask() -> (ReplySender, ReplyReceiver) {
    let place = Arc::<ReplyCell>::default();
    (ReplySender(place.clone()), ReplyReceiver(place))
}

impl ReplySender {
    /// The first answer counts.
    pub(crate) fn give(&self, answer: Result<u32>) {
        self.0.leave(ReplyState::Given(answer));
    }

    /// An answer that is no number.
    pub(crate) fn tell(&self, done: Result<()>) {
        self.give(done.map(|()| 0));
    }
}

impl Drop for ReplySender {
    fn drop(&mut self) {
        self.0.leave(ReplyState::Over);
    }
}

impl ReplyReceiver {
    pub(crate) fn wait(&self, deadline: Deadline) -> ReplyWait {
        let mut state = self.0.lock();
        loop {
            match std::mem::replace(&mut *state, ReplyState::Over) {
                ReplyState::Given(answer) => return ReplyWait::Answer(answer),
                ReplyState::Over => return ReplyWait::Nothing,
                ReplyState::Open => *state = ReplyState::Open,
            }
            match deadline.wait_on(&self.0.told, state) {
                Some(woken) => state = woken,
                None => return ReplyWait::Late,
            }
        }
    }

    /// However long it takes. None: whoever was to answer is gone.
    pub(crate) fn recv(&self) -> Option<Result<u32>> {
        match self.wait(Deadline::Never) {
            ReplyWait::Answer(answer) => Some(answer),
            ReplyWait::Nothing | ReplyWait::Late => None,
        }
    }
}

impl ReplyCell {
    fn leave(&self, last: ReplyState) {
        let mut state = self.lock();
        if matches!(*state, ReplyState::Open) {
            *state = last;
            // Whoever wakes up finds the lock free.
            drop(state);
            self.told.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, ReplyState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
