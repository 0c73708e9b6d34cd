//! The messages between the supervisor and a worker process or a fork server: a few in the life of
//! each, over a pair of sockets of their own. Everything else goes over the board.
//!
//! ```text
//!   supervisor ── Parent (its pidfd) ───────────────▶ worker     if it is executed, and not forked
//!              ── Init (the board's file, the seat) ─▶           then the bytes of its exec context, if any
//!              ◀── Initializing ────────────────────      if there is an initializer
//!              ◀── Ready, or StartFailed ───────────
//!              ◀── ResultFile (too large for the board) ──    any number
//!              ◀── Finalizing ──────────────────────      if there is a finalizer
//!              ◀── HookFailed ──────────────────────      if the initializer or finalizer has failed
//!              ◀── Exiting (why) ───────────────────
//!
//!   supervisor ── Parent, Init, Preload ────────────▶ fork server
//!              ◀── Ready, or StartFailed ───────────
//!              ── Fork (the channel of a worker) ───▶     any number
//!              ◀── Forked (its pidfd), or ForkFailed
//!              ── Signal ───────────────────────────▶     where the supervisor may not send it itself
//!              ── Wait ─────────────────────────────▶     for one that has exited, and how is not known
//!              ◀── Exited (how) ────────────────────
//!              ── Reap ─────────────────────────────▶     for each that was forked
//! ```
//!
//! A fork server that executes a program for each worker gets Program over the worker's channel.
//!
//! A message is encoded by postcard, and valid by itself. The supervisor holds each against
//! what its worker can have to say at the time; one that says anything else, or what does not decode,
//! is killed.

use super::config::{Image, WorkerConfig};
use crate::board::parent::side_table::TaskFailure;
use crate::error::{Detail, Error, Status};
use serde::{Deserialize, Serialize};
use std::ffi::{CStr, c_int};

/// The first argument of a worker process; the second is the number of its channel's descriptor.
pub(crate) const WORKER_ARGUMENT: &CStr = c"--carpool-worker";
/// The descriptor of the channel in a worker process; a higher one where it inherits this one.
pub(crate) const CHANNEL_FD: c_int = 3;
/// The exit code of a worker that could not start, and of one whose parent is gone.
pub(crate) const EXIT_START_FAILED: c_int = 71;
pub(super) const EXIT_PARENT_GONE: c_int = 72;
/// The environment variable that brings the library into a program that is not linked with it.
pub(crate) const PRELOAD_VARIABLE: &str = "LD_PRELOAD";

/// The longest text of a message; a longer one is cut.
const TEXT_MAX: usize = 1024;
/// The longest message.
pub(super) const MESSAGE_LEN_MAX: usize = TEXT_MAX + 256;

/// Why a worker exits. `pool_exit_reason_t` has the same values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ExitReason {
    /// The seat has had no worker.
    #[default]
    None,
    /// It was requested: the pool shuts down or is joined.
    Requested,
    /// It had no task for the idle timeout.
    IdleTimeout,
    /// It has run the maximum number of tasks.
    MaxTasks,
    /// It had more memory than allowed.
    MaxMemory,
    /// The pool restarts its workers.
    Restarted,
    /// The pool has shrunk.
    Shrunk,
    /// It crashed, exited, or was killed from outside.
    Lost,
    /// It was killed because a step of its life, or its task, took too long.
    TimeLimit,
    /// It was killed because its task was cancelled.
    Cancelled,
    /// The pool has killed it, to shut down. A worker reports this when it is about to be killed
    /// for its task.
    Killed,
    /// It could not start.
    StartFailed,
    /// It has a task whose function is in the main program, and runs another program.
    NeedsMainProgram,
    /// Its initializer or finalizer failed.
    HookFailed,
    /// Its task has asked for it.
    Retired,
}

impl ExitReason {
    /// Whether a worker that was started with this program can exit for this reason. A stray one
    /// that announces another reason is killed, and lost: a reason that only the supervisor gives,
    /// or that a worker of the main program needs the main program, which would run its task again
    /// without end.
    pub(crate) fn can_be_announced(self, image: Image) -> bool {
        match self {
            ExitReason::Requested
            | ExitReason::IdleTimeout
            | ExitReason::MaxTasks
            | ExitReason::MaxMemory
            | ExitReason::Retired
            | ExitReason::Killed => true,
            ExitReason::NeedsMainProgram => image == Image::Helper,
            ExitReason::None
            | ExitReason::Restarted
            | ExitReason::Shrunk
            | ExitReason::Lost
            | ExitReason::TimeLimit
            | ExitReason::Cancelled
            | ExitReason::StartFailed
            | ExitReason::HookFailed => false,
        }
    }
}

