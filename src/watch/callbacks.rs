//! Calls of the user's functions, in the order in which they became due. None of the library's other threads makes
//! them: a function that takes its time holds up nobody but those behind it.
//!
//! ```text
//!            push                          run                       finish, when the last job has run
//!   empty ─────────▶ jobs wait ──────────────────────────▶ empty ──────────────────────────────▶ over
//!                       │  by a thread of its own, that `prepare`
//!                       │  starts, or, with a driver of the caller's,
//!                       └─ in the caller's call, and in `finish`
//! ```

use crate::error::{Error, Result, Status};
use crate::sync::Deadline;
use crate::worker;
use rustix::event::EventfdFlags;
use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// A call of a user's function.
pub(crate) type QueuedCall = Box<dyn FnOnce() + Send>;

pub(crate) struct CallbackQueue {
    /// The name of the thread.
    name: String,
    queue: Arc<CallbackQueueShared>,
}

#[derive(Default)]
struct CallbackQueueShared {
    books: Mutex<CallbackQueueState>,
    changed: Condvar,
    /// Readable while jobs wait; only where the caller runs them.
    bell: Option<OwnedFd>,
}

#[derive(Default)]
struct CallbackQueueState {
    jobs: VecDeque<QueuedCall>,
    /// The thread that runs a job.
    runner: Option<ThreadMark>,
    is_ending: bool,
    /// How many threads sleep until something changes.
    sleepers: usize,
    thread: Option<JoinHandle<()>>,
}

/// The address of a thread's own byte, which no other thread that lives has.
#[derive(PartialEq, Eq)]
struct ThreadMark(usize);

impl ThreadMark {
    fn own() -> ThreadMark {
        thread_local!(static BYTE: u8 = const { 0 });
        ThreadMark(BYTE.with(|byte| std::ptr::from_ref(byte).addr()))
    }
}

impl CallbackQueue {
    /// Of a pool of this name. `is_external`: the caller runs the jobs.
    pub(crate) fn new(pool: &str, is_external: bool) -> Result<CallbackQueue> {
        let bell = is_external.then(|| {
            rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
                .map_err(|errno| Error::os("eventfd", errno))
        });
        let queue =
            CallbackQueueShared { bell: bell.transpose()?, ..CallbackQueueShared::default() };
        Ok(CallbackQueue { name: format!("{pool}/calls"), queue: Arc::new(queue) })
    }

    /// Starts the thread, where there is to be one: whoever brings a function first makes sure that it can be
    /// called.
    pub(crate) fn prepare(&self) -> Result<()> {
        let mut books = self.queue.lock();
        if !self.is_external() && books.thread.is_none() {
            let queue = self.queue.clone();
            let run = move || queue.run();
            books.thread = Some(worker::start_own_thread(self.name.clone(), run)?);
        }
        Ok(())
    }

    /// Has this called soon, after all that was pushed before.
    pub(crate) fn push(&self, job: QueuedCall) {
        let mut books = self.queue.lock();
        books.jobs.push_back(job);
        if let Some(bell) = self.queue.bell.as_ref().filter(|_| books.jobs.len() == 1) {
            let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
        }
        self.queue.notify_change(&books);
    }

    /// Whether the caller runs the jobs.
    pub(crate) fn is_external(&self) -> bool {
        self.queue.bell.is_some()
    }

    /// Whether this thread runs a job of this outbox.
    pub(crate) fn is_running_here(&self) -> bool {
        self.queue.lock().runner == Some(ThreadMark::own())
    }

    /// The descriptor that is readable while jobs wait for the caller.
    pub(crate) fn fd(&self) -> Option<i32> {
        self.queue.bell.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Whether jobs wait.
    pub(crate) fn has_pending(&self) -> bool {
        !self.queue.lock().jobs.is_empty()
    }

    /// Runs the jobs that wait now, in this thread; how many. None, while another call runs them.
    pub(crate) fn run_due(&self) -> Result<u32> {
        if !self.is_external() {
            let words = "the pool was not made with POOL_DRIVER_EXTERNAL";
            return Err(Error::new(Status::POOL_ERR_STATE, words));
        }
        let due = self.queue.lock().jobs.len();
        let mut count = 0;
        while (count as usize) < due && self.queue.run_one() {
            count += 1;
        }
        Ok(count)
    }

    /// Waits until the last job has been run, when nobody pushes any more; runs them itself where no thread
    /// does. False: the time is over.
    pub(crate) fn finish(&self, deadline: Deadline) -> bool {
        let mut books = self.queue.lock();
        loop {
            match (&books.runner, books.jobs.is_empty()) {
                (None, true) => break,
                (None, false) if books.thread.is_none() => {
                    drop(books);
                    self.queue.run_one();
                    books = self.queue.lock();
                }
                // Another caller that runs one may leave the rest.
                _ => match self.queue.sleep(books, deadline) {
                    Some(guard) => books = guard,
                    None => return false,
                },
            }
        }
        books.is_ending = true;
        self.queue.notify_change(&books);
        true
    }

    /// The thread, which ends after `finish`.
    pub(crate) fn thread(&self) -> Option<JoinHandle<()>> {
        self.queue.lock().thread.take()
    }
}

/// What was not run is dropped, as the pool was not made after all, or has ended.
impl Drop for CallbackQueue {
    fn drop(&mut self) {
        let mut books = self.queue.lock();
        let jobs = std::mem::take(&mut books.jobs);
        books.is_ending = true;
        self.queue.notify_change(&books);
        // That may call the user.
        drop(books);
        drop(jobs);
    }
}

impl CallbackQueueShared {
    /// The thread's loop.
    fn run(&self) {
        loop {
            while self.run_one() {}
            let books = self.lock();
            match books.jobs.is_empty() {
                true if books.is_ending => return,
                true => drop(self.sleep(books, Deadline::Never)),
                false => {}
            }
        }
    }

    /// Runs the first job. False: there is none, or somebody else runs one, which only a driver of the caller's
    /// can meet.
    fn run_one(&self) -> bool {
        let mut books = self.lock();
        if books.runner.is_some() {
            return false;
        }
        let Some(job) = books.jobs.pop_front() else { return false };
        books.runner = Some(ThreadMark::own());
        if let Some(bell) = self.bell.as_ref().filter(|_| books.jobs.is_empty()) {
            let _ = rustix::io::read(bell, &mut [0; 8]);
        }
        drop(books);
        job();
        let mut books = self.lock();
        books.runner = None;
        self.notify_change(&books);
        true
    }

    fn notify_change(&self, books: &CallbackQueueState) {
        // Waking costs a call of the kernel, also where nobody sleeps.
        if books.sleepers > 0 {
            self.changed.notify_all();
        }
    }

    /// Sleeps until something changes. None: the time is over.
    fn sleep<'a>(
        &'a self,
        mut books: MutexGuard<'a, CallbackQueueState>,
        deadline: Deadline,
    ) -> Option<MutexGuard<'a, CallbackQueueState>> {
        books.sleepers += 1;
        let woken = deadline.wait_on(&self.changed, books);
        let is_over = woken.is_none();
        let mut books = woken.unwrap_or_else(|| self.lock());
        books.sleepers -= 1;
        (!is_over).then_some(books)
    }

    fn lock(&self) -> MutexGuard<'_, CallbackQueueState> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
