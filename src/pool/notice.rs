//! Finding out which futures are done that somebody wants to be told about: one thread for each pool, started for the
//! first who asks. It fills sets itself, and leaves callbacks to the outbox ([`crate::watch::outbox`]).
//!
//! ```text
//!            on_done, set_add            its task is done                all acts have run
//!   nobody ───────────────────▶ listed ──────────────────▶ being told ───────────────────▶ nobody
//!                                 │  remove_callback, or                  the slot goes back, if
//!                                 ▼  freed with nothing left              the future was freed
//!                               nobody
//! ```
//!
//! The thread sleeps on the board's notice, which a worker rings when it ends a task that somebody is
//! listed for. Tasks are claimed in the order of the ring, so what is done stands at the front of the
//! list: it looks at those whose place the ring's head has passed, of which only those that run are
//! not done. What the parent itself has ended stands anywhere; it gives hints (`PoolState::hint`).
//!
//! A future that is freed while it is listed stays where it is until its callbacks have run; they can
//! use its handle, and nobody else can.
//!
//! What is asked of a future that is done already is done at once, by whoever asks; but where the caller
//! drives the callbacks, these are left to its loop, behind those that were listed before.

use super::set::CompletionSet;
use super::{FutureHandle, Pool, present, promise, wait};
use crate::board::ledger::SlotKey;
use crate::error::{Result, Status};
use crate::sync::{Deadline, Ordering::*, plain::AtomicU64, spin_until};
use crate::table::{Sequence, Table};
use crate::worker;
use std::cell::Cell;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// What a caller wants to have called, with the future.
pub(crate) type Callback = Box<dyn FnOnce(FutureHandle) + Send>;

/// What is done when a future is done.
pub(super) enum CompletionAction {
    /// The number is the callback's own.
    TaskCall(u64, Callback),
    SendResultFile(Arc<CompletionSet>),
}

impl CompletionAction {
    fn perform(self, future: FutureHandle) {
        match self {
            CompletionAction::TaskCall(_, callback) => callback(future),
            CompletionAction::SendResultFile(inbox) => inbox.deliver(future),
        }
    }
}

#[derive(Default)]
pub(super) struct Completions {
    books: Mutex<CompletionTable>,
    /// The thread has come to its end.
    ended: Condvar,
}

#[derive(Default)]
struct CompletionTable {
    /// Who is listed, by the slot.
    entries: Table<CompletionEntry>,
    /// Tasks that are not known to be done, in the order of their places on the ring.
    order: Sequence,
    thread: Option<JoinHandle<()>>,
    is_ending: bool,
    has_ended: bool,
}

struct CompletionEntry {
    ticket: SlotKey,
    id: u64,
    acts: Vec<CompletionAction>,
    is_being_told: bool,
    /// The future was freed: its slot goes back when all is done.
    is_orphan: bool,
}

impl CompletionEntry {
    fn new(ticket: SlotKey, id: u64) -> CompletionEntry {
        CompletionEntry { ticket, id, acts: Vec::new(), is_being_told: false, is_orphan: false }
    }
}

thread_local! {
    /// The pool that this thread works for: the address of its region, or 0.
    static WORKING: Cell<usize> = const { Cell::new(0) };
}

/// Whether this is one of that pool's own threads, which would wait for its own end.
pub(super) fn is_working_for(pool: &Pool) -> bool {
    WORKING.get() == pool.address() || pool.site.outbox.is_calling()
}

/// This thread works for that pool.
pub(super) fn work_for(pool: &Pool) {
    WORKING.set(pool.address());
}

/// Tells at once that a future is done.
fn tell_at_once(future: FutureHandle, act: CompletionAction) -> Result<()> {
    let (pool, ticket) = future.find()?;
    if present::call_at_once(future, || act.perform(future)) {
        pool.give_back(ticket);
    }
    Ok(())
}

/// Calls back when the future is done, or now. Answers the callback's number.
pub(crate) fn on_done(future: FutureHandle, callback: Callback) -> Result<u64> {
    static NUMBERS: AtomicU64 = AtomicU64::new(1);
    let number = NUMBERS.fetch_add(1, Relaxed);
    list(future, CompletionAction::TaskCall(number, callback))?;
    Ok(number)
}

/// Does this when the future is done, or now.
pub(super) fn list(future: FutureHandle, act: CompletionAction) -> Result<()> {
    let (pool, ticket) = future.find()?;
    let is_left_to_caller =
        pool.site.outbox.is_external() && matches!(act, CompletionAction::TaskCall(..));
    let left = match (wait::is_done(pool, ticket), is_left_to_caller) {
        (false, _) => pool.list(ticket, act)?,
        (true, true) => pool.leave_to_caller(ticket, act),
        (true, false) => Some(act),
    };
    left.map_or(Ok(()), |act| tell_at_once(future, act))
}