/// One of the two functions around a worker's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Hook {
    Initializer,
    Finalizer,
}

/// How a hook has failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HookFailure {
    pub(crate) hook: Hook,
    /// What the function returned; 0 when it could not be called.
    pub(crate) code: i32,
    pub(crate) message: String,
}

impl HookFailure {
    /// Why the pool is broken by it.
    pub(crate) fn into_task_failure(self) -> TaskFailure {
        let status = match self.hook {
            Hook::Initializer => Status::POOL_ERR_INITIALIZER,
            Hook::Finalizer => Status::POOL_ERR_FINALIZER,
        };
        let detail = Detail { task_code: self.code, message: self.message, ..Detail::default() };
        TaskFailure { status, detail }
    }
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Message {
    /// The first message to a process that was executed. A pidfd of the parent comes with it.
    Parent {
        role: Role,
    },
    /// What a process needs. The board's file comes with it, but for a worker that was forked: its
    /// fork server has mapped it. Where workers are isolated, each of them gets the file of its own
    /// board, and a fork server none.
    Init(Init),
    Ready,
    StartFailed {
        status: Status,
        errno: i32,
        message: String,
    },
    /// A result in a file of its own, which comes with the message.
    ResultFile {
        /// The slot of the task, and its generation.
        slot: u32,
        generation: u32,
        len: u64,
    },
    /// The initializer is about to run.
    Initializing,
    /// The finalizer is about to run.
    Finalizing,
    HookFailed(HookFailure),
    Exiting {
        reason: ExitReason,
    },
    /// Shared libraries that a fork server opens where it can, separated by NULs.
    Preload {
        modules: String,
    },
    /// The program of a worker, to the fork server that executes it. The bytes of the path follow,
    /// of what the loader gets, each with a NUL, and of the library to preload.
    Program {
        path_len: u32,
        loaded_len: u32,
        preload_len: u32,
        /// The program comes with the message, as a descriptor.
        has_file: bool,
    },
    /// Start a worker for this seat; its channel comes with the message.
    Fork {
        seat: u64,
        title: String,
    },
    /// It was started; its pidfd comes with the message.
    Forked {
        seat: u64,
        pid: i32,
    },
    ForkFailed {
        seat: u64,
        status: Status,
        errno: i32,
        message: String,
    },
    /// Send this signal to a worker; `group`: and to its process group.
    Signal {
        pid: i32,
        signal: i32,
        group: bool,
    },
    /// Tell how this worker has exited.
    Wait {
        pid: i32,
    },
    /// It has exited, with this status of wait(2); None: that cannot be known.
    Exited {
        pid: i32,
        status: Option<i32>,
    },
    /// This worker has exited, and its process id is not needed any more.
    Reap {
        pid: i32,
    },
}

/// What a process that was executed is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Role {
    Worker,
    /// It forks workers.
    ForkServer,
    /// It executes a program for each worker.
    SpawnServer,
}

/// What a process gets when it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Init {
    /// The library's version: parent and worker must have the same, as the board is the same.
    pub(crate) version: u64,
    pub(crate) seat: u16,
    /// The process id of the fork server that has started a worker; 0: this is a fork server.
    pub(crate) starter: i32,
    /// Whether the process runs the main program.
    pub(crate) is_main_program: bool,
    pub(crate) geometry: [u64; 6],
    pub(crate) worker_config: WorkerConfig,
    /// How many bytes follow: the exec context of a worker, the descriptors that the workers of a
    /// [`Role::SpawnServer`] inherit.
    pub(crate) bytes_len: u32,
    /// Shared libraries to open, separated by NULs. Before the other bytes their identities follow.
    pub(crate) modules: String,
    /// The build of the library; 0: it is not a shared library in the parent.
    pub(crate) library: u64,
}

