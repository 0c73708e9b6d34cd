//! Options of a map: a C struct becomes checked values.

use super::options::invalid;
use super::structs::pool_map_options_t;
use super::types::POOL_FOREVER;
use super::{required, sized};
use crate::error::Result;
use crate::pool::{MapOptions, OnError};
use std::ffi::c_void;

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
