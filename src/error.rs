//! What can go wrong: one table of statuses, and the error that carries one with its details.
//!
//! To add a status: add the variant with its doc comment (it becomes the header's), and its row in
//! [`TABLE`]. Numbers are never changed and never used again.

pub(crate) use pool_status as Status;
use pool_status::*;
use serde::{Deserialize, Serialize};
use std::ffi::CStr;

/// What a call answers. 0 is success; the numbers never change.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(non_camel_case_types, reason = "the enumerators are C names")]
pub enum pool_status {
    /// Done.
    POOL_OK = 0,
    /// An argument is NULL, out of range, or a handle that was freed or never was one.
    POOL_ERR_INVALID = 1,
    /// There is not enough memory.
    POOL_ERR_NOMEM = 2,
    /// The operating system refused; os_errno and the message tell what.
    POOL_ERR_OS = 3,
    /// The time given has passed. Nothing else has changed: the call may be made again.
    POOL_ERR_TIMEOUT = 4,
    /// The pool is closed, or was shut down before.
    POOL_ERR_CLOSED = 5,
    /// The pool is broken: it cannot start workers any more.
    POOL_ERR_BROKEN = 6,
    /// The pool is broken by its initializer.
    POOL_ERR_INITIALIZER = 7,
    /// The pool is broken by its finalizer.
    POOL_ERR_FINALIZER = 8,
    /// The task was cancelled before it ran.
    POOL_ERR_CANCELLED = 9,
    /// The task itself failed; task_code and the message are its own.
    POOL_ERR_TASK = 10,
    /// The worker that ran the task is gone: killed, crashed, or left by exit.
    POOL_ERR_WORKER_LOST = 11,
    /// The task was stopped by its hard limit.
    POOL_ERR_HARD_LIMIT = 12,
    /// The task was running when it was killed on request.
    POOL_ERR_TERMINATED = 13,
    /// Workers died too often while they started.
    POOL_ERR_RESTARTS = 14,
    /// There is no room for another task now.
    POOL_ERR_FULL = 15,
    /// The bytes are more than fit.
    POOL_ERR_TOO_LARGE = 16,
    /// No such module or symbol, or not the same build of it; the message says what to do.
    POOL_ERR_FUNCTION = 17,
    /// The call would wait for itself: it was made by a task of the same pool.
    POOL_ERR_DEADLOCK = 18,
    /// The handle belongs to the process that this one was forked from.
    POOL_ERR_WRONG_PROCESS = 19,
    /// The task has not finished.
    POOL_ERR_NOT_DONE = 20,
    /// The object is in a state in which the call has no meaning.
    POOL_ERR_STATE = 21,
    /// There is nothing more to come.
    POOL_ERR_END = 22,
    /// This version of the library does not do that.
    POOL_ERR_UNSUPPORTED = 23,
    /// The task was not started before its deadline.
    POOL_ERR_EXPIRED = 24,
    /// The struct or the worker belongs to another version of the library.
    POOL_ERR_VERSION = 25,
}

/// Each status with its name and its sentence.
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

/// A status, with what is known about it. Cheap while there is nothing but the status.
#[derive(Debug)]
pub(crate) struct Error {
    pub(crate) status: Status,
    detail: Option<Box<Detail>>,
}

/// The parts of an error beside its status. Zero means not known.
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

    /// An error of the operating system, with what was being done.
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

    /// What another process told in a message.
    pub(crate) fn from_peer(status: Status, os_errno: i32, message: String) -> Error {
        Error::with_detail(status, Detail { os_errno, message, ..Detail::default() })
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
