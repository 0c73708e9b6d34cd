//! `pool_fd` and its like: an event loop of the caller's runs the callbacks.

use super::types::*;
use super::{boundary, give};
use crate::pool::{self, PoolTicket};
use std::mem::MaybeUninit;

fn ticket(pool: *const pool_t) -> PoolTicket {
    PoolTicket::from_raw(pool as u64)
}

/// A descriptor for an event loop of yours: readable (level-triggered) while callbacks are due. For poll, epoll,
/// libuv, GLib, asyncio and their like. The pool owns it; take it out of the loop before pool_free.
///
/// @return the descriptor; -1: the pool was not made with POOL_DRIVER_EXTERNAL, or the handle is not valid
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_fd(pool: *mut pool_t) -> i32 {
    pool::events_fd(ticket(pool)).ok().flatten().unwrap_or(-1)
}

/// How long the event loop may wait for pool_fd before it has to call pool_process_events, in milliseconds.
///
/// @return 0: callbacks are due; POOL_FOREVER: none are, and none will be before pool_fd is readable, for the pool
///         keeps its times itself
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_next_timeout_ms(pool: *mut pool_t) -> i64 {
    match pool::has_events(ticket(pool)) {
        Ok(true) => 0,
        _ => POOL_FOREVER,
    }
}

/// Runs the callbacks that are due, in order, in this thread; those that become due meanwhile are left to the next
/// call. Does not wait. Called from a callback, or while another thread is in it: nothing is run.
///
/// @param n  receives how many were run; may be NULL
/// @return POOL_OK; POOL_ERR_STATE: the pool was not made with POOL_DRIVER_EXTERNAL; POOL_ERR_INVALID;
///         POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_process_events(
    pool: *mut pool_t,
    n: Option<&mut MaybeUninit<u32>>,
) -> pool_status_t {
    let process = || pool::process_events(ticket(pool));
    match n {
        Some(n) => super::status_of(&give(Some(n), 0, process)),
        None => boundary(|| process().map(drop)),
    }
}
