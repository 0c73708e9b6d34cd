//! What a pool is made from, checked.

use super::spec::Callee;
use crate::error::{Result, Status};
use crate::watch::events::Observers;
use crate::watch::limits::TimeLimits;
use crate::watch::state::{Plan, PoolKind, StopMode};
use rustix::process::Signal;
use std::ffi::CString;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) name: String,
    pub(crate) kind: PoolKind,
    pub(crate) plan: Plan,
    /// In milliseconds; see [`crate::board::IDLE_NOW`].
    pub(crate) idle_ms: i64,
    /// 0: any number.
    pub(crate) tasks_max: u64,
    /// In bytes; 0: any.
    pub(crate) memory_max: u64,
    /// The most tasks that wait; 0: any number.
    pub(crate) max_pending: u64,
    /// Workers take several tasks from the queue at once.
    pub(crate) is_batched: bool,
    /// Of tasks that bring none of their own.
    pub(crate) limits: TimeLimits,
    /// Who hears of what happens to workers.
    pub(crate) observers: Observers,
    /// The caller runs the callbacks.
    pub(crate) is_external: bool,
    /// Sent to a worker process whose task has passed its soft limit.
    pub(crate) soft_signal: Option<Signal>,
    pub(crate) initializer: Option<Arc<HookSpec>>,
    pub(crate) finalizer: Option<Arc<HookSpec>>,
    pub(crate) tick: Option<Tick>,
    /// What is done to an open pool at the program's exit; None: nothing.
    pub(crate) at_exit: Option<StopMode>,
}

/// The largest number of workers of one pool.
pub(crate) const WORKERS_MAX: u32 = crate::board::layout::SEATS_MAX as u32;

/// What the caller has called now and then while it waits for the pool to end.
#[derive(Clone)]
pub(crate) struct Tick {
    pub(crate) every: Duration,
    pub(crate) call: Arc<dyn Fn() + Send + Sync>,
}

/// A function to be run in every worker, with its arguments.
pub(crate) struct HookSpec {
    pub(crate) callee: OwnedCallee,
    pub(crate) args: Vec<u8>,
}

/// [`Callee`] with words of its own, as C has them.
pub(crate) enum OwnedCallee {
    Pointer(usize),
    Names(CString, CString),
}

impl OwnedCallee {
    pub(crate) fn of(callee: Callee<'_>) -> Result<OwnedCallee> {
        let owned = |text: &str| CString::new(text).map_err(|_| Status::POOL_ERR_INVALID);
        Ok(match callee {
            Callee::Pointer(pointer) => OwnedCallee::Pointer(pointer),
            Callee::Names(module, symbol) => OwnedCallee::Names(owned(module)?, owned(symbol)?),
        })
    }

    pub(crate) fn as_callee(&self) -> Callee<'_> {
        match self {
            OwnedCallee::Pointer(pointer) => Callee::Pointer(*pointer),
            OwnedCallee::Names(module, symbol) => {
                Callee::Names(module.to_str().unwrap_or(""), symbol.to_str().unwrap_or(""))
            }
        }
    }
}
