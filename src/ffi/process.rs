//! Calls that concern the whole process: running as a worker, exit, CPUs, versions, and status
//! names.
#![allow(rustdoc::invalid_rust_codeblocks, reason = "the example is C")]

use super::enums::stop_mode_from;
use super::types::*;
use super::{User, boundary, required, write_optional};
use crate::error::Status;
use crate::{pool, worker};
use std::ffi::{c_char, c_int, c_void};
use std::mem::MaybeUninit;

/// Must be called first in main by a program that may be started as its own worker:
///
///     int main(int argc, char **argv) {
///         int code = pool_worker_main(argc, argv);
///         if (code >= 0) return code;
///         ...
///
/// Dynamically linked programs need not call it, because a worker process never reaches their main.
/// A program linked with -static must call it, and so must a custom worker_executable.
///
/// @return -1 in a program that was not started as a worker; otherwise the exit code, after the
///         worker has finished
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_worker_main(argc: c_int, argv: *mut *mut c_char) -> c_int {
    worker::child::worker_main(argc, argv.cast_const().cast())
}

/// Shuts down all open pools of this process at the same time; see pool_shutdown.
///
/// @param mode        see enum pool_stop
/// @param timeout_ms  maximum time to wait for all of them together; POOL_FOREVER: no timeout; 0:
///                    do not block
/// @return POOL_OK; POOL_ERR_TIMEOUT; POOL_ERR_DEADLOCK if called from a task or a callback of one
///         of the pools, which was not shut down; POOL_ERR_INVALID
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_shutdown_all(mode: pool_stop_t, timeout_ms: i64) -> pool_status_t {
    boundary(|| {
        let mode = stop_mode_from(mode)?;
        pool::shutdown_all(mode, timeout_ms)
    })
}

/// Registers a function to be called once when the program exits, before the pools that are still
/// open are shut down. Several functions are called in the order in which they were added. A forked
/// child does not inherit them.
///
/// @param function  function to call
/// @param user      its argument
/// @param drop      called once with user after the call, or when the function is removed, or if
///                  this call fails; may be NULL
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
    write_optional(id, || {
        let function = required(function)?;
        Ok(pool::add_exit_handler(Box::new(move || {
            let user = user;
            // SAFETY: the header: a function that takes this pointer.
            unsafe { function(user.pointer) };
        })))
    })
}

/// Removes a function that was added by pool_at_exit.
///
/// @param id  number returned by pool_at_exit
/// @return POOL_OK: it will not be called; POOL_ERR_INVALID if there is no function with this
///         number, or it has been called
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_remove_at_exit(id: u64) -> pool_status_t {
    boundary(|| pool::remove_exit_handler(id))
}

/// Returns the number of pools that have not been freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_count_live() -> usize {
    pool::count_live()
}

/// Returns the number of CPUs that this process may use: the smaller of its affinity mask and its
/// cgroup's quota, at least 1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_available_cpus() -> u32 {
    pool::available_cpus()
}

/// Returns the version of the loaded library: MAJOR * 1000000 + MINOR * 1000 + PATCH.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_version() -> u32 {
    POOL_VERSION_MAJOR * 1_000_000 + POOL_VERSION_MINOR * 1_000 + POOL_VERSION_PATCH
}

/// Returns the version of the loaded library, such as "0.1.0". Must not be freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_version_string() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// Returns the name of a status, such as "POOL_ERR_TIMEOUT"; "POOL_ERR_?" if there is no such
/// status. Must not be freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_status_name(status: pool_status_t) -> *const c_char {
    Status::from_number(status).map_or(c"POOL_ERR_?", Status::name).as_ptr()
}

/// Returns a description of a status, such as "the time given has passed"; "unknown status" if
/// there is no such status. Must not be freed.
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
