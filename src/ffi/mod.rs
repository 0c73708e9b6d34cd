//! The C surface: converts between C and the rest of the library, and decides nothing.
//!
//! An exported function reads its arguments, calls one function of the pool or the worker, and
//! writes what that returns. `Option<&mut …>` is an out-parameter that may be NULL, so the compiler
//! makes us handle NULL. The contracts are the doc comments here: cbindgen generates the header
//! from them.

use crate::error::{Error, Result, Status};
use crate::pool::FutureHandle;
use crate::process::panic_message;
use std::any::Any;
use std::ffi::{CStr, c_char, c_void};
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use structs::pool_error_t;
use types::{future_t, pool_drop_fn, pool_status_t};

mod call;
mod options;
mod process_options;
mod snapshot;

// In the order of the header. The empty lines keep rustfmt from sorting them.
mod types;

mod enums;

mod structs;

mod pool;

mod task;

mod future;

mod map;

mod inspect;

mod events;

mod process;

mod set_by_name;

/// Runs the body of an exported function. A panic never crosses into C.
#[inline]
fn catch<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| Err(fault(panic)))
}

#[cold]
#[inline(never)] // Otherwise it is inlined into every function.
fn fault(panic: Box<dyn Any + Send>) -> Error {
    let why = panic_message(&*panic).unwrap_or("a panic");
    let message = format!("a fault in the library itself, please report it: {why}");
    Error::new(Status::POOL_ERR_STATE, message)
}

/// [`catch`], as a status.
#[inline]
fn boundary(body: impl FnOnce() -> Result<()>) -> pool_status_t {
    status_of(&catch(body))
}

#[inline]
fn status_of<T>(outcome: &Result<T>) -> pool_status_t {
    match outcome {
        Ok(_) => Status::POOL_OK as pool_status_t,
        Err(error) => error.status as pool_status_t,
    }
}

/// Writes what the body returns to an out-parameter, or `empty` if it fails. Without an
/// out-parameter the body does not run.
#[inline]
fn write_out<T: Copy>(
    out: Option<&mut MaybeUninit<T>>,
    empty: T,
    body: impl FnOnce() -> Result<T>,
) -> Result<()> {
    let out = required(out)?;
    let found = catch(body);
    out.write(*found.as_ref().unwrap_or(&empty));
    found.map(drop)
}

/// Writes what the body returns to an optional out-parameter, or 0 if it fails. The body runs
/// without one, too.
fn write_optional<T: Copy + Default>(
    out: Option<&mut MaybeUninit<T>>,
    body: impl FnOnce() -> Result<T>,
) -> pool_status_t {
    let found = catch(body);
    if let Some(out) = out {
        out.write(*found.as_ref().unwrap_or(&T::default()));
    }
    status_of(&found)
}

/// Returns the status of an outcome, after filling in the caller's error.
fn write_error(outcome: Result<()>, out: Option<&mut MaybeUninit<pool_error_t>>) -> pool_status_t {
    let status = status_of(&outcome);
    if let Some(out) = out {
        let detail = outcome.err().and_then(|error| error.detail().cloned()).unwrap_or_default();
        let mut message = [0; 216];
        let description =
            || Status::from_number(status).map_or(c"", Status::description).to_bytes();
        let text = match detail.message.as_bytes() {
            [] => description(),
            text => text,
        };
        copy_text(text, &mut message);
        out.write(pool_error_t {
            status,
            task_code: detail.task_code,
            os_errno: detail.os_errno,
            exit_code: detail.exit_code,
            signal: detail.signal,
            worker_pid: detail.worker_pid,
            message,
        });
    }
    status
}

/// Copies a text and a NUL, cut between two characters if it is too long.
fn copy_text(text: &[u8], into: &mut [c_char]) {
    let mut len = text.len().min(into.len() - 1);
    while len < text.len() && text[len] & 0xc0 == 0x80 {
        len -= 1;
    }
    for (to, from) in into.iter_mut().zip(&text[..len]) {
        *to = *from as c_char;
    }
}

