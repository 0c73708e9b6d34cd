//! Finding out which futures are done that somebody wants to be told about: one thread for each pool, started for the
//! first who asks. It fills sets itself, and leaves callbacks to the outbox ([`crate::state::callbacks`]).
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

use crate::sync::{Mutex, MutexGuard};
use super::completion_set::CompletionSet;
use super::{FutureHandle, Pool, PoolHandle, future, promise};
use crate::board::parent::slots::SlotKey;
use crate::error::{Result, Status};
use crate::sync::{Deadline, spin_until};
use crate::sync::Ordering::{*, Relaxed};
use crate::sync::plain::{AtomicU32, AtomicU64};
use crate::table::{Sequence, Table};
use crate::worker;
use std::cell::Cell;
use std::sync::{Arc, Condvar};
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
    key: SlotKey,
    id: u64,
    acts: Vec<CompletionAction>,
    is_running: bool,
    /// The future was freed: its slot goes back when all is done.
    is_detached: bool,
}

impl CompletionEntry {
    fn new(key: SlotKey, id: u64) -> CompletionEntry {
        CompletionEntry { key, id, acts: Vec::new(), is_running: false, is_detached: false }
    }
}

thread_local! {
    /// The pool that this thread works for: the address of its region, or 0.
    static OWN_THREAD_OF: Cell<usize> = const { Cell::new(0) };
}

/// Whether this is one of that pool's own threads, which would wait for its own end.
pub(super) fn is_own_thread_of(pool: &Pool) -> bool {
    OWN_THREAD_OF.get() == pool.address() || pool.state.callbacks.is_running_here()
}

/// This thread works for that pool.
pub(super) fn enter_thread_of(pool: &Pool) {
    OWN_THREAD_OF.set(pool.address());
}

