//! More workers, fewer, new ones: what the watch does when it is asked to, and who waits for it.
//!
//! A worker that is to go is told so at the board ([`crate::board::leave`]), goes between two tasks, and is
//! reaped like any other. One that is to be replaced leaves a gap that is filled at once; those that are to
//! be fewer do not, because there may be no more than so many.

use super::Supervisor;
use super::post::{WayOut, WorkerHandle};
use super::site::{Plan, PoolKind, PoolState, RestartMode, ShrinkMode};
use crate::board::Stage;
use crate::board::slot::SeatIndex;
use crate::error::{Error, Result, Status};
use crate::sync::Ordering::*;
use crate::sync::plain::AtomicU32;
use crate::sync::reply::ReplySender;
use crate::worker::WorkerConfig;
use crate::worker::wire::Leave;

/// How many workers there are to be at least and at most, now. The watch changes it; submitters read it.
pub(super) struct WorkerBounds {
    least: AtomicU32,
    most: AtomicU32,
}

impl WorkerBounds {
    pub(super) fn new(plan: &Plan) -> WorkerBounds {
        let (least, most) = (AtomicU32::new(plan.workers_min), AtomicU32::new(plan.workers_max));
        WorkerBounds { least, most }
    }
}

impl PoolState {
    pub(crate) fn workers_min(&self) -> u32 {
        self.size.least.load(Relaxed)
    }

    #[inline]
    pub(crate) fn workers_max(&self) -> u32 {
        self.size.most.load(Relaxed)
    }

    fn set_most(&self, most: u32) {
        self.size.most.store(most, Relaxed);
        self.size.least.fetch_min(most, Relaxed);
    }

    /// What a worker lives by that starts now.
    pub(super) fn present_terms(&self) -> WorkerConfig {
        WorkerConfig { keep: self.workers_min(), ..self.terms }
    }

    /// Whether the worker of this seat has begun no task that it has not ended.
    fn is_idle(&self, seat: usize) -> bool {
        let seat = self.region.board.seats().at(seat);
        let claimed = seat.claimed.load(Acquire);
        seat.ended.load(Relaxed) >= claimed
    }
}

/// Somebody who waits until so many workers are up at once.
pub(super) struct ReadyWaiter {
    number: u64,
    count: u32,
    /// Workers that came up and left since then because they had nothing to do: they count.
    idled: u32,
    answer: ReplySender,
}

impl Supervisor {
    // ---- who waits -----------------------------------------------------------------------------

    pub(super) fn await_ready(&mut self, number: u64, count: u32, answer: ReplySender) {
        self.waiters.push(ReadyWaiter { number, count, idled: 0, answer });
        self.hire();
    }

    pub(super) fn await_no_longer(&mut self, number: u64) {
        self.answer_waiters();
        for waiter in self.waiters.extract_if(.., |waiter| waiter.number == number) {
            waiter.answer.tell(Err(Status::POOL_ERR_TIMEOUT.into()));
        }
    }

    pub(super) fn note_idled(&mut self) {
        self.waiters.iter_mut().for_each(|waiter| waiter.idled += 1);
    }

    /// How many workers somebody waits for.
    pub(super) fn awaited(&self) -> u32 {
        let missing = self.waiters.iter().map(|it| it.count.saturating_sub(it.idled));
        missing.max().unwrap_or(0)
    }

    /// Answers those who wait for workers that are up, or that never will be.
    pub(super) fn answer_waiters(&mut self) {
        if self.waiters.is_empty() {
            return;
        }
        let is_ready = |post: &WorkerHandle| post.is_up && !post.is_old && post.order.is_none();
        let up = self.crew.count_if(is_ready) as u32;
        let is_over = self.stop.is_some() || self.stage != Stage::Open;
        let site = &self.site;
        self.waiters.retain(|waiter| {
            let answer = match site.why_broken.get() {
                Some(note) => Err(Error::with_detail(note.status, note.detail.clone())),
                None if is_over => Err(Status::POOL_ERR_CLOSED.into()),
                None if up + waiter.idled >= waiter.count => Ok(()),
                None => return true,
            };
            waiter.answer.tell(answer);
            false
        });
    }

    // ---- more and fewer ------------------------------------------------------------------------

    /// Why nothing is changed any more, if so.
    fn check_open(&self) -> Result<()> {
        self.site.check_gate()?;
        match self.stage {
            Stage::Open => Ok(()),
            _ => Err(Status::POOL_ERR_CLOSED.into()),
        }
    }

    /// All or nothing.
    pub(super) fn grow(&mut self, count: u32) -> Result<()> {
        self.check_open()?;
        let before = self.site.workers_max();
        let most = before.saturating_add(count);
        if most as usize > self.site.region.geometry.seats {
            let words = "address space is limited: the pool has no room for so many workers";
            return Err(Error::new(Status::POOL_ERR_FULL, words));
        }
        let mut started = Vec::new();
        for _ in 0..count {
            match self.start_one() {
                Ok(seat) => started.push(seat),
                Err(error) => {
                    started.into_iter().for_each(|seat| self.tell_to_leave(seat, WayOut::Shrunk));
                    return Err(error);
                }
            }
        }
        self.site.set_most(most);
        Ok(())
    }

