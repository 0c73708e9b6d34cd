//! `pool_map*` and chunks: one function for many items.

use super::call::map_options_from;
use super::structs::*;
use super::types::*;
use super::{boundary, bytes, bytes_mut, invalid, required, status_of, write_error, write_out};
use crate::error::{Error, Result, Status};
use crate::pool::{self, Arrays, Callee, Column, OwnedCallee, Source};
use std::ffi::c_void;
use std::mem::MaybeUninit;

/// Runs a function for every item of an array, and waits. The function sees each item as a task of its
/// own: pool_task_args is the item, and it and the room for its result are aligned as elements of an
/// array of such a size are. Items are handed to the workers in chunks; what becomes of one
/// item does not touch the others of its chunk, unless the worker is lost.
///
/// A map that has begun counts as submitted: pool_close and pool_join let it come to its end.
///
/// @param items        n items, one behind the other; may be NULL when n or item_size is 0
/// @param item_size    the size of each, in bytes
/// @param options      NULL: all defaults
/// @param results      room for n results of result_size bytes; may be NULL when result_size is 0. The
///                     result of item i comes to place i; where it is shorter the rest is 0, and
///                     where the item has failed all of it
/// @param item_status  room for n statuses, or NULL. POOL_ERR_TOO_LARGE: its result has more than
///                     result_size bytes; POOL_ERR_CANCELLED: it was not run; POOL_ERR_TIMEOUT: it
///                     was not done at the deadline; others as for future_result
/// @return POOL_OK: every item has completed; else the status of the first item, in order, that has
///         not; POOL_ERR_CLOSED, POOL_ERR_BROKEN and its like; POOL_ERR_DEADLOCK; POOL_ERR_INVALID;
///         POOL_ERR_UNSUPPORTED; POOL_ERR_VERSION; POOL_ERR_NOMEM; POOL_ERR_WRONG_PROCESS
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

/// As pool_map, without waiting. The arrays must stay as they are until the future is done; it has no
/// result of its own, and fails like the first item, in order, that did not complete. The progress
/// function is called by a thread of the library. future_cancel answers POOL_ERR_STATE, and the map
/// ends soon, as cancelled. In a task of the same thread pool, and for an inline pool, the map is done
/// when the call returns.
///
/// @param out  receives the future, to be given to future_free; NULL on failure
/// @return POOL_OK; otherwise as pool_map, but for what happens to items; POOL_ERR_OS
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

/// Runs a function for the elements of several arrays, and waits: item i is made of element i of each,
/// laid out like a C struct of such members, each aligned to the largest power of two that divides its
/// size, 16 at most. There are as many items as the shortest array has elements.
///
/// @param arrays    n_arrays arrays, at least 1
/// @param n_items   receives how many items there are; may be NULL
/// @return as pool_map
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
        let (items, size, n) = pool::zip(&unsafe { columns(arrays, n_arrays) }?);
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

/// Runs a function for items that a source gives, one by one, as they are needed: nothing before the
/// first pool_map_next, and never more than the window ahead of what was taken. So there may be any
/// number of them. Items and results may have any size.
///
/// @param source   gives the items; called by the thread that is in pool_map_next, and not at the same
///                 time by two
/// @param user     the source's argument
/// @param options  NULL: all defaults
/// @param out      receives the map, to be given to pool_map_free; NULL on failure
/// @return POOL_OK; POOL_ERR_CLOSED, POOL_ERR_BROKEN and its like; POOL_ERR_INVALID;
///         POOL_ERR_UNSUPPORTED; POOL_ERR_VERSION; POOL_ERR_FULL: 4096 such maps are alive;
///         POOL_ERR_WRONG_PROCESS
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

/// The next result; waits for it. In the order of the items, or unordered as they are done.
///
/// @param timeout_ms  how long to wait, POOL_FOREVER, or 0: do not block
/// @param data        receives the result's bytes, which live until the next call; NULL without one
/// @param len         receives how many; may be NULL
/// @param index       receives the item's number, from 0, also of one that has failed; may be NULL
/// @return POOL_OK; POOL_ERR_TASK, POOL_ERR_WORKER_LOST, POOL_ERR_CANCELLED and others of
///         future_result: how this item has ended, pool_map_error has the words, and the next call goes
///         on with the next item; POOL_ERR_END: there are no more; POOL_ERR_TIMEOUT: the same item
///         comes next time, but for good when the deadline of the whole has passed;
///         POOL_ERR_CLOSED: the pool is; what the source answered instead of an item, once;
///         POOL_ERR_STATE: another call with the map is under way; POOL_ERR_INVALID;
///         POOL_ERR_WRONG_PROCESS
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

/// What went wrong with the item that pool_map_next has answered last, in numbers and words.
///
/// @param error  filled in; its status is POOL_OK when the item completed
/// @return POOL_OK: error is filled in; POOL_ERR_STATE: another call with the map is under way;
///         POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
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

/// Cancels the items that wait, and takes no more from the source: pool_map_next then answers those that
/// were cancelled with POOL_ERR_CANCELLED, and the others with their results. From any thread.
///
/// @return POOL_OK; POOL_ERR_INVALID; POOL_ERR_WRONG_PROCESS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_map_cancel(map: *mut pool_map_t) -> pool_status_t {
    boundary(|| pool::map_cancel(map.into()))
}

/// Frees the map. Items that wait are cancelled; those that run go on, and their results are dropped.
/// NULL is ignored. No call with the map may be under way.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_map_free(map: *mut pool_map_t) {
    boundary(|| pool::map_free(map.into()));
}

/// Submits one task that runs a function for n items of an array: for those who divide a map
/// themselves. Its result is n results of result_size bytes, one behind the other. It fails as the
/// first item does that fails, and the items behind that are not run.
///
/// @param out  receives the future, to be given to future_free
/// @return as pool_submit
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

/// How many chunks there are of n items, so many in each and the rest in the last; 0 when chunk_size
/// is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_chunk_count(n: usize, chunk_size: usize) -> usize {
    if chunk_size == 0 { 0 } else { n.div_ceil(chunk_size) }
}

/// Where a chunk of n items begins and ends.
///
/// @param i      which: 0 to pool_chunk_count - 1
/// @param begin  receives its first item; may be NULL
/// @param end    receives the item behind its last; may be NULL
/// @return       whether there is such a chunk
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

/// An array of the caller's.
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
/// The header: for as long as `'a`, the items can be read, and the results and statuses written, by nobody else.
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

/// A source of C.
struct CSource {
    pull: unsafe extern "C" fn(*mut c_void, *mut *const c_void, *mut usize) -> pool_status_t,
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
