//! `pool_map*` and chunks: one function for many items.

use super::call::map_options_from;
use super::structs::*;
use super::types::*;
use super::{boundary, bytes, bytes_mut, invalid, required, status_of, write_error, write_out};
use crate::error::{Error, Result, Status};
use crate::pool::{self, Arrays, Callee, Column, OwnedCallee, Source};
use std::ffi::c_void;
use std::mem::MaybeUninit;

/// Runs a function for every item of an array, and waits. The function sees each item as a separate
/// task: pool_task_args returns the item. The item and the memory for its result are aligned like
/// elements of an array with that element size. Items are passed to workers in chunks; the failure
/// of an item does not affect the others in its chunk, unless the worker is lost.
///
/// A map that has started counts as submitted: pool_close and pool_join let it finish.
///
/// @param items        n contiguous items; may be NULL if n or item_size is 0
/// @param item_size    size of an item in bytes
/// @param n            number of items
/// @param options      configuration; NULL: all defaults
/// @param results      buffer for n results of result_size bytes; may be NULL if result_size is 0.
///                     Element i receives the result of item i, padded with zeros if it is shorter,
///                     and all zeros if the item failed
/// @param result_size  size of a result in bytes
/// @param item_status  array of n statuses, or NULL. POOL_ERR_TOO_LARGE if the result exceeds
///                     result_size bytes; POOL_ERR_CANCELLED if the item was not run;
///                     POOL_ERR_BROKEN if it was not run because the pool became broken;
///                     POOL_ERR_TIMEOUT if it was not done at the deadline; POOL_ERR_FULL or
///                     another status of pool_submit if it could not be submitted; others as for
///                     future_result
/// @return POOL_OK if every item has completed; otherwise the status of the first item, in order,
///         that has not; POOL_ERR_CLOSED; the errors of a broken pool (see pool_check);
///         POOL_ERR_DEADLOCK; POOL_ERR_INVALID; POOL_ERR_UNSUPPORTED; POOL_ERR_VERSION;
///         POOL_ERR_NOMEM; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_map(
    pool: *mut pool_t,
    function: pool_task_fn,
    items: *const c_void,
    item_size: usize,
    n: usize,
    options: *const pool_map_options_t,
    results: *mut c_void,
    result_size: usize,
    item_status: *mut pool_status_t,
) -> pool_status_t {
    boundary(|| {
        let callee = Callee::Pointer(required(function)? as usize);
        let items = Items { start: items, size: item_size, count: n };
        // SAFETY: the header: arrays of `n` items, results and statuses, until the map has ended.
        let arrays = unsafe { arrays(items, results, result_size, item_status) }?;
        // SAFETY: the header: NULL, or options that begin with their size.
        let options = unsafe { map_options_from(options) }?;
        pool::map(pool.into(), callee, arrays, options)
    })
}

/// As pool_map, but without waiting. The arrays must remain valid, and must not be accessed by the
/// caller other than to read the items, until the future is done. The future has no result of its
/// own; it fails like the first item, in order, that did not complete. The progress function is
/// called by a thread of the library. future_cancel returns POOL_ERR_STATE, and the map ends soon
/// after as cancelled. In a task of the same thread pool, and for an inline pool, the map is done
/// when the call returns.
///
/// @param out  receives the future, to be released with future_free; NULL on failure
/// @return POOL_OK; otherwise as for pool_map, except for the statuses of items; POOL_ERR_OS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_map_async(
    pool: *mut pool_t,
    function: pool_task_fn,
    items: *const c_void,
    item_size: usize,
    n: usize,
    options: *const pool_map_options_t,
    results: *mut c_void,
    result_size: usize,
    item_status: *mut pool_status_t,
    out: Option<&mut MaybeUninit<*mut future_t>>,
) -> pool_status_t {
    status_of(&write_out(out, std::ptr::null_mut(), || {
        let callee = OwnedCallee::of(Callee::Pointer(required(function)? as usize))?;
        let items = Items { start: items, size: item_size, count: n };
        // SAFETY: the header: arrays of `n` items, results and statuses, until the map has ended.
        let arrays = unsafe { arrays(items, results, result_size, item_status) }?;
        // SAFETY: the header: NULL, or options that begin with their size.
        let options = unsafe { map_options_from(options) }?;
        Ok(pool::map_async(pool.into(), callee, arrays, options)?.into())
    }))
}

