//! Reading tasks, and the options of tasks and maps, from their C structs.

use super::enums::CEnum;
use super::structs::{pool_call_t, pool_function_t, pool_map_options_t};
use super::types::*;
use super::{User, bytes, callback, invalid, required, sized, sized_prefix, utf8};
use crate::error::Result;
use crate::pool::{
    Args, BufferHandle, Callee, FutureHandle, Gate, LimitKind, MapOptions, OnAccept, OnError,
    OnTimeoutOf, Priority, ResultOrder, SubmitCallbacks, SubmitOptions, TaskOptions, TaskSpec,
    TimeLimit, buffer_free,
};
use crate::sync::Deadline;
use std::ffi::c_void;
use std::sync::Arc;

/// The task of a pool_submit_call, and its callbacks, if it has any. Fills in `options`.
///
/// # Safety
/// The header: NULL, or a call that begins with its size, with strings and bytes that can be read
/// for as long as `'a`.
pub(super) unsafe fn call_from<'a>(
    call: *const pool_call_t,
    options: &'a mut SubmitOptions,
) -> Result<(TaskSpec<'a>, Option<SubmitCallbacks>)> {
    // SAFETY: the caller's promise; a struct of C types with its size first, and zeros are its
    // defaults.
    let (call, is_known) = unsafe { sized_prefix::<pool_call_t>(call) }?;
    let user = Arc::new(User { pointer: call.user, drop: call.drop });
    if let Err(error) = is_known {
        // The header: a submit takes ownership of the buffer, also if it fails.
        let _ = buffer_free(BufferHandle::from(call.buffer));
        return Err(error);
    }
    // SAFETY: the caller's promise.
    let spec = unsafe { spec_of(&call, options) }?;
    let has_callbacks = call.on_accept.is_some()
        || call.on_timeout.is_some()
        || call.on_done.is_some()
        || call.drop.is_some();
    Ok((spec, has_callbacks.then(|| callbacks_of(&call, &user))))
}

/// All callbacks share the user's pointer, which is dropped along with the last of them; without
/// one it is dropped when the task is done.
fn callbacks_of(call: &pool_call_t, user: &Arc<User>) -> SubmitCallbacks {
    let on_accept = call.on_accept.map(|function| -> OnAccept {
        let user = user.clone();
        Box::new(move |worker, pid| {
            // SAFETY: the header: a function that takes two numbers and this pointer.
            unsafe { function(worker, pid, user.pointer) };
        })
    });
    let on_timeout = call.on_timeout.map(|function| -> OnTimeoutOf {
        let user = user.clone();
        Arc::new(move |future: FutureHandle, kind, limit_ms| {
            let is_soft = kind == LimitKind::Soft;
            // SAFETY: the header: a function that takes a future, these and this pointer.
            unsafe { function(future.into(), is_soft, limit_ms, user.pointer) };
        })
    });
    let on_done = match call.on_done {
        Some(function) => callback(function, user.clone()),
        None => {
            let user = user.clone();
            Box::new(move |_| drop(user))
        }
    };
    SubmitCallbacks { on_accept, on_timeout, on_done: Some(on_done) }
}

/// # Safety
/// The header: strings and bytes that can be read for as long as `'a`.
unsafe fn spec_of<'a>(call: &pool_call_t, options: &'a mut SubmitOptions) -> Result<TaskSpec<'a>> {
    let read = submit_options_from(call).and_then(|read| {
        *options = read;
        // SAFETY: the caller's promise.
        Ok(TaskSpec { options: Some(options), ..unsafe { task_from(&call.task) }? })
    });
    if call.buffer.is_null() {
        return read;
    }
    let buffer = BufferHandle::from(call.buffer);
    match read {
        Ok(spec) if call.task.len == 0 => Ok(TaskSpec { args: Args::Buffer(buffer), ..spec }),
        refused => {
            // The header: a submit takes ownership of the buffer, also if it fails.
            let _ = buffer_free(buffer);
            Err(refused.err().unwrap_or_else(|| invalid("both a buffer and args")))
        }
    }
}

/// The options of one task.
fn submit_options_from(call: &pool_call_t) -> Result<SubmitOptions> {
    let limit = |ms| match ms {
        0 => Ok(TimeLimit::PoolDefault),
        POOL_FOREVER => Ok(TimeLimit::None),
        ms @ 1.. => Ok(TimeLimit::Ms(ms as u64)),
        _ => Err(invalid("a limit: POOL_FOREVER, or not below 0")),
    };
    let start_within_ms = match call.start_deadline_ms {
        0 | POOL_FOREVER => None,
        ms @ 1.. => Some(ms as u64),
        _ => return Err(invalid("start_deadline_ms: POOL_FOREVER, or not below 0")),
    };
    let options = TaskOptions {
        soft: limit(call.soft_limit_ms)?,
        hard: limit(call.hard_limit_ms)?,
        retries: (call.retries > 0).then_some(call.retries),
        tag: call.tag,
    };
    let submit_deadline = match call.submit_timeout_ms {
        0 | POOL_FOREVER => Deadline::Never,
        POOL_NOW => Deadline::from_ms(0),
        ms @ 1.. => Deadline::from_ms(ms),
        _ => return Err(invalid("submit_timeout_ms: POOL_FOREVER, POOL_NOW, or not below 0")),
    };
    let words = "priority: from POOL_PRIORITY_MIN to POOL_PRIORITY_MAX";
    let priority = Priority::new(call.priority).ok_or_else(|| invalid(words))?;
    let options = (options != TaskOptions::default()).then_some(options);
    Ok(SubmitOptions { options, start_within_ms, submit_deadline, priority })
}

/// A function by pointer, or by module and symbol, with its bytes.
///
/// # Safety
/// The header: strings or NULL, and bytes, that can be read for as long as `'a`.
pub(super) unsafe fn task_from<'a>(function: &pool_function_t) -> Result<TaskSpec<'a>> {
    // SAFETY: the caller's promise.
    let args = Args::Bytes(unsafe { bytes(function.args, function.len) }?);
    // SAFETY: the caller's promise.
    let symbol = unsafe { utf8(function.symbol) }?;
    let callee = match (function.pointer, symbol) {
        (Some(pointer), None) if function.module.is_null() => Callee::Pointer(pointer as usize),
        (None, Some(symbol)) if !symbol.is_empty() => {
            // SAFETY: the caller's promise.
            let module = unsafe { utf8(function.module) }?;
            Callee::Names(module.unwrap_or(""), symbol)
        }
        _ => return Err(invalid("a function is either a pointer, or a symbol and its module")),
    };
    Ok(TaskSpec { callee, args, gate: Gate::Open, options: None })
}

/// The options of a map.
///
/// # Safety
/// The header: NULL, or options that begin with their size.
pub(super) unsafe fn map_options_from(options: *const pool_map_options_t) -> Result<MapOptions> {
    let options = match options.is_null() {
        // SAFETY: a struct of C types; zeros are its defaults.
        true => unsafe { std::mem::zeroed() },
        // SAFETY: the caller's promise; a struct of C types with its size first, and zeros are its
        // defaults.
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
    if chunk_size > ITEMS_MAX || window > ITEMS_MAX {
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
        order: if options.unordered { ResultOrder::Completion } else { ResultOrder::Input },
        on_error: required(OnError::from_c(options.on_error))?,
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

/// Larger values are negative numbers that were converted to size_t.
const ITEMS_MAX: usize = usize::MAX / 4;

struct UserPointer(*mut c_void);

// SAFETY: the header: the progress function is called from any thread.
unsafe impl Send for UserPointer {}
