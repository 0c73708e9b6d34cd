//! Closing, joining, shutting down, freeing. The watch does it; this is where callers wait.

use super::inline::InlineWorkers;
use super::patience::WaitWithTick;
use super::{Pool, PoolHandle, notice, registry};
use crate::board::Stage;
use crate::error::{Error, Result, Status};
use crate::sync::reply::{ReplyReceiver, ReplyWait, ask};
use crate::sync::{Deadline, Ordering::*, plain::AtomicU64};
use crate::watch::limits::TimeLimits;
use crate::watch::site::{Command, PoolKind, PoolState, StopMode, gate};
use crate::worker;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// How much longer than the grace a terminate waits for threads.
const MARGIN: Duration = Duration::from_millis(250);

/// Whether the pool takes tasks.
pub(crate) fn check(pool: PoolHandle) -> Result<()> {
    pool.pool()?.site.check_gate()
}

/// No new tasks.
pub(crate) fn close(pool: PoolHandle) -> Result<()> {
    let site = &pool.pool()?.site;
    site.shut_for(StopMode::Drain);
    site.rouse_line();
    Ok(())
}

/// Starts workers: so many, or below 0 as many as waiting tasks need; never more than may be.
pub(crate) fn spawn_workers(pool: PoolHandle, count: i64) -> Result<u32> {
    let site = &pool.pool()?.site;
    site.check_gate()?;
    if matches!(site.kind, PoolKind::Inline) {
        return Ok(0);
    }
    let (answer, answered) = ask();
    if !site.order(Command::Hire(count, answer)) {
        return Err(Status::POOL_ERR_CLOSED.into());
    }
    closed_or(answered.hear())
}

/// Says after how long idle workers leave, those that sleep included.
pub(crate) fn set_idle_time(pool: PoolHandle, idle_ms: i64) -> Result<()> {
    pool.pool()?.region().board.set_idle_time(idle_ms);
    Ok(())
}

/// Changes the limits of tasks that start from now on and bring none of their own.
pub(crate) fn set_limits(pool: PoolHandle, limits: TimeLimits) -> Result<()> {
    let site = &pool.pool()?.site;
    limits.check(&site.kind)?;
    let (answer, answered) = ask();
    if !matches!(site.kind, PoolKind::Inline) && site.order(Command::SetLimits(limits, answer)) {
        answered.hear();
    }
    Ok(())
}

/// Waits until what is queued has run and the workers have left.
pub(crate) fn join(pool: PoolHandle, timeout_ms: i64) -> Result<()> {
    let pool = pool.pool()?;
    refuse_own_thread(pool)?;
    if pool.site.gate.load(Acquire) & gate::TERMINATED != 0 {
        return Err(Status::POOL_ERR_CLOSED.into());
    }
    let patience = pool.patience(Deadline::from_ms(timeout_ms));
    match &pool.desks {
        None => join_workers(&pool.site, patience),
        Some(desks) => {
            pool.site.check_broken()?;
            // Others may submit meanwhile; they are refused.
            pool.site.gate.fetch_or(gate::JOINING, AcqRel);
            let is_clear = patience.wait(|until| desks.clear(pool, true, until).then_some(()));
            pool.site.gate.fetch_and(!gate::JOINING, AcqRel);
            if is_clear.is_none() {
                return Err(Status::POOL_ERR_TIMEOUT.into());
            }
            pool.site.check_broken()
        }
    }
}

fn join_workers(site: &PoolState, patience: WaitWithTick<'_>) -> Result<()> {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    let number = NUMBERS.fetch_add(1, Relaxed);
    let (answer, answered) = ask();
    if !site.order(Command::Join(number, answer)) {
        return Err(Status::POOL_ERR_CLOSED.into());
    }
    match receive(&answered, patience) {
        ReplyWait::Answer(answer) => answer.map(drop),
        // Shut down meanwhile: everything was run or cancelled, and the workers have left.
        ReplyWait::Nothing => Ok(()),
        ReplyWait::Late => {
            let (answer, answered) = ask();
            if site.order(Command::GiveUp(number, answer)) {
                answered.hear();
            }
            Err(Status::POOL_ERR_TIMEOUT.into())
        }
    }
}

/// Shuts the pool down, or makes a shutdown that is under way stronger.
pub(crate) fn shutdown(pool: PoolHandle, mode: StopMode, timeout_ms: i64) -> Result<()> {
    let pool = pool.pool()?;
    refuse_own_thread(pool)?;
    stop(pool, mode, pool.patience(Deadline::from_ms(timeout_ms)))
}

/// Shuts the pool down without its tick.
pub(super) fn shutdown_until(pool: PoolHandle, mode: StopMode, deadline: Deadline) -> Result<()> {
    let pool = pool.pool()?;
    refuse_own_thread(pool)?;
    stop(pool, mode, WaitWithTick::until(deadline))
}

/// Stops the pool now; None: with the grace of its options. Threads are waited for a little longer than
/// that, and no more.
pub(crate) fn terminate(pool: PoolHandle, grace: Option<Duration>) -> Result<()> {
    let pool = pool.pool()?;
    refuse_own_thread(pool)?;
    let grace = grace.unwrap_or(pool.site.plan.times.kill_grace);
    let end = Instant::now().checked_add(grace.saturating_add(MARGIN));
    let deadline = match (&pool.site.kind, end) {
        (PoolKind::Threads | PoolKind::Inline, Some(end)) => Deadline::At(end),
        _ => Deadline::Never,
    };
    let mode = if grace.is_zero() { StopMode::Kill } else { StopMode::Terminate(grace) };
    stop(pool, mode, pool.patience(deadline))
}