/// Removes a callback that has not begun.
pub(crate) fn remove_callback(future: FutureHandle, number: u64) -> Result<()> {
    let (pool, ticket) = future.find()?;
    // Dropped when no lock is held: that calls the caller.
    let act = pool.notice.lock().take_act(ticket, number);
    act.map(drop).ok_or(Status::POOL_ERR_STATE.into())
}

impl Pool {
    pub(super) fn address(&self) -> usize {
        self.region().memory.start().addr()
    }

    /// Lists an act, and gives it back when the task is done already.
    fn list(
        &'static self,
        ticket: SlotKey,
        act: CompletionAction,
    ) -> Result<Option<CompletionAction>> {
        let record = self.region().board.slot(ticket.slot);
        let number = match &act {
            CompletionAction::TaskCall(number, _) => *number,
            CompletionAction::SendResultFile(_) => 0,
        };
        {
            let mut books = self.notice.lock();
            if books.has_ended {
                return Ok(Some(act));
            }
            self.start_threads(&mut books, number != 0)?;
            self.site.slots.mark_subscribed(ticket);
            books.add(ticket, record.ring_position(), act);
        }
        if record.word.subscribe_completion(ticket.generation) {
            return Ok(None);
        }
        // Done in between: whoever takes it off the list does it.
        if self.site.outbox.is_external() {
            // Others may have left something beside it meanwhile.
            self.site.hint_done(ticket.slot);
            if number != 0 {
                return Ok(None);
            }
        }
        Ok(self.notice.lock().take_act(ticket, number))
    }

    /// Makes sure that callbacks of a task that is about to be submitted can be called.
    pub(super) fn prepare_to_tell(&'static self) -> Result<()> {
        let mut books = self.notice.lock();
        // Tasks of an inline pool are done when they have been submitted.
        match books.has_ended || self.desks.is_some() {
            true => Ok(()),
            false => self.start_threads(&mut books, true),
        }
    }

    fn start_threads(&'static self, books: &mut CompletionTable, has_calls: bool) -> Result<()> {
        if has_calls {
            self.site.outbox.prepare()?;
        }
        if books.thread.is_none() {
            self.site.listen();
            let name = format!("{}/notice", self.site.name);
            books.thread = Some(worker::start_own_thread(name, move || self.tell())?);
        }
        Ok(())
    }

    /// Leaves a callback of a future that is done to the caller's loop; gives it back when there will be no
    /// more of that.
    fn leave_to_caller(
        &'static self,
        ticket: SlotKey,
        act: CompletionAction,
    ) -> Option<CompletionAction> {
        let mut books = self.notice.lock();
        if books.has_ended {
            return Some(act);
        }
        if let Some(entry) = books.entries.get_mut(ticket.slot.into()) {
            // Whoever tells the others tells this one too.
            entry.acts.push(act);
            return None;
        }
        self.site.slots.mark_subscribed(ticket);
        let entry = CompletionEntry { is_being_told: true, ..CompletionEntry::new(ticket, 0) };
        books.entries.put(ticket.slot.into(), entry);
        drop(books);
        self.perform(ticket, vec![act]);
        None
    }

    /// The thread's loop.
    fn tell(&'static self) {
        work_for(self);
        let board = &self.region().board;
        loop {
            // Acquire; pairs with `Board::notify_completion`.
            let seen = board.completion_event().load(Acquire);
            self.site.heralds.tell_starts(&self.site);
            let due = self.take_due();
            if !due.is_empty() {
                due.into_iter().for_each(|(ticket, acts)| self.perform(ticket, acts));
                continue;
            }
            if promise::close_from_within(self) || self.end_if_over() {
                return;
            }
            let is_busy = !self.notice.lock().order.is_empty();
            if is_busy && spin_until(|| board.completion_event().load(Relaxed) != seen) {
                continue;
            }
            if let Some(heeded) = board.prepare_wait(seen) {
                board.completion_event().sleep_if(heeded, board.scope(), None);
            }
        }
    }

    /// Takes what is to be told off the list.
    fn take_due(&self) -> Vec<(SlotKey, Vec<CompletionAction>)> {
        let hints = self.site.take_hints();
        let mut books = self.notice.lock();
        let end = if books.is_ending { u64::MAX } else { self.region().board.ring.head_position() };
        let passed = books.order.range(..=(end, u64::MAX)).map(|(_, slot)| *slot as u32);
        let slots: Vec<u32> = passed.chain(hints).collect();
        let mut due = Vec::new();
        for slot in slots {
            let Some(entry) = books.entries.get_mut(slot.into()) else { continue };
            if entry.is_being_told || !wait::is_done(self, entry.ticket) {
                continue;
            }
            entry.is_being_told = true;
            let place = (entry.id, slot.into());
            due.push((entry.ticket, std::mem::take(&mut entry.acts)));
            books.order.remove(&place);
        }
        due
    }

