//! Closing, joining, shutting down, freeing. The watch does it; this is where callers wait.

use super::inline::Desks;
use super::{Pool, PoolTicket, notice, registry};
use crate::board::Stage;
use crate::error::{Error, Result, Status};
use crate::sync::{Deadline, Ordering::*, fence, plain::AtomicU64};
use crate::watch::limits::Limits;
use crate::watch::site::{Kind, Order, Site, StopMode, gate};
use crate::worker;
use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use std::sync::PoisonError;

/// Whether the pool takes tasks.
pub(crate) fn check(pool: PoolTicket) -> Result<()> {
    pool.pool()?.site.check_gate()
}

/// No new tasks.
pub(crate) fn close(pool: PoolTicket) -> Result<()> {
    shut(&pool.pool()?.site);
    Ok(())
}

fn shut(site: &Site) {
    site.gate.fetch_or(gate::CLOSED, AcqRel);
    // Pairs with the fence of a submit's ring (see `Site::gate`).
    fence(SeqCst);
}

/// Starts workers: so many, or below 0 as many as waiting tasks need; never more than may be.
pub(crate) fn spawn_workers(pool: PoolTicket, count: i64) -> Result<u32> {
    let site = &pool.pool()?.site;
    site.check_gate()?;
    if matches!(site.kind, Kind::Inline) {
        return Ok(0);
    }
    let (answer, answered) = bounded(1);
    if !site.order(Order::Hire(count, answer)) {
        return Err(Status::POOL_ERR_CLOSED.into());
    }
    answered.recv().unwrap_or_else(|_| Err(Status::POOL_ERR_CLOSED.into()))
}

/// Says after how long idle workers leave, those that sleep included.
pub(crate) fn set_idle_time(pool: PoolTicket, idle_ms: i64) -> Result<()> {
    pool.pool()?.region().board.set_idle_time(idle_ms);
    Ok(())
}

/// Changes the limits of tasks that start from now on and bring none of their own.
pub(crate) fn set_limits(pool: PoolTicket, limits: Limits) -> Result<()> {
    let site = &pool.pool()?.site;
    limits.check(&site.kind)?;
    let (answer, answered) = bounded(1);
    if !matches!(site.kind, Kind::Inline) && site.order(Order::SetLimits(limits, answer)) {
        let _ = answered.recv();
    }
    Ok(())
}

/// Waits until what is queued has run and the workers have left.
pub(crate) fn join(pool: PoolTicket, timeout_ms: i64) -> Result<()> {
    let pool = pool.pool()?;
    refuse_own_thread(pool)?;
    if pool.site.gate.load(Acquire) & gate::TERMINATED != 0 {
        return Err(Status::POOL_ERR_CLOSED.into());
    }
    let deadline = Deadline::from_ms(timeout_ms);
    match &pool.desks {
        None => join_workers(&pool.site, deadline),
        Some(desks) => {
            pool.site.check_broken()?;
            // Others may submit meanwhile; they are refused.
            pool.site.gate.fetch_or(gate::JOINING, AcqRel);
            let is_clear = desks.clear(pool, true, deadline);
            pool.site.gate.fetch_and(!gate::JOINING, AcqRel);
            if !is_clear {
                return Err(Status::POOL_ERR_TIMEOUT.into());
            }
            pool.site.check_broken()
        }
    }
}

fn join_workers(site: &Site, deadline: Deadline) -> Result<()> {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    let number = NUMBERS.fetch_add(1, Relaxed);
    let (answer, answered) = bounded(1);
    if !site.order(Order::Join(number, answer)) {
        return Err(Status::POOL_ERR_CLOSED.into());
    }
    match receive(&answered, deadline) {
        Ok(answer) => answer,
        // Shut down meanwhile: everything was run or cancelled, and the workers have left.
        Err(RecvTimeoutError::Disconnected) => Ok(()),
        Err(RecvTimeoutError::Timeout) => {
            let (answer, answered) = bounded(1);
            if site.order(Order::GiveUp(number, answer)) {
                let _ = answered.recv();
            }
            Err(Status::POOL_ERR_TIMEOUT.into())
        }
    }
}

/// Shuts the pool down, or makes a shutdown that is under way stronger.
pub(crate) fn shutdown(pool: PoolTicket, mode: StopMode, timeout_ms: i64) -> Result<()> {
    shutdown_until(pool, mode, Deadline::from_ms(timeout_ms))
}

