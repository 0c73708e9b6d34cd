//! Errors: the table of statuses, and the error type, which carries a status and its details.
//!
//! To add a status: add the variant with its doc comment (it becomes the header's), and its row in
//! [`TABLE`]. Numbers are never changed or reused.
#![forbid(unsafe_code)]

use crate::fd;
pub(crate) use pool_status as Status;
use pool_status::*;
use serde::{Deserialize, Serialize};
use std::ffi::CStr;

/// Status codes returned by most functions. 0 is success; the numbers never change.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(non_camel_case_types, reason = "the enumerators are C names")]
pub enum pool_status {
    /// Success.
    POOL_OK = 0,
    /// An argument is NULL or out of range, or a handle is invalid or was freed.
    POOL_ERR_INVALID = 1,
    /// Out of memory.
    POOL_ERR_NOMEM = 2,
    /// A system call failed; os_errno and the message give the details.
    POOL_ERR_OS = 3,
    /// The timeout expired. Nothing else has changed, unless the function says otherwise: the call
    /// can be repeated.
    POOL_ERR_TIMEOUT = 4,
    /// The pool is closed or has been shut down.
    POOL_ERR_CLOSED = 5,
    /// The pool is broken: it can no longer start workers, or has lost one with POOL_LOST_BREAK. Of
    /// a task: it was cancelled because its pool became broken; the message gives the reason.
    POOL_ERR_BROKEN = 6,
    /// The pool is broken because its initializer failed.
    POOL_ERR_INITIALIZER = 7,
    /// The pool is broken because its finalizer failed.
    POOL_ERR_FINALIZER = 8,
    /// The task was cancelled, either before it ran or together with its worker.
    POOL_ERR_CANCELLED = 9,
    /// The task's function failed; task_code and the message are those that it set.
    POOL_ERR_TASK = 10,
    /// The worker running the task was lost: it crashed, exited, or was killed.
    POOL_ERR_WORKER_LOST = 11,
    /// The task exceeded its hard time limit and was killed.
    POOL_ERR_HARD_LIMIT = 12,
    /// The task was killed while running because its pool was stopped (POOL_STOP_KILL,
    /// pool_terminate).
    POOL_ERR_TERMINATED = 13,
    /// The pool is broken because workers failed to start too often; see
    /// pool_options_t.max_restarts.
    POOL_ERR_RESTARTS = 14,
    /// There is currently no capacity for another task or object.
    POOL_ERR_FULL = 15,
    /// The data does not fit into the available space.
    POOL_ERR_TOO_LARGE = 16,
    /// The module or symbol does not exist, or comes from a different build; the message explains
    /// how to fix it.
    POOL_ERR_FUNCTION = 17,
    /// The call would deadlock: it was made by a task, or a callback, that it would have to wait
    /// for.
    POOL_ERR_DEADLOCK = 18,
    /// The handle belongs to the process from which this one was forked.
    POOL_ERR_WRONG_PROCESS = 19,
    /// The task has not finished.
    POOL_ERR_NOT_DONE = 20,
    /// The call is not valid in the current state of the object.
    POOL_ERR_STATE = 21,
    /// There are no more items.
    POOL_ERR_END = 22,
    /// The operation or option is not supported by this version of the library or this kind of
    /// pool.
    POOL_ERR_UNSUPPORTED = 23,
    /// The task did not start before its deadline.
    POOL_ERR_EXPIRED = 24,
    /// The struct or the worker belongs to a different version of the library.
    POOL_ERR_VERSION = 25,
}

