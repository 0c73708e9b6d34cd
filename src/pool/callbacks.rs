//! Callbacks and sets that wait for futures. A completion thread, started for the first of them in
//! a pool, finds the futures that are done; it fills sets itself, and pushes callbacks to the queue
//! ([`crate::state::callbacks`]).
//!
//! ```text
//!              on_done, set_add                its task is done               all actions have run
//!   no entry ───────────────────▶ subscribed ──────────────────▶ running ─────────────────────────▶ no entry
//!                                     │  remove_callback, or                 the slot is recycled, if
//!                                     ▼  freed with no callback left         the future was freed
//!                                 no entry
//! ```
//!
//! The thread sleeps on the board's completion event, which a worker notifies when it finishes a
//! task with a subscription. Workers dequeue tasks in the ring's order, so those that are done are
//! at the front of the table: the thread looks at the entries whose position the ring's head has
//! passed, of which only those that run are not done. A task that the parent itself has ended may
//! be anywhere; it is hinted (`PoolState::hint_completion`).
//!
//! A future that is freed while it has an entry keeps its slot until its callbacks have run. They
//! may use its handle, and no other thread may.
//!
//! An action for a future that is done already is performed at once by the caller, and the entry
//! stays meanwhile. But where the caller runs the callbacks, a callback is pushed to the queue,
//! behind the earlier ones.

use super::completion_set::CompletionSet;
use super::executor::Executor;
use super::handles::{FutureHandle, PoolHandle};
use super::{Pool, current_callback, future};
use crate::board::parent::slots::SlotKey;
use crate::error::{Result, Status};
use crate::process::{ThreadId, this_thread};
use crate::sync::plain::AtomicU64;
use crate::sync::{Deadline, Mutex, MutexGuard, Ordering::*, spin_until};
use crate::worker;
use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Condvar};
use std::thread::JoinHandle;

/// A function of the caller's, called with the future.
pub(crate) type Callback = Box<dyn FnOnce(FutureHandle) + Send>;

/// What is done when a future is done.
pub(super) enum CompletionAction {
    /// The number identifies the callback.
    Call(u64, Callback),
    Deliver(Arc<CompletionSet>),
}

impl CompletionAction {
    fn perform(self, future: FutureHandle) {
        match self {
            CompletionAction::Call(_, callback) => callback(future),
            CompletionAction::Deliver(set) => set.deliver(future),
        }
    }

    fn is_call(&self) -> bool {
        matches!(self, CompletionAction::Call(..))
    }
}

#[derive(Default)]
pub(super) struct Completions {
    table: Mutex<CompletionTable>,
    /// The thread has ended.
    ended: Condvar,
}

#[derive(Default)]
struct CompletionTable {
    /// By slot.
    entries: HashMap<u32, CompletionEntry>,
    /// Tasks that are not known to be done, by their positions on the ring.
    order: BTreeSet<(u64, u32)>,
    /// The callers that perform a callback at once, innermost last.
    performing: Vec<ThreadId>,
    thread: Option<JoinHandle<()>>,
    is_ending: bool,
    has_ended: bool,
}

struct CompletionEntry {
    key: SlotKey,
    position: u64,
    actions: Vec<CompletionAction>,
    /// The task is done, and the actions that were taken have not all run.
    is_running: bool,
    /// How many callers perform a callback at once.
    performers: usize,
    /// The future was freed: its slot is recycled when the entry is removed.
    is_detached: bool,
}

impl CompletionEntry {
    fn new(key: SlotKey, position: u64) -> CompletionEntry {
        CompletionEntry {
            key,
            position,
            actions: Vec::new(),
            is_running: false,
            performers: 0,
            is_detached: false,
        }
    }
}

thread_local! {
    /// The pool that this thread works for: the address of its region, or 0.
    static OWN_THREAD_OF: Cell<usize> = const { Cell::new(0) };
}

/// Whether this is one of the pool's own threads, or one that performs a callback of the pool: it must
/// not wait for its own end.
pub(super) fn is_own_thread_of(pool: &Pool) -> bool {
    OWN_THREAD_OF.get() == pool.address()
        || pool.state.callbacks.is_running_here()
        || pool.completions.table.lock().performing.contains(&this_thread())
}

/// This thread works for the pool.
pub(super) fn enter_thread_of(pool: &Pool) {
    OWN_THREAD_OF.set(pool.address());
}

/// Calls back when the future is done, or now. Returns the number of the callback.
pub(crate) fn on_done(future: FutureHandle, callback: Callback) -> Result<u64> {
    static NUMBERS: AtomicU64 = AtomicU64::new(1);
    let number = NUMBERS.fetch_add(1, Relaxed);
    subscribe(future, CompletionAction::Call(number, callback))?;
    Ok(number)
}

