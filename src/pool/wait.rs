//! Waiting for one future, or for several of any pools.

use super::Pool;
use super::future::{State, state};
use super::registry::FutureTicket;
use crate::board::ledger::Ticket;
use crate::board::slot::{Phase, Waited};
use crate::error::{Result, Status};
use crate::sync::{self, Deadline, Ordering::*, Sleeper};

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitMode {
    All,
    First,
    FirstError,
}

impl WaitMode {
    /// From the C API's number.
    pub(crate) fn from_number(number: i32) -> Option<WaitMode> {
        let modes = [WaitMode::All, WaitMode::First, WaitMode::FirstError];
        modes.get(usize::try_from(number).ok()?).copied()
    }
}

/// Waits until the task is done in any way.
pub(crate) fn wait(future: FutureTicket, timeout_ms: i64) -> Result<()> {
    let (pool, ticket) = future.find()?;
    if is_done(pool, ticket) {
        return Ok(());
    }
    wait_until(pool, ticket, Deadline::from_ms(timeout_ms))
}

pub(super) fn is_done(pool: &Pool, ticket: Ticket) -> bool {
    pool.region().board.slot(ticket.slot).word.phase().is_done()
}

fn wait_until(pool: &Pool, ticket: Ticket, deadline: Deadline) -> Result<()> {
    let board = &pool.region().board;
    let word = &board.slot(ticket.slot).word;
    let nudge = |phase| {
        if phase == Phase::Ready {
            board.bell.wake_one();
        }
    };
    match word.wait(ticket.generation, board.scope(), deadline, nudge) {
        Waited::Done => Ok(()),
        Waited::TimedOut => Err(Status::POOL_ERR_TIMEOUT.into()),
        Waited::Gone => Err(Status::POOL_ERR_INVALID.into()),
    }
}

type Found = (&'static Pool, Ticket);

/// Waits for several futures; `n_done` becomes the number of those that are done.
pub(crate) fn wait_many(
    futures: &[u64],
    mode: WaitMode,
    timeout_ms: i64,
    n_done: &mut usize,
) -> Result<()> {
    let futures: Vec<Found> =
        futures.iter().map(|raw| FutureTicket::from_raw(*raw).find()).collect::<Result<_>>()?;
    let deadline = Deadline::from_ms(timeout_ms);
    let waited = match mode {
        WaitMode::All => {
            futures.iter().try_for_each(|(pool, ticket)| wait_until(pool, *ticket, deadline))
        }
        WaitMode::First | WaitMode::FirstError => wait_for_one(&futures, mode, deadline),
    };
    *n_done = futures.iter().filter(|(pool, ticket)| is_done(pool, *ticket)).count();
    waited
}

/// Asks each task's pool for a notice, and sleeps on the notices of all pools. What is seen of a
/// notice is read before the tasks are asked: a task that is done after that changes it.
fn wait_for_one(futures: &[Found], mode: WaitMode, deadline: Deadline) -> Result<()> {
    let mut pools: Vec<&Pool> = Vec::new();
    for (pool, _) in futures {
        if !pools.iter().any(|known| std::ptr::eq(*known, *pool)) {
            pools.push(pool);
        }
    }
    loop {
        // Acquire; pairs with the Release of `Board::wake`.
        let sleepers: Vec<Sleeper<'_>> = pools
            .iter()
            .map(|pool| {
                let board = &pool.region().board;
                let word = board.notice();
                Sleeper { word, seen: word.load(Acquire), scope: board.scope() }
            })
            .collect();
        if is_enough(futures, mode)? {
            return Ok(());
        }
        if deadline.has_passed() {
            return Err(Status::POOL_ERR_TIMEOUT.into());
        }
        if ask_all(futures) {
            for pool in &pools {
                pool.region().board.bell.wake_one();
            }
            sync::sleep_on_any(&sleepers, deadline.left());
        }
    }
}

/// Whether what is waited for has come. An empty list has nothing to wait for.
fn is_enough(futures: &[Found], mode: WaitMode) -> Result<bool> {
    let mut are_all_done = true;
    for (pool, ticket) in futures {
        match (state(pool, *ticket)?, mode) {
            (State::Pending | State::Running, _) => are_all_done = false,
            (State::Completed, WaitMode::FirstError) => {}
            _ => return Ok(true),
        }
    }
    Ok(are_all_done)
}

/// Asks for notices. False: a task that was not seen done before is done now, so look again.
fn ask_all(futures: &[Found]) -> bool {
    futures.iter().all(|(pool, ticket)| {
        let word = &pool.region().board.slot(ticket.slot).word;
        let was_done = word.phase().is_done();
        was_done || word.ask_notice(ticket.generation)
    })
}
