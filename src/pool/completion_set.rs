//! Sets of futures, that are taken out in the order in which they are done.

use crate::sync::{Mutex, MutexGuard};
use super::{FutureHandle, callbacks, future, handles};
use super::callbacks::CompletionAction;
use super::handles::SetHandle;
use crate::error::{Error, Result, Status};
use crate::sync::Deadline;
use crate::table::Table;
use rustix::event::EventfdFlags;
use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Condvar, OnceLock};

/// Where the futures of a set arrive.
#[derive(Default)]
pub(crate) struct CompletionSet {
    books: Mutex<SetState>,
    arrived: Condvar,
    /// Readable while there is something to be taken out.
    bell: OnceLock<OwnedFd>,
}

#[derive(Default)]
struct SetState {
    ready: VecDeque<FutureHandle>,
    /// Those that are not done, and how often each was added.
    waiting: Table<usize>,
}

impl CompletionSet {
    /// The future is done.
    pub(super) fn deliver(&self, future: FutureHandle) {
        let mut books = self.lock();
        books.stop_waiting(future);
        books.ready.push_back(future);
        self.show(&books);
        self.arrived.notify_all();
    }

    /// The future was freed.
    pub(super) fn forget(&self, future: FutureHandle) {
        self.lock().stop_waiting(future);
        self.arrived.notify_all();
    }

    /// Makes the descriptor readable or not, as it should be.
    fn show(&self, books: &SetState) {
        let Some(bell) = self.bell.get() else { return };
        if books.ready.is_empty() {
            let _ = rustix::io::read(bell, &mut [0; 8]);
        } else {
            let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
        }
    }

    fn lock(&self) -> MutexGuard<'_, SetState> {
        self.books.lock()
    }
}

impl SetState {
    fn stop_waiting(&mut self, future: FutureHandle) {
        if let Some(times) = self.waiting.get_mut(future.to_raw()) {
            *times -= 1;
            if *times == 0 {
                self.waiting.remove(future.to_raw());
            }
        }
    }
}

pub(crate) fn set_new() -> Result<SetHandle> {
    handles::add_set(Arc::default())
}

/// Frees the set; its futures stay their owner's.
pub(crate) fn set_free(set: SetHandle) -> Result<()> {
    set.remove()
}

pub(crate) fn set_add(set: SetHandle, future: FutureHandle) -> Result<()> {
    let inbox = set.inbox()?;
    future.find()?;
    *inbox.lock().waiting.get_or_make(future.to_raw(), || 0) += 1;
    let listed = callbacks::list(future, CompletionAction::SendResultFile(inbox.clone()));
    if listed.is_err() {
        inbox.forget(future);
    }
    listed
}

/// Takes the next one out that is done; waits for it.
pub(crate) fn set_next(set: SetHandle, timeout_ms: i64) -> Result<FutureHandle> {
    let inbox = set.inbox()?;
    let deadline = Deadline::from_ms(timeout_ms);
    let mut books = inbox.lock();
    loop {
        while let Some(future) = books.ready.pop_front() {
            inbox.show(&books);
            // It may have been freed since.
            if future.find().is_ok() {
                return Ok(future);
            }
        }
        if books.waiting.is_empty() {
            return Err(Status::POOL_ERR_END.into());
        }
        if deadline.has_passed() {
            return Err(Status::POOL_ERR_TIMEOUT.into());
        }
        if wait::may_run_inline() {
            // What is run here is delivered soon by somebody else.
            let waiting = books.waiting.numbers();
            let waiting: Vec<_> = waiting.into_iter().map(FutureHandle::from_raw).collect();
            drop(books);
            wait::run_one_inline(&waiting)?;
            books = inbox.lock();
            if !books.ready.is_empty() {
                continue;
            }
        }
        let woken = deadline.wait_on(&inbox.arrived, books);
        books = woken.unwrap_or_else(|| inbox.lock());
    }
}

/// A descriptor that is readable while there is something to be taken out. The set owns it.
pub(crate) fn set_fd(set: SetHandle) -> Result<i32> {
    let inbox = set.inbox()?;
    let books = inbox.lock();
    if inbox.bell.get().is_none() {
        let bell = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|errno| Error::os("eventfd", errno))?;
        let _ = inbox.bell.set(bell);
    }
    inbox.show(&books);
    Ok(inbox.bell.get().map_or(-1, AsRawFd::as_raw_fd))
}