    pub(super) fn shrink(&mut self, count: u32, mode: ShrinkMode) -> Result<()> {
        self.check_open()?;
        let most = self.site.workers_max().saturating_sub(count);
        if most == 0 {
            return Err(Error::new(Status::POOL_ERR_INVALID, "n: one worker must be left"));
        }
        let excess = self.staying().saturating_sub(most) as usize;
        let mut idle = self.seats_if(|post| post.order != Some(WayOut::Shrunk));
        idle.retain(|seat| self.site.is_idle(*seat));
        if mode == ShrinkMode::Idle && idle.len() < excess {
            return Err(Error::new(Status::POOL_ERR_STATE, "too few workers are idle"));
        }
        self.site.set_most(most);
        // The highest places first: those that are left stay close together.
        for seat in idle.into_iter().rev().take(excess) {
            self.tell_to_leave(seat, WayOut::Shrunk);
        }
        // For the rest: whoever is the first to run nothing.
        self.keep_size();
        Ok(())
    }

    /// How many workers there will be when those have left that are about to.
    fn staying(&self) -> u32 {
        let taken = self.site.region.board.retire_quota().taken;
        let about_to = taken.wrapping_sub(self.takers_gone) as i32;
        let ordered = self.crew.count_if(|post| post.order == Some(WayOut::Shrunk)) as u32;
        let leaving = ordered.saturating_add(u32::try_from(about_to).unwrap_or(0));
        (self.crew.count() as u32).saturating_sub(leaving)
    }

    /// Asks so many workers to leave as there are too many, and no more: some may have left for a reason of
    /// their own.
    pub(super) fn keep_size(&mut self) {
        let board = &self.site.region.board;
        if self.crew.count() <= self.site.workers_max() as usize {
            // What a worker gone astray may have written there ends here.
            self.takers_gone = board.retire_quota().taken;
        }
        loop {
            let excess = self.staying().saturating_sub(self.site.workers_max());
            let seen = board.retire_quota();
            if seen.requested == excess || board.request_retire(seen, excess) {
                return;
            }
        }
    }

    fn tell_to_leave(&mut self, seat: usize, why: WayOut) {
        if let Some(Some(post)) = self.crew.posts.get_mut(seat) {
            (post.order, post.is_old) = (Some(why), false);
            self.site.region.board.retire_seat(SeatIndex(seat as u16));
        }
    }

    fn seats_if(&self, counts: impl Fn(&WorkerHandle) -> bool) -> Vec<usize> {
        let posts = self.crew.posts.iter().enumerate();
        let found = posts.filter(|(_, post)| post.as_ref().is_some_and(&counts));
        found.map(|(seat, _)| seat).collect()
    }

    /// The worker of this seat is gone.
    pub(super) fn note_gone(&mut self, seat: usize, post: &mut WorkerHandle) {
        if self.site.region.board.took_quota(SeatIndex(seat as u16)) {
            self.takers_gone = self.takers_gone.wrapping_add(1);
            post.order = Some(WayOut::Shrunk);
        }
    }

    /// A worker has left in peace.
    pub(super) fn note_left(&mut self, post: &WorkerHandle) {
        match (post.order, post.bye) {
            (Some(WayOut::Restarted), _) => self.lost += 1,
            (_, Some(Leave::Idle)) => self.note_idled(),
            _ => {}
        }
    }

    // ---- new ones ------------------------------------------------------------------------------

    pub(super) fn restart(&mut self, mode: RestartMode) -> Result<()> {
        self.check_open()?;
        let is_killing =
            mode == RestartMode::Now && matches!(self.site.kind, PoolKind::Processes(_));
        self.crew.hear_all(&self.site);
        for post in self.crew.posts.iter_mut().flatten().filter(|post| post.order.is_none()) {
            if is_killing && post.is_process() {
                (post.order, post.is_old) = (Some(WayOut::Killed), false);
            } else {
                post.is_old = true;
            }
        }
        self.crew.kill(|post| post.order == Some(WayOut::Killed));
        Ok(())
    }

    /// Tells those to leave that are to be replaced, some at a time: of all workers half are there, or one
    /// where there is no more than one besides.
    pub(super) fn renew(&mut self) {
        let old = self.seats_if(|post| post.is_old);
        if old.is_empty() {
            return;
        }
        let away =
            self.crew.count_if(|post| post.order.is_some() || !post.is_up) as u32 + self.lost;
        let all = self.crew.count() as u32 + self.lost;
        let may_go = (all / 2).max(1).saturating_sub(away) as usize;
        // Who runs nothing first: it is soon back.
        let (idle, busy): (Vec<_>, Vec<_>) =
            old.into_iter().partition(|seat| self.site.is_idle(*seat));
        for seat in idle.into_iter().chain(busy).take(may_go) {
            self.tell_to_leave(seat, WayOut::Restarted);
        }
    }
}
