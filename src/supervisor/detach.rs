//! How a pool ends whose descriptors the program has closed, as daemons do: without them.
//!
//! The supervisor notices that when its own event is closed, or at the next command. Its poll keeps
//! the event open, and so ends when the program closes the event's writer. But a poll that begins
//! just then has the program's files: so the first one after each activity is short. The pool breaks.
//! Its threads and processes end by themselves, and it looks at intervals whether they have. It opens
//! nothing at first, as the program may count on the numbers of what it opens now. A process that has
//! not ended in time, because a child of the program has its channel, gets a new pidfd and is killed.

use super::Supervisor;
use super::worker_handle::{WorkerHandle, WorkerProcess};
use super::workers::EventSource;
use crate::board::parent::side_table::TaskFailure;
use crate::error::{Detail, Status};
use crate::worker::spawn::EXIT_TIMEOUT_WHEN_LOST;
use rustix::event::epoll;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Whether the supervisor does without descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detached {
    No,
    /// Its processes end by themselves.
    Since(Instant),
    /// They were killed.
    Killed,
}

/// How often a detached supervisor looks around.
const PAUSE: Duration = Duration::from_millis(10);

impl Supervisor {
    /// Whether the descriptors that wake this thread are still the pool's own. Only our epoll knows
    /// our event.
    pub(super) fn owns_wakeup(&self) -> bool {
        let data = EventSource::Wakeup.to_data();
        self.state.wakeup().is_none_or(|wakeup| {
            let modify = |epoll| epoll::modify(epoll, wakeup.reader(), data, epoll::EventFlags::IN);
            wakeup.is_ours() && self.workers.epoll.own().and_then(modify).is_ok()
        })
    }

    /// Detaches if descriptors of workers are not the pool's own any more.
    pub(super) fn check_descriptors(&mut self) {
        let owns_all = || {
            self.workers.iter().all(WorkerHandle::owns_descriptors)
                && self.workers.fork_servers.own_descriptors()
        };
        if self.detached == Detached::No && !owns_all() {
            self.detach();
        }
    }

    /// Goes on without descriptors.
    pub(super) fn detach(&mut self) {
        if self.detached != Detached::No {
            return;
        }
        self.detached = Detached::Since(Instant::now());
        // Nothing tells an epoll of the program's from ours.
        self.workers.epoll.disown();
        let message = "the program has closed descriptors of the pool, as closefrom does";
        let detail = Detail { message: message.to_owned(), ..Detail::default() };
        self.break_pool(TaskFailure { status: Status::POOL_ERR_BROKEN, detail });
        // Nobody says any more that they were started. Those exit with their fork server.
        let is_awaited = |it: &WorkerHandle| matches!(it.process, WorkerProcess::Awaited { .. });
        let awaited: Vec<usize> = self.workers.seats_if(is_awaited).collect();
        for seat in awaited {
            self.workers.vacate_seat(&self.state, seat);
        }
        self.workers.kill(|_| true);
        self.update_worker_count();
    }

    /// What may have happened since a detached supervisor looked last.
    pub(super) fn wait_detached(&mut self) -> Vec<EventSource> {
        std::thread::sleep(PAUSE);
        if let Detached::Since(at) = self.detached
            && at.elapsed() >= EXIT_TIMEOUT_WHEN_LOST
        {
            self.detached = Detached::Killed;
            self.workers.iter_mut().for_each(WorkerHandle::renew_handle);
            self.workers.kill(|_| true);
            self.workers.fork_servers.kill_all();
        }
        let exited = self.workers.seats_if(|worker| match &worker.process {
            WorkerProcess::Thread(thread) => thread.as_ref().is_none_or(JoinHandle::is_finished),
            WorkerProcess::Awaited { .. } => false,
            WorkerProcess::Process(process) => process.has_exited(),
        });
        exited.map(EventSource::Exit).chain([EventSource::Wakeup]).collect()
    }
}
