//! Workers that are forked: awaited, then born and admitted, or given up.

use super::Supervisor;
use super::crew::{EventSource, WorkerSet};
use super::ends::kill;
use super::news::WorkerEventKind;
use super::nursery::{ForkEvent, OrphanedRequests};
use super::post::{WorkerHandle, WorkerKind};
use super::site::{PoolKind, PoolState};
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
    pub(super) fn tend(&mut self, id: u64) {
        let failures = self.crew.tend(&self.site, id);
        self.count();
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
    pub(super) fn tend(&mut self, site: &PoolState, id: u64) -> Vec<(Error, Duration)> {
        let mut failures = Vec::new();
        for news in self.nursery.hear(&self.epoll, id) {
            match news {
                ForkEvent::Born { seat, pid, handle } => {
                    if let Err(error) = self.admit(site, seat, id, pid, handle) {
                        self.give_up(site, seat);
                        failures.push((error, Duration::ZERO));
                    }
                }
                ForkEvent::Failed { seat, error } => {
                    self.give_up(site, seat);
                    failures.push((error, Duration::ZERO));
                }
            }
        }
        let legacy = self.nursery.bury(&self.epoll, id);
        if let Some(OrphanedRequests { seats, error }) = legacy {
            let mut waited = Duration::ZERO;
            for seat in seats {
                let post = self.posts.get(seat).and_then(Option::as_ref);
                let is_late = post.is_some_and(|post| post.overran.is_some());
                let time = site.plan.times.start.filter(|_| is_late);
                waited = waited.max(time.unwrap_or_default());
                self.give_up(site, seat);
            }
            let error = error.map(|error| if waited.is_zero() { error } else { was_late(waited) });
            failures.extend(error.map(|error| (error, waited)));
        }
        failures
    }

    /// A worker was forked: it may begin.
    fn admit(
        &mut self,
        site: &PoolState,
        seat: usize,
        id: u64,
        pid: Pid,
        handle: OwnedFd,
    ) -> Result<()> {
        let post = self.posts.get_mut(seat).and_then(Option::as_mut);
        let Some(WorkerHandle {
            worker: worker @ WorkerKind::Awaited { .. }, line, number, ..
        }) = post
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
        site.staff.change(seat, |member| member.pid = number_of_process);
        let is_kill_pending = matches!(worker, WorkerKind::Awaited { is_kill_pending: true });
        let (name, region, terms) = (&site.name, &site.region, site.present_terms());
        let place = WorkerStart { name, region, seat: SeatIndex(seat as u16), terms };
        // If it cannot be welcomed it is gone, and its handle will tell.
        match &site.kind {
            PoolKind::Processes(recipe) if !is_kill_pending => {
                let _ = start::welcome(&place, recipe, line);
            }
            _ => kill(pid, &handle),
        }
        *worker = WorkerKind::Process { pid, handle, template: Some(id) };
        site.tell_arrival(WorkerEventKind::Starting, seat, *number, number_of_process);
        Ok(())
    }

    /// Vacates the seat of a worker that was awaited in vain. It has not begun.
    fn give_up(&mut self, site: &PoolState, seat: usize) {
        if let Some(post) = self.posts.get_mut(seat).and_then(Option::take) {
            let _ = epoll::delete(&self.epoll, &post.line);
            site.staff.left(seat);
        }
    }

    /// Lets templates go that make no more workers, and have none.
    pub(super) fn dismiss_retired(&mut self) {
        let posts = &self.posts;
        let has = |id| posts.iter().flatten().any(|post| post.is_forked_from(id));
        self.nursery.dismiss_retired(&self.epoll, has);
    }

    /// Lets the templates go; there is no worker.
    pub(crate) fn close_nursery(&mut self) {
        self.nursery.close(&self.epoll);
    }
}

fn was_late(waited: Duration) -> Error {
    let ms = waited.as_millis() as u64;
    let words = format!(
        "the process that workers are forked from was not ready within start_timeout_ms ({ms} ms), and was killed"
    );
    Error::new(Status::POOL_ERR_OS, words)
}