/// A required value: a non-NULL pointer, or a number in range.
#[inline]
fn required<T>(value: Option<T>) -> Result<T> {
    value.ok_or_else(|| Status::POOL_ERR_INVALID.into())
}

/// The bytes that a caller points to.
///
/// # Safety
/// The header: `len` bytes that can be read for as long as `'a`; NULL is refused.
#[inline]
unsafe fn bytes<'a>(data: *const c_void, len: usize) -> Result<&'a [u8]> {
    if len == 0 {
        return Ok(&[]);
    }
    if data.is_null() || len > isize::MAX as usize {
        return Err(Status::POOL_ERR_INVALID.into());
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(data.cast(), len) })
}

/// The buffer that a caller points to.
///
/// # Safety
/// The header: `len` bytes that can be written for as long as `'a`, and only by the callee; NULL is
/// refused.
unsafe fn bytes_mut<'a>(data: *mut c_void, len: usize) -> Result<&'a mut [u8]> {
    if len == 0 {
        return Ok(&mut []);
    }
    if data.is_null() || len > isize::MAX as usize {
        return Err(Status::POOL_ERR_INVALID.into());
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts_mut(data.cast(), len) })
}

/// The futures that a caller points to.
///
/// # Safety
/// The header: `n` handles that can be read for as long as `'a`; NULL is refused.
unsafe fn handles<'a>(futures: *const *mut future_t, n: usize) -> Result<&'a [FutureHandle]> {
    const { assert!(size_of::<FutureHandle>() == size_of::<*mut future_t>()) };
    const { assert!(align_of::<FutureHandle>() == align_of::<*mut future_t>()) };
    if n == 0 {
        return Ok(&[]);
    }
    if futures.is_null() || n > isize::MAX as usize / 8 {
        return Err(Status::POOL_ERR_INVALID.into());
    }
    // SAFETY: the caller's promise; a `FutureHandle` is a number of the size and alignment of a
    // pointer.
    Ok(unsafe { std::slice::from_raw_parts(futures.cast(), n) })
}

/// The array of a caller that receives futures, filled with NULL; None for NULL.
///
/// # Safety
/// The header: NULL, or room for `n` handles that only the callee writes to for as long as `'a`.
unsafe fn handles_out<'a>(
    futures: *mut *mut future_t,
    n: usize,
) -> Result<Option<&'a mut [FutureHandle]>> {
    if futures.is_null() || n == 0 {
        return Ok(None);
    }
    if n > isize::MAX as usize / 8 {
        return Err(Status::POOL_ERR_INVALID.into());
    }
    // SAFETY: the caller's promise. Zeros are handles of nothing: NULL.
    unsafe { futures.write_bytes(0, n) };
    // SAFETY: the caller's promise; `handles` checks that a `FutureHandle` has the size and alignment
    // of a pointer.
    Ok(Some(unsafe { std::slice::from_raw_parts_mut(futures.cast(), n) }))
}

/// The string that a caller points to; None for NULL.
///
/// # Safety
/// The header: NULL, or a string that ends with NUL and can be read for as long as `'a`.
unsafe fn c_string<'a>(text: *const c_char) -> Option<&'a CStr> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    Some(unsafe { CStr::from_ptr(text) })
}

/// [`c_string`] in UTF-8.
///
/// # Safety
/// See [`c_string`].
unsafe fn utf8<'a>(text: *const c_char) -> Result<Option<&'a str>> {
    // SAFETY: the caller's promise.
    let Some(text) = (unsafe { c_string(text) }) else { return Ok(None) };
    text.to_str().map(Some).map_err(|_| invalid("a string is not UTF-8"))
}

