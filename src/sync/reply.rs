//! An answer that somebody waits for. It is given once; or never, when whoever was to give it is gone.

use super::Deadline;
use crate::error::Result;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Who is to answer.
pub(crate) struct Reply(Arc<Place>);

/// Who waits for the answer.
pub(crate) struct Asker(Arc<Place>);

/// What there is to hear.
pub(crate) enum Heard {
    Answer(Result<u32>),
    /// Whoever was to answer is gone.
    Nothing,
    /// The time is over.
    Late,
}

#[derive(Default)]
struct Place {
    state: Mutex<State>,
    told: Condvar,
}

#[derive(Default)]
enum State {
    #[default]
    Open,
    Given(Result<u32>),
    /// Taken, or never to be given.
    Over,
}

pub(crate) fn ask() -> (Reply, Asker) {
    let place = Arc::<Place>::default();
    (Reply(place.clone()), Asker(place))
}

impl Reply {
    /// The first answer counts.
    pub(crate) fn give(&self, answer: Result<u32>) {
        self.0.leave(State::Given(answer));
    }

    /// An answer that is no number.
    pub(crate) fn tell(&self, done: Result<()>) {
        self.give(done.map(|()| 0));
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.0.leave(State::Over);
    }
}

impl Asker {
    pub(crate) fn wait(&self, deadline: Deadline) -> Heard {
        let mut state = self.0.lock();
        loop {
            match std::mem::replace(&mut *state, State::Over) {
                State::Given(answer) => return Heard::Answer(answer),
                State::Over => return Heard::Nothing,
                State::Open => *state = State::Open,
            }
            match deadline.wait_on(&self.0.told, state) {
                Some(woken) => state = woken,
                None => return Heard::Late,
            }
        }
    }

    /// However long it takes. None: whoever was to answer is gone.
    pub(crate) fn hear(&self) -> Option<Result<u32>> {
        match self.wait(Deadline::Never) {
            Heard::Answer(answer) => Some(answer),
            Heard::Nothing | Heard::Late => None,
        }
    }
}

impl Place {
    fn leave(&self, last: State) {
        let mut state = self.lock();
        if matches!(*state, State::Open) {
            *state = last;
            // Whoever wakes up finds the lock free.
            drop(state);
            self.told.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