/// Runs a function for the elements of several arrays, and waits. Item i consists of element i of
/// each array, laid out like a C struct with these members, each aligned to the largest power of
/// two that divides its size, at most 16. There are as many items as the shortest array has
/// elements.
///
/// @param arrays    array of n_arrays arrays
/// @param n_arrays  number of arrays, 1 to 1024
/// @param n_items   receives the number of items; may be NULL
/// @return as for pool_map
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_map_zip(
    pool: *mut pool_t,
    function: pool_task_fn,
    arrays: *const pool_array_t,
    n_arrays: usize,
    options: *const pool_map_options_t,
    results: *mut c_void,
    result_size: usize,
    item_status: *mut pool_status_t,
    n_items: Option<&mut MaybeUninit<usize>>,
) -> pool_status_t {
    let mut count = 0;
    let status = boundary(|| {
        let callee = Callee::Pointer(required(function)? as usize);
        // SAFETY: the header: `n_arrays` arrays.
        let (items, size, n) = pool::zip(&unsafe { columns(arrays, n_arrays) }?)?;
        count = n;
        let items = Items { start: items.as_ptr().cast(), size, count };
        // SAFETY: the header: arrays of `n` items, results and statuses, until the map has ended.
        let arrays = unsafe { self::arrays(items, results, result_size, item_status) }?;
        // SAFETY: the header: NULL, or options that begin with their size.
        let options = unsafe { map_options_from(options) }?;
        pool::map(pool.into(), callee, arrays, options)
    });
    if let Some(n_items) = n_items {
        n_items.write(count);
    }
    status
}

/// Starts a lazy map: runs a function for items that a source supplies one by one as they are
/// needed. It requests nothing before the first pool_map_next, and is never more than the window
/// ahead of the results taken; the number of items is therefore unlimited. Items and results may
/// have any size.
///
/// @param source   supplies the items; called by the thread that is in pool_map_next, never by two
///                 threads at the same time
/// @param user     argument of the source
/// @param options  configuration; NULL: all defaults
/// @param out      receives the map, to be released with pool_map_free; NULL on failure
/// @return POOL_OK; POOL_ERR_CLOSED; the errors of a broken pool (see pool_check);
///         POOL_ERR_INVALID; POOL_ERR_UNSUPPORTED; POOL_ERR_VERSION; POOL_ERR_FULL if 4096 lazy
///         maps exist; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_map_start(
    pool: *mut pool_t,
    function: pool_task_fn,
    source: pool_source_fn,
    user: *mut c_void,
    options: *const pool_map_options_t,
    out: Option<&mut MaybeUninit<*mut pool_map_t>>,
) -> pool_status_t {
    status_of(&write_out(out, std::ptr::null_mut(), || {
        let callee = OwnedCallee::of(Callee::Pointer(required(function)? as usize))?;
        let source = Box::new(CSource { pull: required(source)?, user });
        // SAFETY: the header: NULL, or options that begin with their size.
        let options = unsafe { map_options_from(options) }?;
        Ok(pool::map_start(pool.into(), callee, source, options)?.into())
    }))
}

