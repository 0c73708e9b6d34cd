//! Threads that feed a pool for somebody who does not wait: they count as its tasks do.

use super::{Pool, notice};
use crate::error::Result;
use crate::sync::Deadline;
use crate::worker;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

#[derive(Default)]
pub(super) struct BackgroundThreads {
    book: Mutex<BackgroundState>,
    ended: Condvar,
}

#[derive(Default)]
struct BackgroundState {
    threads: Vec<JoinHandle<()>>,
    at_work: usize,
}

impl Pool {
    /// Does the work in a thread of its own. Here and now where the pool has none, and in its own tasks:
    /// these can help with what they wait for, and the thread could not.
    pub(super) fn start_aide(&'static self, work: impl FnOnce() + Send + 'static) -> Result<()> {
        if self.desks.is_some() || worker::is_at_home(self.region()) {
            work();
            return Ok(());
        }
        let mut book = self.aides.lock();
        book.threads.retain(|thread| !thread.is_finished());
        let thread = worker::start_own_thread(format!("{}/map", self.site.name), move || {
            notice::work_for(self);
            work();
            self.aides.lock().at_work -= 1;
            self.aides.ended.notify_all();
        })?;
        book.at_work += 1;
        book.threads.push(thread);
        Ok(())
    }

    /// Waits until all have done their work. False: the time is over.
    pub(super) fn finish_aides(&self, deadline: Deadline) -> bool {
        let mut book = self.aides.lock();
        while book.at_work > 0 {
            match deadline.wait_on(&self.aides.ended, book) {
                Some(guard) => book = guard,
                None => return false,
            }
        }
        let threads = std::mem::take(&mut book.threads);
        drop(book);
        for thread in threads {
            let _ = thread.join();
        }
        true
    }
}

impl BackgroundThreads {
    fn lock(&self) -> MutexGuard<'_, BackgroundState> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
