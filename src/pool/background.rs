//! Threads that feed a pool on behalf of a caller that does not wait: background maps.

use super::{Pool, callbacks};
use crate::error::Result;
use crate::sync::{Deadline, Mutex};
use crate::worker;
use std::collections::BTreeSet;
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
    /// The numbers of those that have not done their work, in the order in which they began.
    running: BTreeSet<u64>,
    next_number: u64,
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
        let number = state.next_number;
        let thread = worker::start_own_thread(name, move || {
            callbacks::enter_thread_of(self);
            work();
            self.background.state.lock().running.remove(&number);
            self.background.ended.notify_all();
        })?;
        state.next_number += 1;
        state.running.insert(number);
        state.threads.push(thread);
        Ok(())
    }

    /// Waits until those that have begun before this call have done their work. False: the deadline
    /// has passed.
    pub(super) fn wait_for_background(&self, deadline: Deadline) -> bool {
        let mut state = self.background.state.lock();
        let end = state.next_number;
        while state.running.first().is_some_and(|number| *number < end) {
            match deadline.wait_on(&self.background.ended, state) {
                Some(guard) => state = guard,
                None => return false,
            }
        }
        true
    }

    /// Waits until all have done their work, and joins their threads. No more begin. False: the
    /// deadline has passed.
    pub(super) fn finish_background(&self, deadline: Deadline) -> bool {
        if !self.wait_for_background(deadline) {
            return false;
        }
        let mut state = self.background.state.lock();
        let threads = std::mem::take(&mut state.threads);
        drop(state);
        for thread in threads {
            let _ = thread.join();
        }
        true
    }
}
