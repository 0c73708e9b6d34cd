//! Calls that concern the whole process: running as a worker, exit, CPUs, versions, names of statuses.
#![allow(rustdoc::invalid_rust_codeblocks, reason = "the example is C")]

use super::enums::stop_mode_from;
use super::types::*;
use super::{User, boundary, required};
use crate::error::Status;
use crate::{pool, worker};
use std::ffi::{c_char, c_int, c_void};
use std::mem::MaybeUninit;

/// To be called first in main by a program that may be started as its own worker:
///
///     int main(int argc, char **argv) {
///         int code = pool_worker_main(argc, argv);
///         if (code >= 0) return code;
///         ...
///
/// Programs that are linked dynamically need not call it: a worker process never reaches their
/// main. One that is linked with -static needs it, and so does a worker_executable of one's own.
///
/// @return -1 in a program that was not started as a worker; else the exit code, after the worker's
///         work is done
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_worker_main(argc: c_int, argv: *mut *mut c_char) -> c_int {
    worker::child::worker_main(argc, argv.cast_const().cast())
}

/// Shuts all pools of this process down that are open, at the same time; see pool_shutdown.
///
/// @param mode        see enum pool_stop
/// @param timeout_ms  how long to wait for all together, POOL_FOREVER, or 0: do not block
/// @return POOL_OK; POOL_ERR_TIMEOUT; POOL_ERR_DEADLOCK: called from a task or a callback of one of
///         them, which was left out; POOL_ERR_INVALID
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_shutdown_all(mode: pool_stop_t, timeout_ms: i64) -> pool_status_t {
    boundary(|| {
        let mode = stop_mode_from(mode)?;
        pool::shutdown_all(mode, timeout_ms)
    })
}

/// Has a function called once when the program exits, before the pools that are still open are shut
/// down; several in the order in which they were added. A forked child does not inherit them.
///
/// @param function  what to call
/// @param user      its argument
/// @param drop      called once with user after the call, or when the function is removed, or when this
///                  call fails; may be NULL
/// @param id        receives a number for pool_remove_at_exit; may be NULL
/// @return POOL_OK; POOL_ERR_INVALID
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_at_exit(
    function: pool_exit_fn,
    user: *mut c_void,
    drop: pool_drop_fn,
    id: Option<&mut MaybeUninit<u64>>,
) -> pool_status_t {
    let user = User { pointer: user, drop };
    let mut number = 0;
    let status = boundary(|| {
        let function = required(function)?;
        number = pool::add_exit_handler(Box::new(move || {
            let user = user;
            // SAFETY: the header: a function that takes this pointer.
            unsafe { function(user.pointer) };
        }));
        Ok(())
    });
    if let Some(id) = id {
        id.write(number);
    }
    status
}

/// Removes a function that was added by pool_at_exit.
///
/// @return POOL_OK: it will not be called; POOL_ERR_INVALID: there is none with this number, or it
///         has been called
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_remove_at_exit(id: u64) -> pool_status_t {
    boundary(|| pool::remove_exit_handler(id))
}

/// How many pools there are that have not been freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_count_live() -> usize {
    pool::count_live()
}

/// How many CPUs this process may use: the least of its affinity mask and its cgroup's quota; at
/// least 1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_available_cpus() -> u32 {
    pool::available_cpus()
}

/// The version of the library that is loaded: MAJOR * 1000000 + MINOR * 1000 + PATCH.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_version() -> u32 {
    POOL_VERSION_MAJOR * 1_000_000 + POOL_VERSION_MINOR * 1_000 + POOL_VERSION_PATCH
}

/// The version of the library that is loaded, such as "0.1.0". Not to be freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_version_string() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// The name of a status, such as "POOL_ERR_TIMEOUT"; "POOL_ERR_?" for a number that is none. Not to
/// be freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_status_name(status: pool_status_t) -> *const c_char {
    Status::from_number(status).map_or(c"POOL_ERR_?", Status::name).as_ptr()
}

/// A status in words, such as "the time given has passed"; "unknown status" for a number that is
/// none. Not to be freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_status_string(status: pool_status_t) -> *const c_char {
    Status::from_number(status).map_or(c"unknown status", Status::description).as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_agree() {
        let numbers = format!("{POOL_VERSION_MAJOR}.{POOL_VERSION_MINOR}.{POOL_VERSION_PATCH}");
        assert_eq!(numbers, env!("CARGO_PKG_VERSION"));
    }
}