/// Performs an action when the future is done, or now.
pub(super) fn subscribe(future: FutureHandle, action: CompletionAction) -> Result<()> {
    let (pool, key) = future.find()?;
    let is_left_to_caller = pool.state.callbacks.is_external() && action.is_call();
    let left = match future::is_done(pool, key) {
        false => pool.add_action(key, action)?,
        true => Some(action),
    };
    match left {
        None => {}
        Some(action) if is_left_to_caller => pool.push_done(key, action),
        Some(action) => pool.perform_now(future, key, action),
    }
    Ok(())
}

/// Removes a callback that has not begun.
pub(crate) fn remove_callback(future: FutureHandle, number: u64) -> Result<()> {
    let (pool, key) = future.find()?;
    // Dropped without the lock: this may call the user.
    let mut table = pool.completions.table.lock();
    let action = table.remove_action(key, number);
    pool.unlock(table);
    action.map(drop).ok_or(Status::POOL_ERR_STATE.into())
}

impl Pool {
    /// Adds an action, and returns it if the task is done already.
    fn add_action(
        &'static self,
        key: SlotKey,
        action: CompletionAction,
    ) -> Result<Option<CompletionAction>> {
        let record = self.region().board.slot(key.slot);
        let number = match &action {
            CompletionAction::Call(number, _) => *number,
            CompletionAction::Deliver(_) => DELIVERY,
        };
        {
            let mut table = self.completions.table.lock();
            if table.has_ended {
                return Ok(Some(action));
            }
            if number != DELIVERY {
                self.state.callbacks.prepare()?;
            }
            self.start_completion_thread(&mut table)?;
            self.state.slots.entries.mark_subscribed(key);
            table.add(key, record.ring_position(), action);
        }
        if record.word.subscribe_completion(key.generation) {
            return Ok(None);
        }
        // Done in between: the thread that takes the action out performs it.
        if self.state.callbacks.is_external() {
            // Others may have added more to the entry meanwhile.
            self.state.push_completion_hint(key.slot);
            if number != DELIVERY {
                return Ok(None);
            }
        }
        let mut table = self.completions.table.lock();
        let action = table.remove_action(key, number);
        self.unlock(table);
        Ok(action)
    }

    /// Makes sure that callbacks of a task that is about to be submitted can be called.
    pub(super) fn prepare_callbacks(&'static self) -> Result<()> {
        let mut table = self.completions.table.lock();
        // Tasks of an inline pool are done when they have been submitted.
        if table.has_ended || matches!(self.executor, Executor::Inline(_)) {
            return Ok(());
        }
        self.state.callbacks.prepare()?;
        self.start_completion_thread(&mut table)
    }

    fn start_completion_thread(&'static self, table: &mut CompletionTable) -> Result<()> {
        if table.thread.is_none() {
            self.state.start_listening();
            let name = format!("{}/completions", self.state.config.name);
            table.thread = Some(worker::start_own_thread(name, move || self.run_completions())?);
        }
        Ok(())
    }

    /// Performs an action of a future that is done. The entry keeps the slot for a callback, which
    /// may free the future.
    fn perform_now(&'static self, future: FutureHandle, key: SlotKey, action: CompletionAction) {
        if !action.is_call() {
            return action.perform(future);
        }
        {
            let mut table = self.completions.table.lock();
            table.entry(key).performers += 1;
            table.performing.push(this_thread());
        }
        self.state.slots.entries.mark_subscribed(key);
        current_callback::run(future, || action.perform(future));
        let mut table = self.completions.table.lock();
        table.entry(key).performers -= 1;
        let own = table.performing.iter().rposition(|thread| *thread == this_thread());
        own.map(|own| table.performing.swap_remove(own));
        let unused = table.remove_unused(key);
        self.unlock(table);
        self.recycle_detached(unused);
    }

    /// Pushes a callback of a future that is done, for the caller to run; or performs it now when
    /// nothing is pushed any more.
    fn push_done(&'static self, key: SlotKey, action: CompletionAction) {
        let mut table = self.completions.table.lock();
        if table.has_ended {
            drop(table);
            return self.perform_now(FutureHandle::new(self.index, key), key, action);
        }
        self.state.slots.entries.mark_subscribed(key);
        let entry = table.entry(key);
        if entry.is_running || !entry.actions.is_empty() {
            // Performed with the others.
            return entry.actions.push(action);
        }
        entry.is_running = true;
        drop(table);
        self.perform(key, vec![action]);
    }