impl Message {
    /// A start that has failed.
    pub(super) fn start_failed(error: &Error) -> Message {
        let detail = error.detail().cloned().unwrap_or_default();
        Message::StartFailed {
            status: error.status,
            errno: detail.os_errno,
            message: clip(&detail.message),
        }
    }

    /// A worker that a fork server could not start.
    pub(super) fn fork_failed(seat: u64, error: &Error) -> Message {
        let detail = error.detail().cloned().unwrap_or_default();
        Message::ForkFailed {
            seat,
            status: error.status,
            errno: detail.os_errno,
            message: clip(&detail.message),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        // It fails for values without a length or of unknown size, of which there are none here.
        postcard::to_stdvec(self).unwrap_or_default()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Message> {
        let (message, rest) = postcard::take_from_bytes(bytes).ok()?;
        rest.is_empty().then_some(message)
    }
}

/// A text that fits a message: its beginning, if it is too long.
pub(super) fn clip(text: &str) -> String {
    let mut end = TEXT_MAX.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn init() -> Init {
        Init {
            version: u64::MAX,
            seat: u16::MAX,
            starter: i32::MIN,
            is_main_program: true,
            geometry: [u64::MAX; 6],
            worker_config: WorkerConfig {
                min_workers: u32::MAX,
                tasks_max: u64::MAX,
                initializer: Some(0),
                finalizer: None,
                depth: u32::MAX,
                memory_max: u64::MAX,
                soft_signal: i32::MIN,
                scale: u64::MAX,
                isolated_seat: Some(u16::MAX),
            },
            bytes_len: u32::MAX,
            modules: "é".repeat(TEXT_MAX / 2),
            library: u64::MAX,
        }
    }

    #[test]
    fn a_worker_announces_only_reasons_of_its_own() {
        assert!(ExitReason::MaxTasks.can_be_announced(Image::Helper));
        assert!(!ExitReason::Restarted.can_be_announced(Image::Helper));
        assert!(ExitReason::NeedsMainProgram.can_be_announced(Image::Helper));
        assert!(!ExitReason::NeedsMainProgram.can_be_announced(Image::MainProgram));
    }

    #[test]
    fn every_message_comes_back_and_fits() {
        let hook_failure = HookFailure {
            hook: Hook::Finalizer,
            code: i32::MIN,
            message: clip(&"é".repeat(TEXT_MAX)),
        };
        let messages = [
            Message::Init(init()),
            Message::Preload { modules: "c.so".into() },
            Message::Fork { seat: 3, title: "pool/3".into() },
            Message::Forked { seat: 3, pid: i32::MAX },
            Message::ForkFailed {
                seat: u64::MAX,
                status: Status::POOL_ERR_OS,
                errno: 11,
                message: clip(&"é".repeat(TEXT_MAX)),
            },
            Message::Parent { role: Role::SpawnServer },
            Message::Program {
                path_len: u32::MAX,
                loaded_len: u32::MAX,
                preload_len: u32::MAX,
                has_file: true,
            },
            Message::Signal { pid: i32::MAX, signal: 64, group: true },
            Message::Wait { pid: 7 },
            Message::Exited { pid: 7, status: Some(i32::MIN) },
            Message::Reap { pid: 7 },
            Message::Ready,
            Message::StartFailed {
                status: Status::POOL_ERR_FUNCTION,
                errno: -2,
                message: "why".into(),
            },
            Message::ResultFile { slot: u32::MAX, generation: u32::MAX, len: 1 << 40 },
            Message::Exiting { reason: ExitReason::NeedsMainProgram },
            Message::Initializing,
            Message::Finalizing,
            Message::HookFailed(hook_failure),
        ];
        for message in messages {
            let bytes = message.encode();
            assert!(bytes.len() <= MESSAGE_LEN_MAX, "{} bytes of {message:?}", bytes.len());
            assert_eq!(Message::decode(&bytes), Some(message));
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        assert_eq!(Message::decode(&[]), None);
        assert_eq!(Message::decode(&[0; 8]), None);
        assert_eq!(Message::decode(&[0xff; MESSAGE_LEN_MAX]), None);
        let mut longer = Message::Ready.encode();
        longer.push(0);
        assert_eq!(Message::decode(&longer), None);
        let whole = Message::Init(init()).encode();
        assert_eq!(Message::decode(&whole[..whole.len() - 1]), None);
    }
}
