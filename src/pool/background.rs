//! Threads that feed a pool on behalf of a caller that does not wait: background maps.

use super::{Pool, callbacks};
use crate::error::Result;
use crate::sync::{Deadline, Mutex};
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
    /// Does the work in a thread of its own. In an inline pool, and in a task of the pool, it does
    /// the work here and now: a task can run what it waits for, which the thread could not.
    pub(super) fn run_in_background(
        &'static self,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<()> {
        if self.executor.inline().is_some() || worker::is_worker_of(self.region()) {
            work();
            return Ok(());
        }
        let mut state = self.background.state.lock();
        state.threads.retain(|thread| !thread.is_finished());
        let name = format!("{}/map", self.state.config.name);
        let thread = worker::start_own_thread(name, move || {
            callbacks::enter_thread_of(self);
            work();
            self.background.state.lock().running -= 1;
            self.background.ended.notify_all();
        })?;
        state.running += 1;
        state.threads.push(thread);
        Ok(())
    }

    /// Waits until all have done their work. False: the deadline has passed.
    pub(super) fn finish_background(&self, deadline: Deadline) -> bool {
        let mut state = self.background.state.lock();
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