    /// The loop of the completion thread.
    fn run_completions(&'static self) {
        enter_thread_of(self);
        let board = &self.region().board;
        let (workers, callbacks) = (&self.state.worker_table, &self.state.callbacks);
        loop {
            // Acquire; pairs with `Board::notify_completion`.
            let seen = board.completion_event().load(Acquire);
            self.state.task_callbacks.push_started(self.region(), workers, callbacks);
            let due = self.take_due();
            if !due.is_empty() {
                due.into_iter().for_each(|(key, actions)| self.perform(key, actions));
                continue;
            }
            if self.end_if_over() || self.end_if_unused() {
                return;
            }
            let is_waited_for = !self.completions.table.lock().order.is_empty();
            if is_waited_for && spin_until(|| board.completion_event().load(Relaxed) != seen) {
                continue;
            }
            if let Some(seen) = board.prepare_wait(seen) {
                board.completion_event().sleep_if(seen, board.scope(), None);
            }
        }
    }

    /// Takes the actions of the tasks that are done.
    fn take_due(&self) -> Vec<(SlotKey, Vec<CompletionAction>)> {
        let hints = self.state.take_completion_hints();
        let mut table = self.completions.table.lock();
        let end = if table.is_ending { u64::MAX } else { self.region().board.ring.head_position() };
        let passed = table.order.range(..=(end, u32::MAX)).map(|(_, slot)| *slot);
        let slots: Vec<u32> = passed.chain(hints).collect();
        let mut due = Vec::new();
        for slot in slots {
            let Some(entry) = table.entries.get_mut(&slot) else { continue };
            if entry.is_running || !future::is_done(self, entry.key) {
                continue;
            }
            entry.is_running = true;
            let position = entry.position;
            due.push((entry.key, std::mem::take(&mut entry.actions)));
            table.order.remove(&(position, slot));
        }
        due
    }

    /// Fills sets, and pushes the callbacks to the queue, each as a call of its own.
    fn perform(&'static self, key: SlotKey, actions: Vec<CompletionAction>) {
        let (calls, deliveries): (Vec<_>, Vec<_>) =
            actions.into_iter().partition(CompletionAction::is_call);
        let future = FutureHandle::new(self.index, key);
        let count = calls.len();
        for (index, action) in calls.into_iter().enumerate() {
            self.state.callbacks.push(Box::new(move || {
                current_callback::run(future, || action.perform(future));
                if index + 1 == count {
                    self.finish_actions(key);
                }
            }));
        }
        deliveries.into_iter().for_each(|action| action.perform(future));
        if count == 0 {
            self.finish_actions(key);
        }
    }

    /// The actions that were taken have run: goes on with those that were added meanwhile.
    fn finish_actions(&'static self, key: SlotKey) {
        let mut table = self.completions.table.lock();
        let entry = table.entry(key);
        let added_meanwhile = std::mem::take(&mut entry.actions);
        if !added_meanwhile.is_empty() {
            drop(table);
            return self.perform(key, added_meanwhile);
        }
        entry.is_running = false;
        let unused = table.remove_unused(key);
        self.unlock(table);
        self.recycle_detached(unused);
    }

    /// An entry was removed: recycles its slot, if its future was freed. Of a freed pool this may
    /// be the last future, and end the life of `self`.
    fn recycle_detached(&'static self, removed: Option<CompletionEntry>) {
        if let Some(entry) = removed.filter(|entry| entry.is_detached) {
            self.give_back(entry.key);
        }
    }

    fn end_if_over(&self) -> bool {
        let mut table = self.completions.table.lock();
        // The actions that run are the queue's matter.
        let has_waiting = table.entries.values().any(CompletionEntry::is_waiting);
        table.has_ended = table.is_ending && !has_waiting;
        if table.has_ended {
            self.completions.ended.notify_all();
        }
        table.has_ended
    }

    /// Ends the threads of the promise pool, which outlives its promises, when they have nothing to
    /// do. The next subscription starts them again.
    fn end_if_unused(&self) -> bool {
        let mut table = self.completions.table.lock();
        if !self.is_promise_pool() || !table.entries.is_empty() {
            return false;
        }
        table.thread = None;
        self.state.callbacks.release_thread();
        true
    }

    /// Unlocks the table after an entry may have been removed.
    fn unlock(&self, table: MutexGuard<'_, CompletionTable>) {
        let is_unused = table.entries.is_empty();
        drop(table);
        if is_unused && self.is_promise_pool() {
            // For `end_if_unused`.
            self.region().board.notify_completion();
        }
    }

