//! Trying a pool's configuration: a second pool of it, with one worker, gets something to do.

use super::map::chunks::OnError;
use super::map::{Arrays, MapOptions, map};
use crate::state::config::Callee;
use super::{Observers, PoolHandle, PoolKind, StopMode, TaskSpec, check, failure, future, future_free, open, shutdown, submit};
use crate::error::{Error, Result, Status};
use crate::worker;
use std::sync::Arc;

/// How many items the trial's map has, and how many of them make a piece.
const ITEMS: usize = 10;
const PIECE: usize = 2;

/// Whether a pool like this one works; else why not. The pool itself is not touched.
pub(crate) fn test(pool: PoolHandle, timeout_ms: i64) -> Result<()> {
    let pool = pool.pool()?;
    pool.state.check_open()?;
    let mut config = pool.config.clone();
    if !matches!(config.kind, PoolKind::Inline) {
        config.plan.workers_max = 1;
    }
    config.plan.workers_min = 0;
    config.at_exit = Some(StopMode::Kill);
    // Nobody is called: the trial is not the pool that the caller waits for.
    config.tick = None;
    // Nobody hears of its workers.
    (config.observers, config.is_external) = (Observers::default(), false);
    let trial = open(config, Arc::new(()))?;
    let outcome = try_out(trial, timeout_ms);
    // Why it is broken is a better answer than what that did to a task.
    let outcome = check(trial).and(outcome);
    if matches!(&outcome, Err(error) if error.status == Status::POOL_ERR_TIMEOUT) {
        return outcome.and(dispose(trial));
    }
    let mode = if outcome.is_ok() { StopMode::Drain } else { StopMode::Kill };
    let stopped = shutdown(trial, mode, -1);
    let broken = trial.pool().and_then(|trial| trial.state.check_broken());
    super::free(trial)?;
    outcome.and(broken).and(stopped)
}

/// Frees a pool whose worker may be long in coming to an end. Threads cannot be killed: somebody else
/// waits for them.
fn dispose(trial: PoolHandle) -> Result<()> {
    let trial = trial.close()?;
    let end = move || shutdown::end(trial, StopMode::Kill);
    let is_thread = matches!(trial.config.kind, PoolKind::Threads);
    if !is_thread || worker::start_own_thread("trial".into(), end).is_err() {
        end();
    }
    Ok(())
}

fn try_out(trial: PoolHandle, timeout_ms: i64) -> Result<()> {
    let echo = worker::echo_address();
    let future = submit(trial, TaskSpec::pointer(echo, &[1, 2, 3]))?;
    let outcome = wait(future, timeout_ms).and_then(|()| failure(future)?);
    future_free(future)?;
    outcome?;
    let items: Vec<u8> = (0..ITEMS as u8).collect();
    let mut results = [0; ITEMS];
    let arrays = Arrays {
        items: &items,
        item_size: 1,
        count: ITEMS,
        results: &mut results,
        result_size: 1,
        statuses: None,
    };
    let options = MapOptions {
        chunk_size: PIECE,
        window: 0,
        is_ordered: true,
        on_error: OnError::Stop,
        deadline_ms: (timeout_ms >= 0).then_some(timeout_ms),
        item_hard_ms: None,
        on_progress: None,
    };
    map(trial, Callee::Pointer(echo), arrays, options)?;
    match results.as_slice() == items {
        true => Ok(()),
        false => Err(Error::new(Status::POOL_ERR_STATE, "the results are not what they should be")),
    }
}