/// Returns the next result, and waits for it. Results come in the order of the items or, if
/// unordered, as they become available.
///
/// @param timeout_ms  maximum time to wait; POOL_FOREVER: no timeout; 0: do not block
/// @param data        receives the address of the result, valid until the next call; NULL if there
///                    is none
/// @param len         receives the number of bytes; may be NULL
/// @param index       receives the index of the item, from 0, also if it has failed; may be NULL
/// @return POOL_OK; POOL_ERR_TASK, POOL_ERR_WORKER_LOST, POOL_ERR_CANCELLED or another status of
///         future_result if the item failed: pool_map_error returns the details, and the next call
///         continues with the next item, or the map ends, see enum pool_on_error; POOL_ERR_END if
///         there are no more items; POOL_ERR_TIMEOUT:
///         the next call waits for the same item or, if the deadline of the whole map has passed,
///         returns POOL_ERR_TIMEOUT again; POOL_ERR_CLOSED if the pool is closed; once, the status
///         that the source returned instead of an item; POOL_ERR_STATE if another call with the map
///         is in progress; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_map_next(
    map: *mut pool_map_t,
    timeout_ms: i64,
    data: Option<&mut MaybeUninit<*const c_void>>,
    len: Option<&mut MaybeUninit<usize>>,
    index: Option<&mut MaybeUninit<u64>>,
) -> pool_status_t {
    let (mut number, mut size) = (0, 0);
    let found = write_out(data, std::ptr::null(), || {
        let (item, result) = pool::map_next(map.into(), timeout_ms)?;
        number = item;
        let result = result?;
        size = result.len();
        Ok(result.as_ptr().cast())
    });
    if let Some(len) = len {
        len.write(size);
    }
    if let Some(index) = index {
        index.write(number);
    }
    status_of(&found)
}

/// Returns the error details of the item that pool_map_next returned last or, once it has returned
/// an error of the source, of the pool or of the deadline of the whole map, of that error.
/// POOL_ERR_END and another POOL_ERR_TIMEOUT change nothing.
///
/// @param error  filled in; its status is POOL_OK if the item completed
/// @return POOL_OK if error was filled in; POOL_ERR_STATE if another call with the map is in
///         progress; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_map_error(
    map: *mut pool_map_t,
    error: Option<&mut MaybeUninit<pool_error_t>>,
) -> pool_status_t {
    boundary(|| {
        let error = required(error)?;
        write_error(pool::map_error(map.into())?.map_or(Ok(()), Err), Some(error));
        Ok(())
    })
}

/// Cancels the items that are queued, and takes no more from the source. pool_map_next then returns
/// POOL_ERR_CANCELLED for the cancelled items and the results of the others. May be called from any
/// thread.
///
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_map_cancel(map: *mut pool_map_t) -> pool_status_t {
    boundary(|| pool::map_cancel(map.into()))
}

/// Frees the map. Queued items are cancelled; running ones continue, and their results are
/// discarded. NULL is ignored. No call with the map may be in progress.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_map_free(map: *mut pool_map_t) {
    boundary(|| pool::map_free(map.into()));
}

/// Submits one task that runs a function for n items of an array, for callers that divide their
/// input into chunks themselves. Its result consists of n contiguous results of result_size bytes.
/// It fails with the first item that fails, and the items after that are not run.
///
/// @param out  receives the future, to be released with future_free
/// @return as for pool_submit
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_submit_chunk(
    pool: *mut pool_t,
    function: pool_task_fn,
    items: *const c_void,
    item_size: usize,
    n: usize,
    result_size: usize,
    out: Option<&mut MaybeUninit<*mut future_t>>,
) -> pool_status_t {
    status_of(&write_out(out, std::ptr::null_mut(), || {
        let callee = Callee::Pointer(required(function)? as usize);
        // SAFETY: the header: `n` items.
        let items = unsafe { Items { start: items, size: item_size, count: n }.bytes() }?;
        let sizes = [item_size, n, result_size];
        Ok(pool::submit_chunk(pool.into(), callee, items, sizes)?.into())
    }))
}

/// Returns the number of chunks of chunk_size items, the last one possibly shorter, into which n
/// items are divided; 0 if chunk_size is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_chunk_count(n: usize, chunk_size: usize) -> usize {
    if chunk_size == 0 { 0 } else { n.div_ceil(chunk_size) }
}