/// Tells at once that a future is done.
fn act_now(future: FutureHandle, act: CompletionAction) -> Result<()> {
    let (pool, key) = future.find()?;
    if current_callback::call_at_once(future, || act.perform(future)) {
        pool.give_back(key);
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
    let (pool, key) = future.find()?;
    let is_left_to_caller =
        pool.state.callbacks.is_external() && matches!(act, CompletionAction::TaskCall(..));
    let left = match (wait::is_done(pool, key), is_left_to_caller) {
        (false, _) => pool.list(key, act)?,
        (true, true) => pool.queue_for_caller(key, act),
        (true, false) => Some(act),
    };
    left.map_or(Ok(()), |act| act_now(future, act))
}

/// Removes a callback that has not begun.
pub(crate) fn remove_callback(future: FutureHandle, number: u64) -> Result<()> {
    let (pool, key) = future.find()?;
    // Dropped when no lock is held: that calls the caller.
    let act = pool.notice.lock().remove_action(key, number);
    act.map(drop).ok_or(Status::POOL_ERR_STATE.into())
}

impl Pool {
    pub(super) fn address(&self) -> usize {
        self.region().memory.start().addr()
    }

    /// Lists an act, and gives it back when the task is done already.
    fn list(
        &'static self,
        key: SlotKey,
        act: CompletionAction,
    ) -> Result<Option<CompletionAction>> {
        let record = self.region().board.slot(key.slot);
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
            self.state.slots.mark_subscribed(key);
            books.add(key, record.ring_position(), act);
        }
        if record.word.subscribe_completion(key.generation) {
            return Ok(None);
        }
        // Done in between: whoever takes it off the list does it.
        if self.state.callbacks.is_external() {
            // Others may have left something beside it meanwhile.
            self.state.push_completion_hint(key.slot);
            if number != 0 {
                return Ok(None);
            }
        }
        Ok(self.notice.lock().remove_action(key, number))
    }

    /// Makes sure that callbacks of a task that is about to be submitted can be called.
    pub(super) fn prepare_callbacks(&'static self) -> Result<()> {
        let mut books = self.notice.lock();
        // Tasks of an inline pool are done when they have been submitted.
        match books.has_ended || self.executor_slots.is_some() {
            true => Ok(()),
            false => self.start_threads(&mut books, true),
        }
    }

    fn start_threads(&'static self, books: &mut CompletionTable, has_calls: bool) -> Result<()> {
        if has_calls {
            self.state.callbacks.prepare()?;
        }
        if books.thread.is_none() {
            self.state.listen();
            let name = format!("{}/notice", self.state.name);
            books.thread = Some(worker::start_own_thread(name, move || self.tell())?);
        }
        Ok(())
    }

    /// Leaves a callback of a future that is done to the caller's loop; gives it back when there will be no
    /// more of that.
    fn queue_for_caller(
        &'static self,
        key: SlotKey,
        act: CompletionAction,
    ) -> Option<CompletionAction> {
        let mut books = self.notice.lock();
        if books.has_ended {
            return Some(act);
        }
        if let Some(entry) = books.entries.get_mut(key.slot.into()) {
            // Whoever tells the others tells this one too.
            entry.acts.push(act);
            return None;
        }
        self.state.slots.mark_subscribed(key);
        let entry = CompletionEntry { is_running: true, ..CompletionEntry::new(key, 0) };
        books.entries.put(key.slot.into(), entry);
        drop(books);
        self.perform(key, vec![act]);
        None
    }

    /// The thread's loop.
    fn tell(&'static self) {
        enter_thread_of(self);
        let board = &self.region().board;
        loop {
            // Acquire; pairs with `Board::notify_completion`.
            let seen = board.completion_event().load(Acquire);
            self.state.task_callbacks.push_started(&self.state);
            let due = self.take_due();
            if !due.is_empty() {
                due.into_iter().for_each(|(key, acts)| self.perform(key, acts));
                continue;
            }
            if promise::close_on_own_thread(self) || self.end_if_over() {
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
        let hints = self.state.take_completion_hints();
        let mut books = self.notice.lock();
        let end = if books.is_ending { u64::MAX } else { self.region().board.ring.head_position() };
        let passed = books.order.range(..=(end, u64::MAX)).map(|(_, slot)| *slot as u32);
        let slots: Vec<u32> = passed.chain(hints).collect();
        let mut due = Vec::new();
        for slot in slots {
            let Some(entry) = books.entries.get_mut(slot.into()) else { continue };
            if entry.is_running || !wait::is_done(self, entry.key) {
                continue;
            }
            entry.is_running = true;
            let place = (entry.id, slot.into());
            due.push((entry.key, std::mem::take(&mut entry.acts)));
            books.order.remove(&place);
        }
        due
    }

    /// Callbacks are left to the outbox, each a job of its own.
    fn perform(&'static self, key: SlotKey, acts: Vec<CompletionAction>) {
        let is_call = |act: &CompletionAction| matches!(act, CompletionAction::TaskCall(..));
        let (calls, deliveries): (Vec<CompletionAction>, Vec<CompletionAction>) =
            acts.into_iter().partition(is_call);
        let future = FutureHandle::new(self.cell, key);
        let count = calls.len();
        for (i, act) in calls.into_iter().enumerate() {
            self.state.callbacks.push(Box::new(move || {
                current_callback::call(future, || act.perform(future));
                if i + 1 == count {
                    self.finish_actions(key);
                }
            }));
        }
        deliveries.into_iter().for_each(|act| act.perform(future));
        if count == 0 {
            self.finish_actions(key);
        }
    }

    /// Ends the telling, or goes on with what was added meanwhile.
    fn finish_actions(&'static self, key: SlotKey) {
        let mut books = self.notice.lock();
        let Some(entry) = books.entries.get_mut(key.slot.into()) else { return };
        let added_meanwhile = std::mem::take(&mut entry.acts);
        if !added_meanwhile.is_empty() {
            drop(books);
            return self.perform(key, added_meanwhile);
        }
        let is_detached = entry.is_detached;
        books.entries.remove(key.slot.into());
        drop(books);
        if is_detached {
            self.give_back(key);
        }
    }

    fn end_if_over(&self) -> bool {
        let mut books = self.notice.lock();
        // What is being told is the outbox's matter.
        let all_told = books.entries.iter().all(|(_, entry)| entry.is_running);
        books.has_ended = books.is_ending && all_told;
        if books.has_ended {
            self.notice.ended.notify_all();
        }
        books.has_ended
    }

    /// The future was freed. True: it is still listed, and its slot goes back later.
    pub(super) fn detach_entry(&self, key: SlotKey) -> bool {
        let mut books = self.notice.lock();
        let Some(entry) = books.entries.get_mut(key.slot.into()) else { return false };
        let is_delivery =
            |act: &mut CompletionAction| matches!(act, CompletionAction::SendResultFile(_));
        let deliveries: Vec<CompletionAction> = entry.acts.extract_if(.., is_delivery).collect();
        entry.is_detached = entry.is_running || !entry.acts.is_empty();
        let (is_detached, place) = (entry.is_detached, (entry.id, key.slot.into()));
        if !is_detached {
            books.entries.remove(key.slot.into());
            books.order.remove(&place);
        }
        drop(books);
        for act in deliveries {
            if let CompletionAction::SendResultFile(inbox) = act {
                inbox.forget(FutureHandle::new(self.cell, key));
            }
        }
        is_detached
    }

    /// Waits until everything has been told, when every task is done. False: the time is over.
    pub(super) fn finish_completions(&self, deadline: Deadline) -> bool {
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
    pub(super) fn completion_thread(&self) -> Option<JoinHandle<()>> {
        self.notice.lock().thread.take()
    }
}

impl Completions {
    fn lock(&self) -> MutexGuard<'_, CompletionTable> {
        self.books.lock()
    }
}

impl CompletionTable {
    fn add(&mut self, key: SlotKey, id: u64, act: CompletionAction) {
        let entry = self.entries.get_or_make(key.slot.into(), || CompletionEntry::new(key, id));
        entry.acts.push(act);
        if !entry.is_running {
            self.order.insert((entry.id, key.slot.into()));
        }
    }

    /// Takes a callback off the list that has not begun, or with number 0 any delivery.
    fn remove_action(&mut self, key: SlotKey, number: u64) -> Option<CompletionAction> {
        let entry = self.entries.get_mut(key.slot.into())?;
        if entry.key != key {
            return None;
        }
        let is_wanted = |act: &CompletionAction| match act {
            CompletionAction::TaskCall(own, _) => *own == number,
            CompletionAction::SendResultFile(_) => number == 0,
        };
        let act = entry.acts.remove(entry.acts.iter().position(is_wanted)?);
        if entry.acts.is_empty() && !entry.is_running {
            let place = (entry.id, key.slot.into());
            self.entries.remove(key.slot.into());
            self.order.remove(&place);
        }
        Some(act)
    }
}

// MERGED pool.drive
// An event loop of the caller's: when it has to call, and the call.

/// A descriptor that is readable while callbacks are due; None: the library calls them itself.
pub(crate) fn events_fd(pool: PoolHandle) -> Result<Option<i32>> {
    Ok(pool.pool()?.state.callbacks.fd())
}

/// Whether callbacks are due that the caller has to run.
pub(crate) fn has_events(pool: PoolHandle) -> Result<bool> {
    let callbacks = &pool.pool()?.state.callbacks;
    Ok(callbacks.is_external() && callbacks.has_pending())
}

/// Runs the callbacks that are due; how many.
pub(crate) fn process_events(pool: PoolHandle) -> Result<u32> {
    pool.pool()?.state.callbacks.run_due()
}

// MERGED pool.current_callback
// The future whose callback runs on this thread: there its handle is good, though it may have been freed.

#[derive(Clone, Copy)]
struct CurrentCallback {
    future: FutureHandle,
    /// It is told at once, by whoever asked, and nothing is listed.
    is_at_once: bool,
    is_freed: bool,
}

thread_local! {
    static PRESENT: Cell<Option<CurrentCallback>> = const { Cell::new(None) };
}

/// How many callbacks run at once in all threads. While there are none, nobody asks for what the thread
/// has: that costs as much as all else that is done to free a future.
static AT_ONCE: AtomicU32 = AtomicU32::new(0);

/// Whether this freed future is the one whose callback is running on this thread.
pub(super) fn is_present(future: FutureHandle) -> bool {
    PRESENT.get().is_some_and(|present| present.future == future)
}

/// Whether the future, which was just freed, is still to be used by the callback that runs on this
/// thread: then its slot goes back behind that.
#[inline]
pub(super) fn is_freed_later(future: FutureHandle) -> bool {
    // Relaxed: a thread sees its own.
    AT_ONCE.load(Relaxed) > 0 && is_marked_freed(future)
}

#[cold]
fn is_marked_freed(future: FutureHandle) -> bool {
    match PRESENT.get() {
        Some(present) if present.is_at_once && present.future == future => {
            PRESENT.set(Some(CurrentCallback { is_freed: true, ..present }));
            true
        }
        _ => false,
    }
}

/// Runs callbacks of a future that is listed: its slot is kept as long as that.
pub(super) fn call(future: FutureHandle, call: impl FnOnce()) {
    let outer =
        PRESENT.replace(Some(CurrentCallback { future, is_at_once: false, is_freed: false }));
    call();
    PRESENT.set(outer);
}

/// Runs a callback of a future that is not listed. True: the future was freed meanwhile, and its slot is to
/// be given back.
pub(super) fn call_at_once(future: FutureHandle, call: impl FnOnce()) -> bool {
    let outer =
        PRESENT.replace(Some(CurrentCallback { future, is_at_once: true, is_freed: false }));
    AT_ONCE.fetch_add(1, Relaxed);
    call();
    AT_ONCE.fetch_sub(1, Relaxed);
    let is_freed = PRESENT.replace(outer).is_some_and(|present| present.is_freed);
    // Where this was called by another callback of the future, that one still uses it.
    is_freed && !(is_present(future) && is_freed_later(future))
}
