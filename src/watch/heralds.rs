//! Whom to tell that a task has begun, or has run for too long: what few tasks bring with them.
//!
//! The notice's thread finds the tasks that were claimed; the watch finds those whose time is over. Both only
//! push what is to be called to the outbox.

use super::site::Site;
use crate::board::ledger::Ticket;
use crate::board::slot::{Phase, SeatIndex};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Called with the worker's place and its process, 0 for a thread.
pub(crate) type OnAccept = Box<dyn FnOnce(u32, i64) + Send>;
/// Called with whether it was the soft limit, and the limit in milliseconds.
pub(crate) type OnTimeout = Arc<dyn Fn(bool, i64) + Send + Sync>;

/// What is to be told of one task.
pub(crate) struct Herald {
    pub(crate) on_accept: Option<OnAccept>,
    pub(crate) on_timeout: Option<OnTimeout>,
}

#[derive(Default)]
pub(crate) struct Heralds(Mutex<Book>);

#[derive(Default)]
struct Book {
    /// With the place of a task that waits, as below.
    heralds: HashMap<Ticket, (Herald, Option<u64>)>,
    /// Tasks that were not seen to have begun, in the order of their places on the ring.
    waiting: BTreeSet<(u64, Ticket)>,
}

impl Heralds {
    /// Enters a task before it is posted.
    pub(crate) fn add(&self, ticket: Ticket, herald: Herald) {
        self.lock().heralds.insert(ticket, (herald, None));
    }

    /// The task has this place on the ring; its beginning is to be told. 0: it may begin at any time.
    pub(crate) fn await_start(&self, ticket: Ticket, place: u64) {
        let mut book = self.lock();
        // It may be done already.
        let Some((_, own)) = book.heralds.get_mut(&ticket) else { return };
        *own = Some(place);
        book.waiting.insert((place, ticket));
    }

    /// The task is done, or was not posted: nothing more is told of it, but that it has begun, where nobody
    /// has told so yet.
    pub(crate) fn remove(&self, site: &Site, ticket: Ticket) {
        let mut book = self.lock();
        let Some((herald, place)) = book.heralds.remove(&ticket) else { return };
        if let Some(place) = place {
            book.waiting.remove(&(place, ticket));
        }
        // Called and dropped when no lock is held.
        drop(book);
        if let (Some(accept), Some(seat)) = (herald.on_accept, site.runner(ticket)) {
            accept(seat.0.into(), site.staff.pid(seat));
        }
    }

    /// Tells of tasks that run. Those that are done already are left to `remove`, which comes before whatever
    /// else is called about them.
    pub(crate) fn tell_starts(&self, site: &Site) {
        // Whoever claims a task has this told before it moves the ring's head past it.
        let end = site.region.board.ring.passed().saturating_add(1);
        let mut begun = Vec::new();
        {
            let mut book = self.lock();
            let passed: Vec<(u64, Ticket)> =
                book.waiting.iter().take_while(|(place, _)| *place <= end).copied().collect();
            for place in passed {
                let word = &site.region.board.slot(place.1.slot).word;
                let (Some(seat), Phase::Running(_)) = (site.runner(place.1), word.phase()) else {
                    continue;
                };
                book.waiting.remove(&place);
                let Some((herald, own)) = book.heralds.get_mut(&place.1) else { continue };
                *own = None;
                begun.extend(herald.on_accept.take().map(|accept| (accept, seat)));
            }
        }
        for (accept, seat) in begun {
            let pid = site.staff.pid(seat);
            site.outbox.push(Box::new(move || accept(seat.0.into(), pid)));
        }
    }

    pub(crate) fn tell_timeout(&self, site: &Site, ticket: Ticket, is_soft: bool, limit_ms: u64) {
        let on_timeout = self.lock().heralds.get(&ticket).and_then(|(it, _)| it.on_timeout.clone());
        if let Some(on_timeout) = on_timeout {
            let limit_ms = i64::try_from(limit_ms).unwrap_or(i64::MAX);
            site.outbox.push(Box::new(move || on_timeout(is_soft, limit_ms)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Site {
    /// Whose the task is or was; None: nobody has claimed it.
    fn runner(&self, ticket: Ticket) -> Option<SeatIndex> {
        let word = &self.region.board.slot(ticket.slot).word;
        match word.phase() {
            Phase::Running(seat) | Phase::Completed(seat) | Phase::Failed(seat)
                if word.generation() == ticket.generation =>
            {
                Some(seat)
            }
            _ => None,
        }
    }
}