/// Asks for a stop, without a lock: also from the handler of a signal.
pub(crate) fn request_stop(pool: PoolHandle, mode: StopMode) -> Result<()> {
    let pool = pool.pool()?;
    pool.site.request_stop(mode);
    if pool.desks.is_some() && mode.ends_tasks() {
        pool.region().board.set_stage(Stage::Stop);
    }
    Ok(())
}

/// Order: no task is left, everybody has been told, and then the caller.
fn stop(pool: &Pool, mode: StopMode, patience: WaitWithTick<'_>) -> Result<()> {
    let stopped = match (pool.site.gate.load(Acquire) & gate::TERMINATED, &pool.desks) {
        (0, None) => stop_workers(&pool.site, mode, patience),
        (0, Some(desks)) => stop_desks(pool, desks, mode, patience),
        _ => Err(Status::POOL_ERR_CLOSED.into()),
    };
    let stopped = match stopped {
        Err(error) if error.status == Status::POOL_ERR_TIMEOUT => return Err(error),
        // The first to wait for a stop that was only asked for.
        _ if pool.site.claim_stop_request() => Ok(()),
        stopped => stopped,
    };
    let told = patience.wait(|until| {
        let is_told = pool.finish_aides(until)
            && pool.finish_notices(until)
            && pool.site.outbox.finish(until);
        is_told.then_some(())
    });
    told.ok_or(Status::POOL_ERR_TIMEOUT)?;
    stopped
}

fn stop_workers(site: &PoolState, mode: StopMode, patience: WaitWithTick<'_>) -> Result<()> {
    // Nothing that is submitted after this call is taken, however long the watch takes to hear of it.
    site.shut_for(mode);
    if mode != StopMode::Drain {
        site.take_all_back();
    }
    let (answer, answered) = ask();
    if !site.order(Command::Stop(mode, answer)) {
        return Err(Status::POOL_ERR_CLOSED.into());
    }
    if mode != StopMode::Drain {
        // The watch will say so, too; the workers wake up while it does.
        site.region.board.set_stage(Stage::Stop);
    }
    match receive(&answered, patience) {
        ReplyWait::Late => Err(Status::POOL_ERR_TIMEOUT.into()),
        // The watch ended between our order and its answer: somebody else's stop was done first.
        ReplyWait::Answer(_) | ReplyWait::Nothing => Ok(()),
    }
}

fn stop_desks(
    pool: &Pool,
    desks: &InlineWorkers,
    mode: StopMode,
    patience: WaitWithTick<'_>,
) -> Result<()> {
    pool.site.shut_for(mode);
    if mode.ends_tasks() {
        pool.region().board.set_stage(Stage::Stop);
    }
    let is_draining = mode == StopMode::Drain;
    let clear = patience.wait(|until| desks.clear(pool, is_draining, until).then_some(()));
    clear.ok_or(Status::POOL_ERR_TIMEOUT)?;
    match pool.site.gate.fetch_or(gate::TERMINATED, AcqRel) & gate::TERMINATED {
        0 => Ok(()),
        _ => Err(Status::POOL_ERR_CLOSED.into()),
    }
}

/// Waits for an answer of the watch.
pub(super) fn receive(answered: &ReplyReceiver, patience: WaitWithTick<'_>) -> ReplyWait {
    let found = patience.wait(|until| match answered.wait(until) {
        ReplyWait::Late => None,
        heard => Some(heard),
    });
    found.unwrap_or(ReplyWait::Late)
}

/// The answer; none: the watch is gone, because the pool has been shut down.
pub(super) fn closed_or(heard: Option<Result<u32>>) -> Result<u32> {
    heard.unwrap_or_else(|| Err(Status::POOL_ERR_CLOSED.into()))
}

/// Frees the pool, after shutting it down where it is open.
pub(crate) fn free(ticket: PoolHandle) -> Result<()> {
    refuse_own_thread(ticket.pool()?)?;
    ticket.pool()?.refuse_in_tick()?;
    end(ticket.close()?, StopMode::Cancel);
    Ok(())
}

/// Stops and frees a pool that has no handle any more.
pub(super) fn end(pool: &'static Pool, mode: StopMode) {
    // Nobody can ask for the list any more.
    pool.site.lists_cancelled.store(false, Relaxed);
    // An error means that it has been shut down before.
    let _ = stop(pool, mode, WaitWithTick::until(Deadline::Never));
    let watch = pool.watch.lock().unwrap_or_else(PoisonError::into_inner).take();
    let calls = pool.site.outbox.thread();
    for thread in watch.into_iter().chain(pool.notice_thread()).chain(calls) {
        let _ = thread.join();
    }
    let kept = pool.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
    pool.settle_books();
    drop(kept);
}

impl Pool {
    /// Closes the books when all is done; the last future that is still held frees the pool.
    pub(super) fn settle_books(&self) {
        for hook in &self.hooks {
            self.undo(*hook);
        }
        let held = self.site.slots.close(self.region());
        registry::settle_up(self.cell, i64::from(held));
    }
}

/// A thread that waited for its own end would wait for ever.
fn refuse_own_thread(pool: &Pool) -> Result<()> {
    if worker::is_at_home(pool.region()) || notice::is_working_for(pool) {
        let words = "called from a task or a callback of the same pool";
        return Err(Error::new(Status::POOL_ERR_DEADLOCK, words));
    }
    Ok(())
}