pub(super) fn shutdown_until(pool: PoolTicket, mode: StopMode, deadline: Deadline) -> Result<()> {
    let pool = pool.pool()?;
    refuse_own_thread(pool)?;
    stop(pool, mode, deadline)
}

/// Order: no task is left, everybody has been told, and then the caller.
fn stop(pool: &Pool, mode: StopMode, deadline: Deadline) -> Result<()> {
    let stopped = match (pool.site.gate.load(Acquire) & gate::TERMINATED, &pool.desks) {
        (0, None) => stop_workers(&pool.site, mode, deadline),
        (0, Some(desks)) => stop_desks(pool, desks, mode, deadline),
        _ => Err(Status::POOL_ERR_CLOSED.into()),
    };
    let is_over = stopped.as_ref().err().is_none_or(|it| it.status == Status::POOL_ERR_CLOSED);
    let finish_calls = || pool.site.outbox.finish(deadline);
    if is_over && !(pool.finish_aides(deadline) && pool.finish_notices(deadline) && finish_calls())
    {
        return Err(Status::POOL_ERR_TIMEOUT.into());
    }
    stopped
}

fn stop_workers(site: &Site, mode: StopMode, deadline: Deadline) -> Result<()> {
    // Nothing that is submitted after this call is taken, however long the watch takes to hear of it.
    shut(site);
    if mode != StopMode::Drain {
        site.gate.fetch_or(gate::STOPPED, AcqRel);
        fence(SeqCst);
        site.take_all_back();
    }
    let (answer, answered) = bounded(1);
    if !site.order(Order::Stop(mode, answer)) {
        return Err(Status::POOL_ERR_CLOSED.into());
    }
    match receive(&answered, deadline) {
        Err(RecvTimeoutError::Timeout) => Err(Status::POOL_ERR_TIMEOUT.into()),
        // The watch ended between our order and its answer: somebody else's stop was done first.
        Ok(()) | Err(RecvTimeoutError::Disconnected) => Ok(()),
    }
}

fn stop_desks(pool: &Pool, desks: &Desks, mode: StopMode, deadline: Deadline) -> Result<()> {
    shut(&pool.site);
    if mode != StopMode::Drain {
        pool.site.gate.fetch_or(gate::STOPPED, AcqRel);
    }
    if mode == StopMode::Kill {
        pool.region().board.set_stage(Stage::Stop);
    }
    if !desks.clear(pool, mode == StopMode::Drain, deadline) {
        return Err(Status::POOL_ERR_TIMEOUT.into());
    }
    match pool.site.gate.fetch_or(gate::TERMINATED, AcqRel) & gate::TERMINATED {
        0 => Ok(()),
        _ => Err(Status::POOL_ERR_CLOSED.into()),
    }
}

fn receive<T>(
    answered: &Receiver<T>,
    deadline: Deadline,
) -> std::result::Result<T, RecvTimeoutError> {
    match deadline {
        Deadline::Never => answered.recv().map_err(|_| RecvTimeoutError::Disconnected),
        Deadline::At(end) => answered.recv_deadline(end),
    }
}

/// Frees the pool, after shutting it down where it is open.
pub(crate) fn free(ticket: PoolTicket) -> Result<()> {
    refuse_own_thread(ticket.pool()?)?;
    end(ticket.close()?, StopMode::Cancel);
    Ok(())
}

/// Stops and frees a pool that has no handle any more.
pub(super) fn end(pool: &'static Pool, mode: StopMode) {
    // Nobody can ask for the list any more.
    pool.site.lists_cancelled.store(false, Relaxed);
    // An error means that it has been shut down before.
    let _ = stop(pool, mode, Deadline::Never);
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
        let held = self.site.ledger.close(self.region());
        registry::settle_up(self.cell, i64::from(held));
    }
}

/// A thread that waited for its own end would wait for ever.
fn refuse_own_thread(pool: &Pool) -> Result<()> {
    if worker::is_at_home(pool.region())
        || notice::is_telling(pool)
        || pool.site.outbox.is_calling()
    {
        let words = "called from a task or a callback of the same pool";
        return Err(Error::new(Status::POOL_ERR_DEADLOCK, words));
    }
    Ok(())
}