    /// The future was freed. True: it still has callbacks, and its slot is recycled later.
    pub(super) fn detach_entry(&self, key: SlotKey) -> bool {
        let mut table = self.completions.table.lock();
        let Some(entry) = table.entries.get_mut(&key.slot) else { return false };
        let deliveries: Vec<CompletionAction> =
            entry.actions.extract_if(.., |action| !action.is_call()).collect();
        entry.is_detached = true;
        let is_in_use = table.remove_unused(key).is_none();
        self.unlock(table);
        for action in deliveries {
            if let CompletionAction::Deliver(set) = action {
                set.remove(FutureHandle::new(self.index, key));
            }
        }
        is_in_use
    }

    /// Waits until all actions have been performed or pushed, when every task is done. False: the
    /// deadline has passed.
    pub(super) fn finish_completions(&self, deadline: Deadline) -> bool {
        let mut table = self.completions.table.lock();
        table.is_ending = true;
        // From now on a subscriber finds its future done, and performs the action itself.
        table.has_ended |= table.thread.is_none();
        self.region().board.notify_completion();
        let mut renotify = Deadline::from_ms(RENOTIFY_MS);
        while !table.has_ended {
            if renotify.has_passed() {
                self.region().board.renotify_completion();
                renotify = Deadline::from_ms(RENOTIFY_MS);
            }
            table = match deadline.min(renotify).wait_on(&self.completions.ended, table) {
                Some(guard) => guard,
                None if deadline.has_passed() => return false,
                None => self.completions.table.lock(),
            };
        }
        true
    }

    /// The thread, which has ended or is about to.
    pub(super) fn take_completion_thread(&self) -> Option<JoinHandle<()>> {
        self.completions.table.lock().thread.take()
    }
}

/// How long the end of the completion thread is waited for before it is notified again.
const RENOTIFY_MS: i64 = 50;

/// The number by which deliveries to sets are found. Callbacks have others.
const DELIVERY: u64 = 0;

impl CompletionEntry {
    /// Whether there are actions that are not being performed.
    fn is_waiting(&self) -> bool {
        !self.is_running && !self.actions.is_empty()
    }
}

impl CompletionTable {
    /// The entry of a slot, which is made if there is none. The task is done.
    fn entry(&mut self, key: SlotKey) -> &mut CompletionEntry {
        self.entries.entry(key.slot).or_insert_with(|| CompletionEntry::new(key, 0))
    }

    /// Adds an action for a task that may not be done.
    fn add(&mut self, key: SlotKey, position: u64, action: CompletionAction) {
        let new = || CompletionEntry::new(key, position);
        let entry = self.entries.entry(key.slot).or_insert_with(new);
        entry.actions.push(action);
        if !entry.is_running {
            self.order.insert((entry.position, key.slot));
        }
    }

    /// Takes out a callback that has not begun, or with [`DELIVERY`] any delivery.
    fn remove_action(&mut self, key: SlotKey, number: u64) -> Option<CompletionAction> {
        let entry = self.entries.get_mut(&key.slot).filter(|entry| entry.key == key)?;
        let is_wanted = |action: &CompletionAction| match action {
            CompletionAction::Call(own, _) => *own == number,
            CompletionAction::Deliver(_) => number == DELIVERY,
        };
        let action = entry.actions.remove(entry.actions.iter().position(is_wanted)?);
        self.remove_unused(key);
        Some(action)
    }

    /// Removes the entry if it is not in use.
    fn remove_unused(&mut self, key: SlotKey) -> Option<CompletionEntry> {
        let entry = self.entries.get(&key.slot)?;
        if entry.is_running || !entry.actions.is_empty() {
            return None;
        }
        self.order.remove(&(entry.position, key.slot));
        if entry.performers > 0 {
            return None;
        }
        self.entries.remove(&key.slot)
    }
}

// ---- an event loop of the caller's ------------------------------------------------------------------

/// The descriptor that is readable while callbacks are due. None: the library calls them itself.
pub(crate) fn events_fd(pool: PoolHandle) -> Result<Option<i32>> {
    Ok(pool.pool()?.state.callbacks.fd())
}

/// Whether callbacks are due that the caller has to run.
pub(crate) fn has_events(pool: PoolHandle) -> Result<bool> {
    let callbacks = &pool.pool()?.state.callbacks;
    Ok(callbacks.is_external() && callbacks.has_pending())
}

/// Runs the callbacks that are due; returns how many.
pub(crate) fn process_events(pool: PoolHandle) -> Result<u32> {
    pool.pool()?.state.callbacks.run_due()
}
