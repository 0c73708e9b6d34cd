//! Workers that are forked: awaited, then born and admitted, or given up.

use super::Supervisor;
use super::events::WorkerEventKind;
use super::exit_status::kill;
use super::fork_servers::{ForkEvent, OrphanedRequests};
use super::handle::{WorkerHandle, WorkerKind};
use super::state::{PoolKind, PoolState};
use super::workers::{EventSource, WorkerSet};
use crate::board::Stage;
use crate::board::slot::SeatIndex;
use crate::error::{Error, Result, Status};
use crate::worker::start::{self, WorkerStart};
use rustix::event::epoll;
use rustix::process::Pid;
use std::os::fd::OwnedFd;
use std::time::Duration;

impl Supervisor {
    /// A template has said something, or is gone.
    pub(super) fn on_fork_server_event(&mut self, id: u64) {
        let failures = self.workers.on_fork_server_event(&self.state, id);
        self.update_worker_count();
        for (error, waited) in failures {
            // Who is told to stop has killed those who were still awaited.
            if self.stage != Stage::Stop {
                self.start_failed(error, waited);
            }
        }
    }
}

impl WorkerSet {
    /// A template has said something, or is gone. Answers what has failed, and how long that was waited
    /// for.
    pub(super) fn on_fork_server_event(
        &mut self,
        state: &PoolState,
        id: u64,
    ) -> Vec<(Error, Duration)> {
        let mut failures = Vec::new();
        for news in self.fork_servers.receive(&self.epoll, id) {
            match news {
                ForkEvent::Forked { seat, pid, handle } => {
                    if let Err(error) = self.on_worker_forked(state, seat, id, pid, handle) {
                        self.vacate_seat(state, seat);
                        failures.push((error, Duration::ZERO));
                    }
                }
                ForkEvent::Failed { seat, error } => {
                    self.vacate_seat(state, seat);
                    failures.push((error, Duration::ZERO));
                }
            }
        }
        let orphaned = self.fork_servers.on_exit(&self.epoll, id);
        if let Some(OrphanedRequests { seats, error }) = orphaned {
            let mut waited = Duration::ZERO;
            for seat in seats {
                let worker = self.handles.get(seat).and_then(Option::as_ref);
                let is_late = worker.is_some_and(|worker| worker.overran.is_some());
                let time = state.plan.times.start.filter(|_| is_late);
                waited = waited.max(time.unwrap_or_default());
                self.vacate_seat(state, seat);
            }
            let error = error.map(|error| if waited.is_zero() { error } else { was_late(waited) });
            failures.extend(error.map(|error| (error, waited)));
        }
        failures
    }

    /// A worker was forked: it may begin.
    fn on_worker_forked(
        &mut self,
        state: &PoolState,
        seat: usize,
        id: u64,
        pid: Pid,
        handle: OwnedFd,
    ) -> Result<()> {
        let worker = self.handles.get_mut(seat).and_then(Option::as_mut);
        let Some(WorkerHandle {
            worker: worker @ WorkerKind::Awaited { .. }, channel, number, ..
        }) = worker
        else {
            return Ok(());
        };
        let listened = epoll::add(
            &self.epoll,
            &handle,
            EventSource::Handle(seat).to_data(),
            epoll::EventFlags::IN,
        );
        if let Err(errno) = listened {
            // Its line will close.
            return Err(Error::os("epoll_ctl", errno));
        }
        // Before it can claim any task.
        let number_of_process = i64::from(pid.as_raw_nonzero().get());
        state.worker_table.change(seat, |info| info.pid = number_of_process);
        let is_kill_pending = matches!(worker, WorkerKind::Awaited { is_kill_pending: true });
        let (name, region, worker_config) = (&state.name, &state.region, state.worker_config_now());
        let place = WorkerStart { name, region, seat: SeatIndex(seat as u16), worker_config };
        // If it cannot be welcomed it is gone, and its handle will tell.
        match &state.kind {
            PoolKind::Processes(config) if !is_kill_pending => {
                let _ = start::send_init(&place, config, channel);
            }
            _ => kill(pid, &handle),
        }
        *worker = WorkerKind::Process { pid, handle, fork_server: Some(id) };
        state.worker_started(WorkerEventKind::Starting, seat, *number, number_of_process);
        Ok(())
    }

    /// Vacates the seat of a worker that was awaited in vain. It has not begun.
    fn vacate_seat(&mut self, state: &PoolState, seat: usize) {
        if let Some(worker) = self.handles.get_mut(seat).and_then(Option::take) {
            let _ = epoll::delete(&self.epoll, &worker.channel);
            state.worker_table.left(seat);
        }
    }

    /// Lets templates go that make no more workers, and have none.
    pub(super) fn remove_retired(&mut self) {
        let handles = &self.handles;
        let has = |id| handles.iter().flatten().any(|worker| worker.is_forked_from(id));
        self.fork_servers.remove_retired(&self.epoll, has);
    }

    /// Lets the templates go; there is no worker.
    pub(crate) fn close_fork_servers(&mut self) {
        self.fork_servers.close(&self.epoll);
    }
}

fn was_late(waited: Duration) -> Error {
    let ms = waited.as_millis() as u64;
    let words = format!(
        "the process that workers are forked from was not ready within start_timeout_ms ({ms} ms), and was killed"
    );
    Error::new(Status::POOL_ERR_OS, words)
}
