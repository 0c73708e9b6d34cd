//! What workers are made of: the configuration that all of a pool have in common, and that of
//! worker processes.

use super::exec_context::ExecContext;
use super::inherit_fds::InheritedFds;
use super::opened_program::OpenedProgram;
use crate::board::functions::Identity;
use serde::{Deserialize, Serialize};
use std::ffi::CString;

/// The configuration of a worker, sent to it when it starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WorkerConfig {
    /// The workers of the seats below this one never exit because they are idle.
    pub(crate) min_workers: u32,
    /// The maximum number of tasks that a worker runs; 0: unlimited.
    pub(crate) tasks_max: u64,
    /// Slots that hold the hooks with their arguments.
    pub(crate) initializer: Option<u32>,
    pub(crate) finalizer: Option<u32>,
    /// How many of a worker's ancestors are workers themselves, the worker included.
    pub(crate) depth: u32,
    /// The maximum resident memory of a worker process between two tasks, in bytes; 0: unlimited.
    pub(crate) memory_max: u64,
    /// The number of the signal that the parent sends when a soft limit has passed; 0: none.
    pub(crate) soft_signal: i32,
    /// The parent's [`crate::clock::scale`]; 0: this process is the parent.
    pub(crate) scale: u64,
    /// Of an isolated worker, which has the only seat of a board of its own: its seat in the pool.
    pub(crate) isolated_seat: Option<u16>,
}

/// The configuration of a pool's worker processes; fixed when the pool is made.
pub(crate) struct ProcessConfig {
    pub(crate) start: StartMethod,
    /// The program that workers execute, where the user names one.
    pub(crate) executable: Option<OpenedProgram>,
    /// The helper program, where it is installed.
    pub(crate) helper: Option<OpenedProgram>,
    /// None: a copy of the caller keeps what it has.
    pub(crate) environment: Option<Vec<CString>>,
    pub(crate) directory: Option<CString>,
    /// Modules to open at start.
    pub(crate) modules: Vec<ModuleFile>,
    /// Paths of modules that a fork server opens where it can.
    pub(crate) preload: Vec<String>,
    pub(crate) inherited_fds: InheritedFds,
    pub(crate) exec_context: ExecContext,
    /// Each worker has a board of its own, and maps no other.
    pub(crate) is_isolated: bool,
}

impl ProcessConfig {
    /// Whether workers are copies of the caller, which execute no program.
    pub(crate) fn is_copy(&self) -> bool {
        matches!(self.start, StartMethod::Fork { .. })
    }

    /// The paths of the modules to open at start, separated by NULs.
    pub(crate) fn module_paths(&self) -> String {
        let paths: Vec<&str> = self.modules.iter().map(|module| module.path.as_str()).collect();
        paths.join("\0")
    }

    /// Their identities, one after the other.
    pub(crate) fn module_identities(&self) -> Vec<u8> {
        self.modules.iter().flat_map(|module| module.identity).collect()
    }
}

/// A module that workers open.
pub(crate) struct ModuleFile {
    pub(crate) path: String,
    /// Its build when the pool was made.
    pub(crate) identity: Identity,
}

/// How a worker process is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StartMethod {
    /// A program is executed for each.
    Spawn,
    /// Forked from a fork server that is a program of its own.
    Forkserver,
    /// Forked from a fork server that is a copy of the caller.
    Fork { with_threads: bool },
}

/// Which program a worker process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Image {
    /// The helper program where it is found, else the main program.
    Helper,
    MainProgram,
}
