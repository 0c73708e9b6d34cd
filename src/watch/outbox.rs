//! Calls of the user's functions, in the order in which they became due: nobody of the library's other threads
//! makes them.
//!
//! ```text
//!            push                   the thread            finish, and the last job has run
//!   silent ────────▶ a thread runs ◀──────────▶ sleeps ──────────────────────────────────▶ over
//! ```

use crate::sync::Deadline;
use crate::worker;
use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// A call of a user's function.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

pub(crate) struct Outbox {
    /// The name of the thread.
    name: String,
    queue: Arc<Queue>,
}

#[derive(Default)]
struct Queue {
    books: Mutex<Books>,
    changed: Condvar,
}

#[derive(Default)]
struct Books {
    jobs: VecDeque<Job>,
    is_running: bool,
    is_ending: bool,
    thread: Option<JoinHandle<()>>,
}

thread_local! {
    /// The queue whose jobs this thread runs, by its address; or 0.
    static CALLING: Cell<usize> = const { Cell::new(0) };
}

impl Outbox {
    pub(crate) fn new(pool: &str) -> Outbox {
        Outbox { name: format!("{pool}/calls"), queue: Arc::default() }
    }

    /// Has this called soon, after all that was pushed before.
    pub(crate) fn push(&self, job: Job) {
        let mut books = self.queue.lock();
        books.jobs.push_back(job);
        if books.thread.is_none() {
            let queue = self.queue.clone();
            // Where no thread can be had, the next push tries again, and `finish` calls what is left.
            books.thread = worker::start_own_thread(self.name.clone(), move || queue.run()).ok();
        }
        self.queue.changed.notify_all();
    }

    /// Whether this thread runs jobs of this outbox.
    pub(crate) fn is_calling(&self) -> bool {
        CALLING.get() == Arc::as_ptr(&self.queue).addr()
    }

    /// Waits until the last job has been run, when nobody pushes any more. False: the time is over.
    pub(crate) fn finish(&self, deadline: Deadline) -> bool {
        let mut books = self.queue.lock();
        if books.thread.is_none() {
            while let Some(job) = books.jobs.pop_front() {
                drop(books);
                job();
                books = self.queue.lock();
            }
        }
        while !books.jobs.is_empty() || books.is_running {
            match deadline.wait_on(&self.queue.changed, books) {
                Some(guard) => books = guard,
                None => return false,
            }
        }
        books.is_ending = true;
        self.queue.changed.notify_all();
        true
    }

    /// The thread, which ends after `finish`.
    pub(crate) fn thread(&self) -> Option<JoinHandle<()>> {
        self.queue.lock().thread.take()
    }
}

impl Queue {
    fn run(&self) {
        CALLING.set(std::ptr::from_ref(self).addr());
        let mut books = self.lock();
        loop {
            if let Some(job) = books.jobs.pop_front() {
                books.is_running = true;
                drop(books);
                job();
                books = self.lock();
                books.is_running = false;
                self.changed.notify_all();
            } else if books.is_ending {
                return;
            } else {
                books = self.changed.wait(books).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
