//! `pool_fd` and its like: an event loop of the caller's runs the callbacks.

use super::structs::{pool_event_t, pool_options_t};
use super::types::*;
use super::{User, boundary, give};
use crate::pool;
use crate::pool::{Observers, PoolHandle, WorkerEvent};
use std::ffi::CString;
use std::mem::MaybeUninit;
use std::sync::Arc;

fn ticket(pool: *const pool_t) -> PoolHandle {
    PoolHandle::from_raw(pool as u64)
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
///         keeps its times itself; also where pool_fd answers -1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_next_timeout_ms(pool: *mut pool_t) -> i64 {
    match pool::has_events(ticket(pool)) {
        Ok(true) => 0,
        _ => POOL_FOREVER,
    }
}

/// Runs the callbacks that are due, in order, in this thread; those that become due meanwhile are left to the next
/// call. Does not wait. Called from a callback, or while another thread is in it: nothing is run, for callbacks
/// run one after the other.
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

/// The options' functions that hear of workers. The user's pointer is given back by the options' own, after
/// the last call.
pub(super) fn observers_from(options: &pool_options_t) -> Observers {
    let user = || User { pointer: options.user, drop: None };
    let mut listeners = Observers::default();
    if let Some(function) = options.on_event {
        let user = user();
        listeners.on_event = Some(Arc::new(move |event: &WorkerEvent| {
            let user = &user;
            let words = CString::new(event.words.replace('\0', " ")).unwrap_or_default();
            let event = event_of(event, &words);
            // SAFETY: the header: a function that takes an event and this pointer.
            unsafe { function(&raw const event, user.pointer) };
        }));
    }
    if let Some(function) = options.log {
        let user = user();
        listeners.on_log = Some(Arc::new(move |level, words: &str| {
            let user = &user;
            let words = CString::new(words.replace('\0', " ")).unwrap_or_default();
            // SAFETY: the header: a function that takes a level, a string and this pointer.
            unsafe { function(level as i32, words.as_ptr(), user.pointer) };
        }));
    }
    listeners
}

fn event_of(event: &WorkerEvent, words: &std::ffi::CStr) -> pool_event_t {
    pool_event_t {
        struct_size: size_of::<pool_event_t>(),
        kind: event.what as i32,
        worker: event.seat,
        id: event.number,
        pid: event.pid,
        reason: event.departure.gone as i32,
        exit_code: event.departure.exit_code,
        signal: event.departure.signal,
        message: words.as_ptr(),
    }
}
