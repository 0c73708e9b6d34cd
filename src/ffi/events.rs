//! `pool_fd` and related calls for the caller's event loop, and the callbacks for worker events and
//! log messages.

use super::enums::{CEnum, pool_event_kind};
use super::structs::{pool_event_t, pool_options_t};
use super::types::*;
use super::{User, write_optional};
use crate::pool::{self, Observers, WorkerEvent, WorkerEventKind};
use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::sync::Arc;

/// Returns a descriptor for the caller's event loop, such as poll, epoll, libuv, GLib or asyncio.
/// It is readable (level-triggered) while callbacks are due. The pool owns it; remove it from the
/// loop before pool_free.
///
/// @return the descriptor; -1 if the pool was not created with POOL_DRIVER_EXTERNAL or the handle
///         is invalid
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_fd(pool: *mut pool_t) -> i32 {
    pool::events_fd(pool.into()).ok().flatten().unwrap_or(-1)
}

/// Returns how long the event loop may wait for pool_fd before it has to call pool_process_events,
/// in milliseconds.
///
/// @return 0 if callbacks are due; POOL_FOREVER if none are due, and none will be before pool_fd is
///         readable, because the pool manages its timers itself; also POOL_FOREVER if pool_fd
///         returns -1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_next_timeout_ms(pool: *mut pool_t) -> i64 {
    match pool::has_events(pool.into()) {
        Ok(true) => 0,
        _ => POOL_FOREVER,
    }
}

/// Runs the callbacks that are due, in order, in this thread. Callbacks that become due meanwhile
/// are left to the next call. Does not wait. Runs nothing if called from a callback, or while
/// another thread is in this function, because callbacks run one after the other.
///
/// @param n  receives the number of callbacks run; may be NULL
/// @return POOL_OK; POOL_ERR_STATE if the pool was not created with POOL_DRIVER_EXTERNAL;
///         POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_process_events(
    pool: *mut pool_t,
    n: Option<&mut MaybeUninit<u32>>,
) -> pool_status_t {
    write_optional(n, || pool::process_events(pool.into()))
}

/// The observers of the options. The user's pointer belongs to the options, and is dropped after
/// the last call.
pub(super) fn observers_from(options: &pool_options_t) -> Observers {
    let user = || User { pointer: options.user, drop: None };
    let mut observers = Observers::default();
    if let Some(function) = options.on_event {
        let user = user();
        observers.on_event = Some(Arc::new(move |event: &WorkerEvent| {
            let user = &user;
            let message = c_message(&event.message);
            let event = event_of(event, &message);
            // SAFETY: the header: a function that takes an event and this pointer.
            unsafe { function(&raw const event, user.pointer) };
        }));
    }
    if let Some(function) = options.log {
        let user = user();
        observers.on_log = Some(Arc::new(move |level, message: &str| {
            let user = &user;
            let message = c_message(message);
            // SAFETY: the header: a function that takes a level, a string and this pointer.
            unsafe { function(level.to_c(), message.as_ptr(), user.pointer) };
        }));
    }
    observers
}

fn c_message(message: &str) -> CString {
    CString::new(message.replace('\0', " ")).unwrap_or_default()
}

fn event_of(event: &WorkerEvent, message: &CStr) -> pool_event_t {
    let (kind, exit) = match event.kind {
        WorkerEventKind::Starting => (pool_event_kind::POOL_EVENT_STARTING, None),
        WorkerEventKind::Ready => (pool_event_kind::POOL_EVENT_READY, None),
        WorkerEventKind::Exited(exit) => (pool_event_kind::POOL_EVENT_EXITED, Some(exit)),
    };
    let exit = exit.unwrap_or_default();
    pool_event_t {
        struct_size: size_of::<pool_event_t>(),
        kind: kind as i32,
        worker: event.seat,
        id: event.number,
        pid: event.pid,
        reason: exit.reason.to_c(),
        exit_code: exit.exit_code(),
        signal: exit.signal(),
        message: message.as_ptr(),
    }
}
