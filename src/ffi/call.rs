//! Tasks as C describes them, with their options, become checked values.

use super::enums::*;
use super::options::{invalid, refuse_set, unsupported};
use super::structs::*;
use super::types::*;
use super::{User, bytes, callback, sized, utf8};
use crate::error::Result;
use crate::pool::{Args, BufferTicket, Callback, Callee, Spec};

/// The task that pool_submit_call is given, and what is to be called when it is done.
pub(super) fn spec_from_call<'a>(call: *const pool_call_t) -> Result<(Spec<'a>, Option<Callback>)> {
    // SAFETY: a struct of C types with its size first; zeros are its defaults.
    let call: pool_call_t = unsafe { sized(call) }?;
    let user = User { pointer: call.user, drop: call.drop };
    let spec = spec_of(&call)?;
    Ok((spec, call.on_done.map(|on_done| callback(on_done, user))))
}

fn spec_of<'a>(call: &pool_call_t) -> Result<Spec<'a>> {
    let checked = check_unbuilt_of_call(call).and_then(|()| spec_from_function(&call.task));
    if call.buffer.is_null() {
        return checked;
    }
    let buffer = BufferTicket::from_raw(call.buffer as u64);
    match checked {
        Ok(spec) if call.task.len == 0 => Ok(Spec { args: Args::Buffer(buffer), ..spec }),
        refused => {
            // The header: a submit takes the buffer over, also when it fails.
            let _ = crate::pool::buffer_free(buffer);
            Err(refused.err().unwrap_or_else(|| invalid("both a buffer and args")))
        }
    }
}

fn check_unbuilt_of_call(call: &pool_call_t) -> Result<()> {
    refuse_set(&[
        ("soft_limit_ms", call.soft_limit_ms != 0),
        ("hard_limit_ms", call.hard_limit_ms != 0),
        ("start_deadline_ms", call.start_deadline_ms != 0),
        ("submit_timeout_ms", !matches!(call.submit_timeout_ms, 0 | POOL_NOW)),
        ("retries", call.retries != 0),
        ("priority", call.priority != 0),
        ("tag", call.tag != 0),
        ("on_accept", call.on_accept.is_some()),
        ("on_timeout", call.on_timeout.is_some()),
    ])
}

/// A function by pointer, or by module and symbol, with its bytes.
pub(super) fn spec_from_function<'a>(function: &pool_function_t) -> Result<Spec<'a>> {
    let args = Args::Bytes(bytes(function.args, function.len)?);
    let callee = match (function.pointer, utf8(function.symbol)?) {
        (Some(pointer), None) if function.module.is_null() => Callee::Pointer(pointer as usize),
        (None, Some(symbol)) if !symbol.is_empty() => {
            Callee::Names(utf8(function.module)?.unwrap_or(""), symbol)
        }
        _ => return Err(invalid("a function is either a pointer, or a symbol and its module")),
    };
    Ok(Spec { callee, args, is_inside: false })
}

pub(super) fn check_cancel_mode(mode: pool_cancel_t) -> Result<()> {
    match mode {
        mode if mode == pool_cancel::POOL_CANCEL_QUEUED as i32 => Ok(()),
        mode if mode == pool_cancel::POOL_CANCEL_RUNNING as i32 => {
            Err(unsupported("POOL_CANCEL_RUNNING"))
        }
        _ => Err(invalid("mode is none of enum pool_cancel")),
    }
}
