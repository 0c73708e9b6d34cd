//! Closing, joining, shutting down, freeing. The watch does it; this is where callers wait.

use super::PoolTicket;
use super::registry;
use crate::error::{Error, Result, Status};
use crate::sync::{Deadline, Ordering::*, fence, plain::AtomicU64};
use crate::watch::site::{Order, Site, StopMode, gate};
use crate::worker;
use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use std::sync::PoisonError;

/// Whether the pool takes tasks.
pub(crate) fn check(pool: PoolTicket) -> Result<()> {
    pool.pool()?.site.check_gate()
}

/// No new tasks.
pub(crate) fn close(pool: PoolTicket) -> Result<()> {
    pool.pool()?.site.gate.fetch_or(gate::CLOSED, AcqRel);
    // Pairs with the fence of a submit's ring (see `Site::gate`).
    fence(SeqCst);
    Ok(())
}

/// Waits until what is queued has run and the workers have left.
pub(crate) fn join(pool: PoolTicket, timeout_ms: i64) -> Result<()> {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    let site = &pool.pool()?.site;
    refuse_own_worker(site)?;
    if site.gate.load(Acquire) & gate::TERMINATED != 0 {
        return Err(Status::POOL_ERR_CLOSED.into());
    }
    let number = NUMBERS.fetch_add(1, Relaxed);
    let (answer, answered) = bounded(1);
    if !site.order(Order::Join(number, answer)) {
        return Err(Status::POOL_ERR_CLOSED.into());
    }
    match receive(&answered, Deadline::from_ms(timeout_ms)) {
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
    let site = &pool.pool()?.site;
    refuse_own_worker(site)?;
    stop(site, mode, Deadline::from_ms(timeout_ms))
}

fn stop(site: &Site, mode: StopMode, deadline: Deadline) -> Result<()> {
    if site.gate.load(Acquire) & gate::TERMINATED != 0 {
        return Err(Status::POOL_ERR_CLOSED.into());
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
    refuse_own_worker(&ticket.pool()?.site)?;
    let pool = ticket.close()?;
    // An error means that it has been shut down before.
    let _ = stop(&pool.site, StopMode::Cancel, Deadline::Never);
    let watch = pool.watch.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(watch) = watch {
        let _ = watch.join();
    }
    let held = pool.site.ledger.close(&pool.site.region);
    registry::settle_up(pool.cell, i64::from(held));
    Ok(())
}

/// A worker thread that waited for its own end would wait for ever.
fn refuse_own_worker(site: &Site) -> Result<()> {
    match worker::is_at_home(&site.region) {
        true => Err(Error::new(Status::POOL_ERR_DEADLOCK, "called from a task of the same pool")),
        false => Ok(()),
    }
}
