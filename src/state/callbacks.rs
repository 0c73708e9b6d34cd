//! The queue of calls of the user's functions, in the order in which they became due.
//!
//! No other thread of the library makes such a call, so a slow function delays only the calls
//! behind it.
//!
//! ```text
//!            push                          run                       finish, when the last call has run
//!   empty ─────────▶ calls wait ─────────────────────────▶ empty ──────────────────────────────▶ over
//!                       │  by a thread that `prepare` starts; or, with
//!                       └─ an external driver, in the caller's call,
//!                          and in `finish`
//! ```
//!
//! The calls lie in a deque under the same lock as the thread that runs one: the descriptor of an
//! external driver is readable exactly while calls wait, which a channel with a count of its own
//! could not keep.

use crate::error::{Error, Result, Status};
use crate::fd::EventPipe;
use crate::process::{ThreadId, this_thread};
use crate::sync::{Deadline, Mutex, MutexGuard};
use crate::worker;
use std::collections::VecDeque;
use std::os::fd::AsRawFd;
use std::sync::{Arc, Condvar};
use std::thread::JoinHandle;

/// A call of a user's function.
pub(crate) type QueuedCall = Box<dyn FnOnce() + Send>;

pub(crate) struct CallbackQueue {
    /// The name of the thread.
    name: String,
    shared: Arc<CallbackQueueShared>,
}

#[derive(Default)]
struct CallbackQueueShared {
    state: Mutex<CallbackQueueState>,
    changed: Condvar,
    /// Readable while calls wait; only with an external driver.
    pending_event: Option<EventPipe>,
}

#[derive(Default)]
struct CallbackQueueState {
    calls: VecDeque<QueuedCall>,
    /// The thread that runs a call.
    runner: Option<ThreadId>,
    is_ending: bool,
    /// The number of threads that wait for a change.
    waiters: usize,
    thread: Option<JoinHandle<()>>,
    /// How many threads were released. A thread that began at a lower number exits.
    released: u64,
}

impl CallbackQueue {
    /// The queue of the pool with this name. `is_external`: the caller runs the calls.
    pub(crate) fn new(pool: &str, is_external: bool) -> Result<CallbackQueue> {
        let event =
            is_external.then(|| EventPipe::new().map_err(|errno| Error::os("pipe2", errno)));
        let pending_event = event.transpose()?;
        let shared = CallbackQueueShared { pending_event, ..CallbackQueueShared::default() };
        Ok(CallbackQueue { name: format!("{pool}/callbacks"), shared: Arc::new(shared) })
    }

    /// Starts the thread, unless the driver is external. A function that is registered after this
    /// can be called.
    pub(crate) fn prepare(&self) -> Result<()> {
        let mut state = self.shared.state.lock();
        if !self.is_external() && state.thread.is_none() {
            let (shared, released) = (self.shared.clone(), state.released);
            let run = move || shared.run(released);
            state.thread = Some(worker::start_own_thread(self.name.clone(), run)?);
        }
        Ok(())
    }

    /// Adds a call behind all that were pushed before.
    pub(crate) fn push(&self, call: QueuedCall) {
        let mut state = self.shared.state.lock();
        state.calls.push_back(call);
        if let Some(event) = self.shared.pending_event.as_ref().filter(|_| state.calls.len() == 1) {
            event.set();
        }
        self.shared.notify(&state);
    }

    /// Whether the caller runs the calls.
    pub(crate) fn is_external(&self) -> bool {
        self.shared.pending_event.is_some()
    }

    /// Whether this thread runs a call of this queue.
    pub(crate) fn is_running_here(&self) -> bool {
        self.shared.state.lock().runner == Some(this_thread())
    }

    /// The descriptor that is readable while calls wait for the caller.
    pub(crate) fn fd(&self) -> Option<i32> {
        self.shared.pending_event.as_ref().map(|event| event.reader().as_raw_fd())
    }

    pub(crate) fn has_pending(&self) -> bool {
        !self.shared.state.lock().calls.is_empty()
    }

    /// Runs the calls that wait now in this thread; returns how many were run. It runs no call
    /// while another thread runs one.
    pub(crate) fn run_due(&self) -> Result<u32> {
        if !self.is_external() {
            let message = "the pool was not made with POOL_DRIVER_EXTERNAL";
            return Err(Error::new(Status::POOL_ERR_STATE, message));
        }
        let due = self.shared.state.lock().calls.len();
        let mut count = 0;
        while (count as usize) < due && self.shared.run_one() {
            count += 1;
        }
        Ok(count)
    }

    /// Waits until the last call has run; nothing is pushed any more. Runs the calls itself if no
    /// thread does. False: the deadline has passed.
    pub(crate) fn finish(&self, deadline: Deadline) -> bool {
        let mut state = self.shared.state.lock();
        loop {
            match (&state.runner, state.calls.is_empty()) {
                (None, true) => break,
                (None, false) if state.thread.is_none() => {
                    drop(state);
                    self.shared.run_one();
                    state = self.shared.state.lock();
                }
                // Another caller runs one, and may leave the others waiting.
                _ => match self.shared.wait(state, deadline) {
                    Some(guard) => state = guard,
                    None => return false,
                },
            }
        }
        state.is_ending = true;
        self.shared.notify(&state);
        true
    }

    /// Lets the thread exit: no call waits. The next `prepare` starts another one.
    pub(crate) fn release_thread(&self) {
        let mut state = self.shared.state.lock();
        state.thread = None;
        state.released += 1;
        self.shared.notify(&state);
    }

    /// The thread, which ends after `finish`.
    pub(crate) fn thread(&self) -> Option<JoinHandle<()>> {
        self.shared.state.lock().thread.take()
    }
}

/// Drops the calls that were not run: making the pool has failed, or the pool has ended.
impl Drop for CallbackQueue {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        let calls = std::mem::take(&mut state.calls);
        state.is_ending = true;
        self.shared.notify(&state);
        // Dropping a call may run user code.
        drop(state);
        drop(calls);
    }
}

impl CallbackQueueShared {
    /// The thread's loop.
    fn run(&self, released: u64) {
        loop {
            while self.run_one() {}
            let state = self.state.lock();
            if state.released != released || (state.is_ending && state.calls.is_empty()) {
                return;
            }
            // A released thread may run its last call.
            if state.calls.is_empty() || state.runner.is_some() {
                drop(self.wait(state, Deadline::Never));
            }
        }
    }

    /// Runs the first call. False: there is none, or another thread runs one.
    fn run_one(&self) -> bool {
        let mut state = self.state.lock();
        if state.runner.is_some() {
            return false;
        }
        let Some(call) = state.calls.pop_front() else { return false };
        state.runner = Some(this_thread());
        if let Some(event) = self.pending_event.as_ref().filter(|_| state.calls.is_empty()) {
            event.clear();
        }
        drop(state);
        call();
        let mut state = self.state.lock();
        state.runner = None;
        self.notify(&state);
        true
    }

    fn notify(&self, state: &CallbackQueueState) {
        // Notifying costs a system call even if no thread waits.
        if state.waiters > 0 {
            self.changed.notify_all();
        }
    }

    /// Waits for a change. None: the deadline has passed.
    fn wait<'a>(
        &'a self,
        mut state: MutexGuard<'a, CallbackQueueState>,
        deadline: Deadline,
    ) -> Option<MutexGuard<'a, CallbackQueueState>> {
        state.waiters += 1;
        let woken = deadline.wait_on(&self.changed, state);
        let has_passed = woken.is_none();
        let mut state = woken.unwrap_or_else(|| self.state.lock());
        state.waiters -= 1;
        (!has_passed).then_some(state)
    }
}
