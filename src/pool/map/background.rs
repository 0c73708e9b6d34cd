//! Threads that feed a pool for somebody who does not wait: they count as its tasks do.

use crate::sync::{Mutex, MutexGuard};
use crate::pool::{Pool, callbacks};
use crate::error::Result;
use crate::sync::Deadline;
use crate::worker;
use std::sync::Condvar;
use std::thread::JoinHandle;

#[derive(Default)]
pub(super) struct BackgroundThreads {
    state: Mutex<BackgroundState>,
    ended: Condvar,
}

#[derive(Default)]
struct BackgroundState {
    threads: Vec<JoinHandle<()>>,
    running: usize,
}

impl Pool {
    /// Does the work in a thread of its own. Here and now where the pool has none, and in its own tasks:
    /// these can help with what they wait for, and the thread could not.
    pub(super) fn run_in_background(
        &'static self,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<()> {
        if self.executor_slots.is_some() || worker::is_worker_of(self.region()) {
            work();
            return Ok(());
        }
        let mut state = self.background.lock();
        state.threads.retain(|thread| !thread.is_finished());
        let thread = worker::start_own_thread(format!("{}/map", self.state.name), move || {
            callbacks::enter_thread_of(self);
            work();
            self.background.lock().running -= 1;
            self.background.ended.notify_all();
        })?;
        state.running += 1;
        state.threads.push(thread);
        Ok(())
    }

    /// Waits until all have done their work. False: the time is over.
    pub(super) fn finish_background(&self, deadline: Deadline) -> bool {
        let mut state = self.background.lock();
        while state.running > 0 {
            match deadline.wait_on(&self.background.ended, state) {
                Some(guard) => state = guard,
                None => return false,
            }
        }
        let threads = std::mem::take(&mut state.threads);
        drop(state);
        for thread in threads {
            let _ = thread.join();
        }
        true
    }
}

impl BackgroundThreads {
    fn lock(&self) -> MutexGuard<'_, BackgroundState> {
        self.state.lock()
    }
}
