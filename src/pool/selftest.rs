//! The self-test of a pool: a second pool with its configuration and one worker runs a task and a
//! map.

use super::map::chunks::OnError;
use super::map::{Arrays, MapOptions, ResultOrder, map};
use super::shutdown::stop_and_release;
use super::{
    Callee, Observers, PoolHandle, PoolKind, StopMode, TaskSpec, check, failure, future_free, open,
    shutdown, submit, wait,
};
use crate::error::{Error, Result, Status};
use crate::worker;
use std::sync::Arc;

/// The number of items of the map, and of each chunk.
const ITEMS: usize = 10;
const CHUNK_SIZE: usize = 2;

/// Whether a pool like this one works; an error says why not. Does not touch the pool itself.
pub(crate) fn test(pool: PoolHandle, timeout_ms: i64) -> Result<()> {
    let pool = pool.pool()?;
    pool.state.check_open()?;
    let mut config = (*pool.state.config).clone();
    if !matches!(config.kind, PoolKind::Inline) {
        config.workers_max = 1;
    }
    config.workers_min = 0;
    config.at_exit = Some(StopMode::Kill);
    // The user's callbacks are for the pool itself.
    config.tick = None;
    (config.observers, config.is_external) = (Observers::default(), false);
    let trial = open(config, Arc::new(()))?;
    let outcome = run_tasks(trial, timeout_ms);
    // Why it is broken is a better error than what became of the task.
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

/// Frees a pool whose worker may take long to exit. Threads cannot be killed: another thread waits
/// for them.
fn dispose(trial: PoolHandle) -> Result<()> {
    let trial = trial.close()?;
    let end = move || stop_and_release(trial, StopMode::Kill);
    let is_thread = matches!(trial.state.config.kind, PoolKind::Threads);
    if !is_thread || worker::start_own_thread("trial".into(), end).is_err() {
        end();
    }
    Ok(())
}

fn run_tasks(trial: PoolHandle, timeout_ms: i64) -> Result<()> {
    let echo = worker::echo_address();
    let future = submit(trial, TaskSpec::pointer(echo, &[1, 2, 3]))?;
    let outcome = wait(future, timeout_ms).and_then(|()| failure(future));
    future_free(future)?;
    if let Some(failure) = outcome? {
        return Err(failure);
    }
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
        chunk_size: CHUNK_SIZE,
        window: 0,
        order: ResultOrder::Input,
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
