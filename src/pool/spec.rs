//! What is submitted: a function, its bytes, and what few tasks have beside them.

use super::{BufferHandle, Callback, FutureHandle, OnAccept, TaskOptions, TimeLimits};
use crate::board::priority::Priority;
use crate::error::Result;
use crate::sync::Deadline;
use crate::watch::state::PoolState;
use std::sync::Arc;

/// The function of a task.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Callee<'a> {
    Pointer(usize),
    /// By module and symbol; an empty module is the main program.
    Names(&'a str, &'a str),
}

/// A task to be submitted.
pub(crate) struct TaskSpec<'a> {
    pub(crate) callee: Callee<'a>,
    pub(crate) args: Args<'a>,
    /// It is part of something that was begun when the pool was open: only a stop keeps it out.
    pub(crate) after_close: bool,
    /// None, as a rule.
    pub(crate) options: Option<&'a SubmitOptions>,
}

/// What few tasks have.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SubmitOptions {
    pub(crate) options: Option<TaskOptions>,
    /// It is cancelled unless it starts within so many milliseconds.
    pub(crate) start_within_ms: Option<u64>,
    /// How long its submit waits for a place in a bounded queue.
    pub(crate) submit_deadline: Deadline,
    pub(crate) priority: Priority,
}

impl SubmitOptions {
    /// The limits that a task has which wants other ones than usual, if it may.
    pub(super) fn limits(&self, state: &PoolState) -> Result<Option<TimeLimits>> {
        let resolve = |options: TaskOptions| state.limits.resolve(options.soft, options.hard);
        let limits = self.options.map(resolve);
        limits.map_or(Ok(()), |limits| limits.check(&state.kind))?;
        Ok(limits)
    }
}

/// [`super::OnTimeout`], with the future.
pub(crate) type OnTimeoutOf = Arc<dyn Fn(FutureHandle, bool, i64) + Send + Sync>;

/// What is to be called about one task.
#[derive(Default)]
pub(crate) struct SubmitCallbacks {
    pub(crate) on_accept: Option<OnAccept>,
    pub(crate) on_timeout: Option<OnTimeoutOf>,
    pub(crate) on_done: Option<Callback>,
}

#[derive(Clone, Copy)]
pub(crate) enum Args<'a> {
    Bytes(&'a [u8]),
    Buffer(BufferHandle),
    /// The parts of a chunk (see [`crate::worker::chunk`]), to be laid one behind the other.
    Chunk([&'a [u8]; 2]),
}

impl<'a> TaskSpec<'a> {
    pub(crate) fn pointer(pointer: usize, args: &'a [u8]) -> TaskSpec<'a> {
        TaskSpec {
            callee: Callee::Pointer(pointer),
            args: Args::Bytes(args),
            after_close: false,
            options: None,
        }
    }
}