    /// Callbacks are left to the outbox, each a job of its own.
    fn perform(&'static self, ticket: SlotKey, acts: Vec<CompletionAction>) {
        let is_call = |act: &CompletionAction| matches!(act, CompletionAction::TaskCall(..));
        let (calls, deliveries): (Vec<CompletionAction>, Vec<CompletionAction>) =
            acts.into_iter().partition(is_call);
        let future = FutureHandle::new(self.cell, ticket);
        let count = calls.len();
        for (i, act) in calls.into_iter().enumerate() {
            self.site.outbox.push(Box::new(move || {
                present::call(future, || act.perform(future));
                if i + 1 == count {
                    self.end_telling(ticket);
                }
            }));
        }
        deliveries.into_iter().for_each(|act| act.perform(future));
        if count == 0 {
            self.end_telling(ticket);
        }
    }

    /// Ends the telling, or goes on with what was added meanwhile.
    fn end_telling(&'static self, ticket: SlotKey) {
        let mut books = self.notice.lock();
        let Some(entry) = books.entries.get_mut(ticket.slot.into()) else { return };
        let added_meanwhile = std::mem::take(&mut entry.acts);
        if !added_meanwhile.is_empty() {
            drop(books);
            return self.perform(ticket, added_meanwhile);
        }
        let is_orphan = entry.is_orphan;
        books.entries.remove(ticket.slot.into());
        drop(books);
        if is_orphan {
            self.give_back(ticket);
        }
    }

    fn end_if_over(&self) -> bool {
        let mut books = self.notice.lock();
        // What is being told is the outbox's matter.
        let all_told = books.entries.iter().all(|(_, entry)| entry.is_being_told);
        books.has_ended = books.is_ending && all_told;
        if books.has_ended {
            self.notice.ended.notify_all();
        }
        books.has_ended
    }

    /// The future was freed. True: it is still listed, and its slot goes back later.
    pub(super) fn orphan(&self, ticket: SlotKey) -> bool {
        let mut books = self.notice.lock();
        let Some(entry) = books.entries.get_mut(ticket.slot.into()) else { return false };
        let is_delivery =
            |act: &mut CompletionAction| matches!(act, CompletionAction::SendResultFile(_));
        let deliveries: Vec<CompletionAction> = entry.acts.extract_if(.., is_delivery).collect();
        entry.is_orphan = entry.is_being_told || !entry.acts.is_empty();
        let (is_orphan, place) = (entry.is_orphan, (entry.id, ticket.slot.into()));
        if !is_orphan {
            books.entries.remove(ticket.slot.into());
            books.order.remove(&place);
        }
        drop(books);
        for act in deliveries {
            if let CompletionAction::SendResultFile(inbox) = act {
                inbox.forget(FutureHandle::new(self.cell, ticket));
            }
        }
        is_orphan
    }

    /// Waits until everything has been told, when every task is done. False: the time is over.
    pub(super) fn finish_notices(&self, deadline: Deadline) -> bool {
        let mut books = self.notice.lock();
        books.is_ending = true;
        // What is asked from now on finds its future done, and nobody else to tell.
        books.has_ended |= books.thread.is_none();
        self.region().board.notify_completion();
        while !books.has_ended {
            match deadline.wait_on(&self.notice.ended, books) {
                Some(guard) => books = guard,
                None => return false,
            }
        }
        true
    }

    /// The thread, which has ended or is about to.
    pub(super) fn notice_thread(&self) -> Option<JoinHandle<()>> {
        self.notice.lock().thread.take()
    }
}

impl Completions {
    fn lock(&self) -> MutexGuard<'_, CompletionTable> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CompletionTable {
    fn add(&mut self, ticket: SlotKey, id: u64, act: CompletionAction) {
        let entry =
            self.entries.get_or_make(ticket.slot.into(), || CompletionEntry::new(ticket, id));
        entry.acts.push(act);
        if !entry.is_being_told {
            self.order.insert((entry.id, ticket.slot.into()));
        }
    }

    /// Takes a callback off the list that has not begun, or with number 0 any delivery.
    fn take_act(&mut self, ticket: SlotKey, number: u64) -> Option<CompletionAction> {
        let entry = self.entries.get_mut(ticket.slot.into())?;
        if entry.ticket != ticket {
            return None;
        }
        let is_wanted = |act: &CompletionAction| match act {
            CompletionAction::TaskCall(own, _) => *own == number,
            CompletionAction::SendResultFile(_) => number == 0,
        };
        let act = entry.acts.remove(entry.acts.iter().position(is_wanted)?);
        if entry.acts.is_empty() && !entry.is_being_told {
            let place = (entry.id, ticket.slot.into());
            self.entries.remove(ticket.slot.into());
            self.order.remove(&place);
        }
        Some(act)
    }
}
