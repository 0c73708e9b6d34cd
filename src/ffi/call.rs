//! Tasks as C describes them, with their options, become checked values.

use super::enums::*;
use super::options::{extras_from, invalid};
use super::structs::{*, pool_map_options_t};
use super::types::{*, POOL_FOREVER};
use super::{User, bytes, callback, required, sized, utf8};
use crate::error::Result;
use crate::pool::{Args, BufferHandle, FutureHandle, MapOptions, OnAccept, OnError, OnTimeoutOf, Priority, SubmitCallbacks, SubmitOptions, TaskSpec};
use crate::state::config::Callee;
use crate::sync::Deadline;
use std::sync::Arc;
use std::ffi::c_void;

/// The task that pool_submit_call is given, and what is to be called about it. `extras` is filled in.
pub(super) fn spec_from_call<'a>(
    call: *const pool_call_t,
    extras: &'a mut SubmitOptions,
) -> Result<(TaskSpec<'a>, Option<SubmitCallbacks>)> {
    // SAFETY: a struct of C types with its size first; zeros are its defaults.
    let call: pool_call_t = unsafe { sized(call) }?;
    let user = Arc::new(User { pointer: call.user, drop: call.drop });
    let spec = spec_of(&call, extras)?;
    let is_any_set =
        call.on_accept.is_some() || call.on_timeout.is_some() || call.on_done.is_some();
    Ok((spec, is_any_set.then(|| calls_of(&call, &user))))
}

/// All share the user's pointer, which is given back when the last of them is dropped.
fn calls_of(call: &pool_call_t, user: &Arc<User>) -> SubmitCallbacks {
    let on_accept = call.on_accept.map(|function| -> OnAccept {
        let user = user.clone();
        Box::new(move |worker, pid| {
            // SAFETY: the header: a function that takes two numbers and this pointer.
            unsafe { function(worker, pid, user.pointer) };
        })
    });
    let on_timeout = call.on_timeout.map(|function| {
        let user = user.clone();
        let call = move |future: FutureHandle, is_soft, limit_ms| {
            let future = future.to_raw() as *mut future_t;
            // SAFETY: the header: a function that takes a future, these and this pointer.
            unsafe { function(future, is_soft, limit_ms, user.pointer) };
        };
        Arc::new(call) as OnTimeoutOf
    });
    let on_done = call.on_done.map(|function| callback(function, user.clone()));
    SubmitCallbacks { on_accept, on_timeout, on_done }
}

fn spec_of<'a>(call: &pool_call_t, extras: &'a mut SubmitOptions) -> Result<TaskSpec<'a>> {
    let checked = extras_from(call).and_then(|found| {
        let patience = patience_from(call.submit_timeout_ms)?;
        *extras = SubmitOptions {
            submit_deadline: patience,
            priority: rank_from(call.priority)?,
            ..found
        };
        Ok(TaskSpec { options: Some(extras), ..spec_from_function(&call.task)? })
    });
    if call.buffer.is_null() {
        return checked;
    }
    let buffer = BufferHandle::from_raw(call.buffer as u64);
    match checked {
        Ok(spec) if call.task.len == 0 => Ok(TaskSpec { args: Args::Buffer(buffer), ..spec }),
        refused => {
            // The header: a submit takes the buffer over, also when it fails.
            let _ = crate::pool::buffer_free(buffer);
            Err(refused.err().unwrap_or_else(|| invalid("both a buffer and args")))
        }
    }
}

/// How long a submit waits for a place in the queue.
fn patience_from(submit_timeout_ms: i64) -> Result<Deadline> {
    match submit_timeout_ms {
        0 | POOL_FOREVER => Ok(Deadline::Never),
        POOL_NOW => Ok(Deadline::from_ms(0)),
        ms @ 1.. => Ok(Deadline::from_ms(ms)),
        _ => Err(invalid("submit_timeout_ms: POOL_FOREVER, POOL_NOW, or not below 0")),
    }
}

fn rank_from(priority: i32) -> Result<Priority> {
    let words = "priority: from POOL_PRIORITY_MIN to POOL_PRIORITY_MAX";
    Priority::new(priority).ok_or_else(|| invalid(words))
}

/// A function by pointer, or by module and symbol, with its bytes.
pub(super) fn spec_from_function<'a>(function: &pool_function_t) -> Result<TaskSpec<'a>> {
    let args = Args::Bytes(bytes(function.args, function.len)?);
    let callee = match (function.pointer, utf8(function.symbol)?) {
        (Some(pointer), None) if function.module.is_null() => Callee::Pointer(pointer as usize),
        (None, Some(symbol)) if !symbol.is_empty() => {
            Callee::Names(utf8(function.module)?.unwrap_or(""), symbol)
        }
        _ => return Err(invalid("a function is either a pointer, or a symbol and its module")),
    };
    Ok(TaskSpec { callee, args, after_close: false, options: None })
}

pub(super) fn is_also_running(mode: pool_cancel_t) -> Result<bool> {
    match mode {
        mode if mode == pool_cancel::POOL_CANCEL_QUEUED as i32 => Ok(false),
        mode if mode == pool_cancel::POOL_CANCEL_RUNNING as i32 => Ok(true),
        _ => Err(invalid("mode is none of enum pool_cancel")),
    }
}

// MERGED ffi.map_options
// Options of a map: a C struct becomes checked values.

pub(super) fn options_from(options: *const pool_map_options_t) -> Result<MapOptions> {
    let options = match options.is_null() {
        // SAFETY: a struct of C types; zeros are its defaults.
        true => unsafe { std::mem::zeroed() },
        // SAFETY: a struct of C types with its size first; zeros are its defaults.
        false => unsafe { sized(options) }?,
    };
    let pool_map_options_t { chunk_size, window, deadline_ms, .. } = options;
    let item_hard_ms = match options.item_hard_limit_ms {
        0 | POOL_FOREVER => None,
        ms @ 1.. => Some(ms as u64),
        _ => return Err(invalid("item_hard_limit_ms: POOL_FOREVER, or not below 0")),
    };
    if item_hard_ms.is_some() && chunk_size > 1 {
        return Err(invalid("chunk_size: at most 1 with item_hard_limit_ms"));
    }
    let chunk_size = if item_hard_ms.is_some() { 1 } else { chunk_size };
    if chunk_size > SIZE_MAX || window > SIZE_MAX {
        return Err(invalid("chunk_size and window: not that many"));
    }
    let deadline_ms = match deadline_ms {
        0 | POOL_FOREVER => None,
        1.. => Some(deadline_ms),
        _ => return Err(invalid("deadline_ms: POOL_FOREVER, or not below 0")),
    };
    let user = UserPointer(options.user);
    Ok(MapOptions {
        chunk_size,
        window,
        is_ordered: !options.unordered,
        on_error: required(OnError::from_number(options.on_error))?,
        deadline_ms,
        item_hard_ms,
        on_progress: options.on_progress.map(|function| -> Box<dyn FnMut(u64, u64) + Send> {
            Box::new(move |done, total| {
                let UserPointer(user) = { &user };
                // SAFETY: the header: a function that takes this pointer.
                unsafe { function(done, total, *user) };
            })
        }),
    })
}

/// What is more was a number below 0 once.
const SIZE_MAX: usize = usize::MAX / 4;

struct UserPointer(*mut c_void);

// SAFETY: the header: the progress function is called from any thread.
unsafe impl Send for UserPointer {}
