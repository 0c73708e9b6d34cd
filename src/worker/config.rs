//! What workers are made of: what all of a pool have in common, and what a worker process is.

use super::exec_context::ExecContext;
use super::inherit_fds::InheritedFds;
use std::ffi::CString;

/// What all workers of a pool live by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct WorkerConfig {
    /// Seats below this stay, however long they have nothing to do.
    pub(crate) min_workers: u32,
    /// After so many tasks a worker leaves; 0: after any number it stays.
    pub(crate) tasks_max: u64,
    /// Slots that hold a function with its arguments, to be run at the beginning and at the end.
    pub(crate) initializer: Option<u32>,
    pub(crate) finalizer: Option<u32>,
    /// How many processes stand above a worker that were started by a pool, itself included.
    pub(crate) depth: u32,
    /// A worker process with more resident memory than this leaves, in bytes; 0: it stays.
    pub(crate) memory_max: u64,
    /// How many bytes of [`exec_context`] follow a worker's welcome.
    pub(crate) exec_context_len: u32,
    /// The parent's [`clock::scale`]; 0: this process is the parent.
    pub(crate) scale: u64,
}

/// What worker processes are made of; fixed when the pool is made.
pub(crate) struct ProcessConfig {
    pub(crate) start: StartMethod,
    /// The program that the user names.
    pub(crate) executable: Option<CString>,
    /// None: a copy of the caller keeps what it has.
    pub(crate) environment: Option<Vec<CString>>,
    pub(crate) directory: Option<CString>,
    /// Paths of modules to open at start.
    pub(crate) modules: Vec<String>,
    /// Paths of modules that a template opens where it can.
    pub(crate) preload: Vec<String>,
    pub(crate) inherited_fds: InheritedFds,
    pub(crate) exec_context: ExecContext,
}

/// How a worker process comes to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StartMethod {
    /// A program is executed for each.
    Spawn,
    /// Forked from a template, which is a program that was executed.
    Forkserver,
    /// Forked from a template, which is a copy of the caller.
    Fork { with_threads: bool },
}

/// Which program a worker process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Image {
    /// The helper, where it is to be found; else the main program.
    Helper,
    /// The main program.
    MainProgram,
}