/// Each status with its name and its description.
const TABLE: [(Status, &CStr, &CStr); 26] = [
    (POOL_OK, c"POOL_OK", c"success"),
    (POOL_ERR_INVALID, c"POOL_ERR_INVALID", c"invalid argument or handle"),
    (POOL_ERR_NOMEM, c"POOL_ERR_NOMEM", c"not enough memory"),
    (POOL_ERR_OS, c"POOL_ERR_OS", c"the operating system refused"),
    (POOL_ERR_TIMEOUT, c"POOL_ERR_TIMEOUT", c"the time given has passed"),
    (POOL_ERR_CLOSED, c"POOL_ERR_CLOSED", c"the pool is closed"),
    (POOL_ERR_BROKEN, c"POOL_ERR_BROKEN", c"the pool is broken"),
    (POOL_ERR_INITIALIZER, c"POOL_ERR_INITIALIZER", c"the initializer failed"),
    (POOL_ERR_FINALIZER, c"POOL_ERR_FINALIZER", c"the finalizer failed"),
    (POOL_ERR_CANCELLED, c"POOL_ERR_CANCELLED", c"the task was cancelled"),
    (POOL_ERR_TASK, c"POOL_ERR_TASK", c"the task failed"),
    (POOL_ERR_WORKER_LOST, c"POOL_ERR_WORKER_LOST", c"the worker running the task is gone"),
    (POOL_ERR_HARD_LIMIT, c"POOL_ERR_HARD_LIMIT", c"the task passed its hard limit"),
    (POOL_ERR_TERMINATED, c"POOL_ERR_TERMINATED", c"the task was killed on request"),
    (POOL_ERR_RESTARTS, c"POOL_ERR_RESTARTS", c"workers died too often while starting"),
    (POOL_ERR_FULL, c"POOL_ERR_FULL", c"no room for another task"),
    (POOL_ERR_TOO_LARGE, c"POOL_ERR_TOO_LARGE", c"too many bytes"),
    (POOL_ERR_FUNCTION, c"POOL_ERR_FUNCTION", c"the function cannot be found in the worker"),
    (POOL_ERR_DEADLOCK, c"POOL_ERR_DEADLOCK", c"the call would wait for itself"),
    (
        POOL_ERR_WRONG_PROCESS,
        c"POOL_ERR_WRONG_PROCESS",
        c"the handle belongs to the parent process",
    ),
    (POOL_ERR_NOT_DONE, c"POOL_ERR_NOT_DONE", c"the task has not finished"),
    (POOL_ERR_STATE, c"POOL_ERR_STATE", c"not possible in this state"),
    (POOL_ERR_END, c"POOL_ERR_END", c"nothing more to come"),
    (POOL_ERR_UNSUPPORTED, c"POOL_ERR_UNSUPPORTED", c"not supported by this version"),
    (POOL_ERR_EXPIRED, c"POOL_ERR_EXPIRED", c"the task was not started in time"),
    (POOL_ERR_VERSION, c"POOL_ERR_VERSION", c"another version of the library"),
];

impl Status {
    /// The status with this number, if there is one.
    pub(crate) fn from_number(number: i32) -> Option<Status> {
        let row = TABLE.get(usize::try_from(number).ok()?)?;
        Some(row.0)
    }

    pub(crate) fn name(self) -> &'static CStr {
        TABLE[self as usize].1
    }

    pub(crate) fn description(self) -> &'static CStr {
        TABLE[self as usize].2
    }
}

/// A status, with the details that are known. Cheap if there are none.
#[derive(Debug)]
pub(crate) struct Error {
    pub(crate) status: Status,
    detail: Option<Box<Detail>>,
}

/// The details of an error. Zero means unknown.
#[derive(Debug, Default, Clone)]
pub(crate) struct Detail {
    pub(crate) task_code: i32,
    pub(crate) os_errno: i32,
    pub(crate) exit_code: i32,
    pub(crate) signal: i32,
    pub(crate) worker_pid: i64,
    pub(crate) message: String,
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(status: Status, message: impl Into<String>) -> Error {
        let message = message.into();
        Error::with_detail(status, Detail { message, ..Detail::default() })
    }

    pub(crate) fn with_detail(status: Status, detail: Detail) -> Error {
        Error { status, detail: Some(Box::new(detail)) }
    }

    /// An error of a system call; `doing` names what was attempted.
    pub(crate) fn os(doing: &str, errno: rustix::io::Errno) -> Error {
        let reason = std::io::Error::from(errno);
        let status = match errno {
            rustix::io::Errno::NOMEM => POOL_ERR_NOMEM,
            _ => POOL_ERR_OS,
        };
        let message = format!("{doing}: {reason}");
        Error::with_detail(
            status,
            Detail { os_errno: errno.raw_os_error(), message, ..Detail::default() },
        )
    }

    /// An error that another process has reported in a message.
    pub(crate) fn from_peer(status: Status, os_errno: i32, message: String) -> Error {
        Error::with_detail(status, Detail { os_errno, message, ..Detail::default() })
    }

    /// Whether what failed may succeed in a moment, because something was short.
    pub(crate) fn is_shortage(&self) -> bool {
        let errno = self.detail().map_or(0, |detail| detail.os_errno);
        // 0 is none, which the type cannot express.
        errno > 0 && fd::is_shortage(rustix::io::Errno::from_raw_os_error(errno))
    }

    pub(crate) fn detail(&self) -> Option<&Detail> {
        self.detail.as_deref()
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Error {
        Error { status, detail: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_the_row_of_its_number() {
        for (number, (status, name, _)) in TABLE.iter().enumerate() {
            assert_eq!(*status as usize, number);
            assert_eq!(name.to_str().unwrap(), format!("{status:?}"));
        }
    }
}