/// Computes where a chunk of n items begins and ends.
///
/// @param i      index of the chunk, 0 to pool_chunk_count - 1
/// @param begin  receives the index of its first item; may be NULL
/// @param end    receives the index after its last item; may be NULL
/// @return whether there is such a chunk
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_chunk_bounds(
    n: usize,
    chunk_size: usize,
    i: usize,
    begin: Option<&mut MaybeUninit<usize>>,
    end: Option<&mut MaybeUninit<usize>>,
) -> bool {
    let first = i.checked_mul(chunk_size).filter(|first| chunk_size > 0 && *first < n);
    if let Some(begin) = begin {
        begin.write(first.unwrap_or(0));
    }
    if let Some(end) = end {
        end.write(first.map_or(0, |first| first.saturating_add(chunk_size).min(n)));
    }
    first.is_some()
}

/// The caller's array of items.
#[derive(Clone, Copy)]
struct Items {
    start: *const c_void,
    size: usize,
    count: usize,
}

impl Items {
    /// # Safety
    /// The header: the items can be read for as long as `'a`.
    unsafe fn bytes<'a>(self) -> Result<&'a [u8]> {
        let len = checked_product(self.size, self.count)?;
        // SAFETY: the caller's promise.
        unsafe { bytes(self.start, len) }
    }
}

fn checked_product(size: usize, count: usize) -> Result<usize> {
    size.checked_mul(count).ok_or_else(|| Status::POOL_ERR_TOO_LARGE.into())
}

/// # Safety
/// The header: for as long as `'a`, the items can be read, and the results and statuses are written
/// only by the callee.
unsafe fn arrays<'a>(
    items: Items,
    results: *mut c_void,
    result_size: usize,
    item_status: *mut pool_status_t,
) -> Result<Arrays<'a>> {
    let len = checked_product(result_size, items.count)?;
    // SAFETY: the caller's promise.
    let results = unsafe { bytes_mut(results, len) }?;
    let statuses = (!item_status.is_null() && items.count > 0).then(|| {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(item_status, items.count) }
    });
    Ok(Arrays {
        // SAFETY: the caller's promise.
        items: unsafe { items.bytes() }?,
        item_size: items.size,
        count: items.count,
        results,
        result_size,
        statuses,
    })
}

/// # Safety
/// The header: for as long as `'a`, `count` arrays can be read, and their elements.
unsafe fn columns<'a>(arrays: *const pool_array_t, count: usize) -> Result<Vec<Column<'a>>> {
    if arrays.is_null() || count == 0 || count > COLUMNS_MAX {
        return Err(invalid("arrays: 1 to 1024"));
    }
    let of_one = |index| {
        // SAFETY: the caller's promise, and `index` is below `count`.
        let array = unsafe { &*arrays.wrapping_add(index) };
        let items = Items { start: array.items, size: array.item_size, count: array.n };
        // SAFETY: the caller's promise.
        let bytes = unsafe { items.bytes() }?;
        Ok(Column { bytes, size: array.item_size, count: array.n })
    };
    (0..count).map(of_one).collect()
}

const COLUMNS_MAX: usize = 1024;

/// A source implemented in C.
struct CSource {
    pull: unsafe extern "C-unwind" fn(*mut c_void, *mut *const c_void, *mut usize) -> pool_status_t,
    user: *mut c_void,
}

// SAFETY: the header: it is called by any thread that is in pool_map_next.
unsafe impl Send for CSource {}

impl Source for CSource {
    fn pull(&mut self) -> Result<Option<&[u8]>> {
        let (mut item, mut len) = (std::ptr::null(), 0);
        // SAFETY: the header: a function that takes this pointer and two out-parameters.
        let status = unsafe { (self.pull)(self.user, &raw mut item, &raw mut len) };
        match Status::from_number(status) {
            Some(Status::POOL_OK) => {
                // SAFETY: the header: `len` bytes at `item`, until the next call.
                unsafe { bytes(item, len) }.map(Some)
            }
            Some(Status::POOL_ERR_END) => Ok(None),
            Some(status) => Err(Error::new(status, "the source says so")),
            None => Err(invalid("the source has returned a number that is no status")),
        }
    }
}