/// The strings of a list that ends with NULL; None for NULL.
///
/// # Safety
/// The header: NULL, or a list that ends with NULL, of strings as for [`c_string`].
unsafe fn c_strings<'a>(list: *const *const c_char) -> Option<Vec<&'a CStr>> {
    if list.is_null() {
        return None;
    }
    let mut strings = Vec::new();
    for index in 0.. {
        // SAFETY: the caller's promise: the list has not ended before this index.
        let text = unsafe { *list.wrapping_add(index) };
        // SAFETY: the caller's promise.
        match unsafe { c_string(text) } {
            Some(text) => strings.push(text),
            None => break,
        }
    }
    Some(strings)
}

/// A struct of the caller's that begins with its size. A shorter one, from an older header, is
/// padded with zeros; the additional fields of a longer one, from a newer header, must be zero.
///
/// # Safety
/// See [`sized_prefix`].
unsafe fn sized<T>(given: *const T) -> Result<T> {
    // SAFETY: the caller's promise.
    let (known, is_known) = unsafe { sized_prefix(given) }?;
    is_known.map(|()| known)
}

/// [`sized`], with the fields that are known also of a struct that has others; the second value is
/// then an error.
///
/// # Safety
/// The header: NULL, or a struct that begins with its size, of which as many bytes can be read. `T`
/// is a struct of C types that begins with a `usize`, and for which all zeros are a value.
unsafe fn sized_prefix<T>(given: *const T) -> Result<(T, Result<()>)> {
    const { assert!(align_of::<T>() == align_of::<u64>()) };
    if given.is_null() || !given.is_aligned() {
        return Err(Status::POOL_ERR_INVALID.into());
    }
    // SAFETY: the caller's promise: the struct begins with its size.
    let size = unsafe { given.cast::<usize>().read() };
    // The size of a struct is a multiple of its alignment, and no field crosses such a multiple:
    // another size would cut a pointer or a number in two.
    if size < size_of::<usize>() || size > SIZE_MAX || !size.is_multiple_of(align_of::<T>()) {
        return Err(invalid("struct_size is not that of the struct"));
    }
    // SAFETY: the caller's promise: as many bytes can be read.
    let bytes = unsafe { std::slice::from_raw_parts(given.cast::<u8>(), size) };
    let own = size.min(size_of::<T>());
    let is_known = match bytes[own..].iter().all(|byte| *byte == 0) {
        true => Ok(()),
        false => {
            let words = "the struct has fields that this version of the library does not know";
            Err(Error::new(Status::POOL_ERR_VERSION, words))
        }
    };
    let mut copy = MaybeUninit::<T>::zeroed();
    // SAFETY: `own` bytes are in both structs.
    unsafe { copy.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), own) };
    // SAFETY: the caller's promise: zeros and the caller's fields are a value.
    Ok((unsafe { copy.assume_init() }, is_known))
}

/// An upper bound for the size of every struct of the header, now and later.
const SIZE_MAX: usize = 4096;

/// The user's pointer, and the function that is called once when the library no longer needs it.
struct User {
    pointer: *mut c_void,
    drop: pool_drop_fn,
}

// SAFETY: the header: callbacks and the drop function are called from any thread.
unsafe impl Send for User {}
// SAFETY: as above; a shared `User` only gives the pointer out.
unsafe impl Sync for User {}

impl Drop for User {
    fn drop(&mut self) {
        if let Some(drop) = self.drop {
            // SAFETY: the header: a function that takes this pointer.
            unsafe { drop(self.pointer) };
        }
    }
}

fn invalid(words: &str) -> Error {
    Error::new(Status::POOL_ERR_INVALID, words)
}

fn unsupported(words: &str) -> Error {
    Error::new(Status::POOL_ERR_UNSUPPORTED, words)
}

/// A C callback, with its last argument.
fn callback(
    function: unsafe extern "C-unwind" fn(*mut future_t, *mut c_void),
    user: Arc<User>,
) -> crate::pool::Callback {
    Box::new(move |future| {
        let user = user;
        // SAFETY: the header: a function that takes a future and this pointer.
        unsafe { function(future.into(), user.pointer) };
    })
}
