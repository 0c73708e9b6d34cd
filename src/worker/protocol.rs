//! What the watch and a worker say to each other, beside the board: a few messages in a worker's
//! life, over a pair of sockets that nobody else can reach.
//!
//! ```text
//!   watch ── Welcome (board's file, seat) ──▶ worker       and the bytes of its surroundings, if any
//!         ◀── Initializing ─────────────────    when there is an initializer
//!         ◀── Up, or Refuse (why) ──────────
//!         ◀── File (a result too large for the board) ──    any number
//!         ◀── Finalizing ───────────────────    when there is a finalizer
//!         ◀── Broken (which function, why) ─    when a function around its life has failed
//!         ◀── Bye (why) ────────────────────
//!
//!   watch ── Welcome, Preload ──────────────▶ template
//!         ◀── Up, or Refuse (why) ──────────
//!         ── Fork (the line of a worker) ───▶        any number
//!         ◀── Forked (its handle), or NotForked
//!         ── Reap ──────────────────────────▶        for each that was forked
//! ```
//!
//! Each message is valid alone: eight-byte little-endian numbers, the first of which says which it
//! is, and perhaps a text. Whatever else arrives is no message.

pub(crate) use super::channel::{Channel, Received};

use super::{Hook, HookFailure, WorkerConfig};
use crate::error::Status;

const NUMBERS: usize = 18;
const TEXT_MAX: usize = 1024;
pub(super) const LEN_MAX: usize = NUMBERS * 8 + TEXT_MAX;

/// Why a worker leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    /// It was told to.
    Requested = 1,
    /// It holds a task whose function is in the main program, and it is not of that image.
    NeedsMainProgram = 2,
    /// It had nothing to do for too long.
    IdleTimeout = 3,
    /// It has run as many tasks as it may.
    MaxTasks = 4,
    /// It was about to be killed for a task that it has ended.
    KillPending = 5,
    /// It had more memory than it may have.
    MaxMemory = 6,
}

impl Leave {
    fn from_number(number: u64) -> Option<Leave> {
        use Leave::*;
        let all = [Requested, NeedsMainProgram, IdleTimeout, MaxTasks, KillPending, MaxMemory];
        all.into_iter().find(|why| *why as u64 == number)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// The first word to a process; with it comes the board's file, but for a worker that was forked:
    /// its template has mapped it.
    Init(Init),
    Ready,
    StartFailed {
        status: Status,
        errno: i32,
        words: String,
    },
    /// A result in a file of its own, which comes with it; the task's number tells whose.
    ResultFile {
        task: u64,
        len: u64,
    },
    /// The initializer is about to be run.
    Initializing,
    /// The finalizer is about to be run.
    Finalizing,
    HookFailed(HookFailure),
    Exiting {
        why: Leave,
    },
    /// Shared libraries that a template opens where it can, separated by NULs.
    Preload {
        modules: String,
    },
    /// Fork a worker for this seat; its line comes with it.
    Fork {
        seat: u64,
        title: String,
    },
    /// It was forked; its handle comes with this.
    Forked {
        seat: u64,
        pid: i32,
    },
    ForkFailed {
        seat: u64,
        errno: i32,
    },
    /// This worker has ended, and nobody needs its number any more.
    Reap {
        pid: i32,
    },
}

/// What a process is told when it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Init {
    pub(crate) version: u64,
    pub(crate) seat: u64,
    pub(crate) parent: u64,
    /// Whether the process runs the main program's image.
    pub(crate) is_main_program: bool,
    /// Whether it is to fork workers, and not to be one.
    pub(crate) is_fork_server: bool,
    pub(crate) geometry: [u64; 6],
    pub(crate) worker_config: WorkerConfig,
    /// Shared libraries to open, separated by NULs.
    pub(crate) modules: String,
}

impl Init {
    fn encode(&self) -> [u64; NUMBERS] {
        let mut numbers = [0; NUMBERS];
        // The seat has 16 bits; the flags stand above them.
        let flags = u64::from(self.is_main_program) << 32 | u64::from(self.is_fork_server) << 33;
        numbers[..4].copy_from_slice(&[1, self.version, self.seat | flags, self.parent]);
        numbers[4..10].copy_from_slice(&self.geometry);
        numbers[10..18].copy_from_slice(&numbers_of(self.worker_config));
        numbers
    }

    fn decode(numbers: &[u64; NUMBERS], modules: String) -> Option<Init> {
        Some(Init {
            version: numbers[1],
            seat: numbers[2] & 0xffff_ffff,
            parent: numbers[3],
            is_main_program: numbers[2] >> 32 & 1 != 0,
            is_fork_server: numbers[2] >> 33 & 1 != 0,
            geometry: numbers[4..10].try_into().ok()?,
            worker_config: config_of(&numbers[10..18])?,
            modules,
        })
    }
}

impl Message {
    pub(super) fn encode(&self) -> Vec<u8> {
        let (numbers, text): ([u64; NUMBERS], &str) = match self {
            Message::Init(init) => (init.encode(), &init.modules),
            Message::Ready => (numbers([2, 0, 0]), ""),
            Message::StartFailed { status, errno, words } => {
                (numbers([3, *status as u64, *errno as u64]), words)
            }
            Message::ResultFile { task, len } => (numbers([4, *task, *len]), ""),
            Message::Exiting { why } => (numbers([5, *why as u64, 0]), ""),
            Message::Finalizing => (numbers([6, 0, 0]), ""),
            Message::Initializing => (numbers([8, 0, 0]), ""),
            Message::HookFailed(HookFailure { hook, code, words }) => {
                (numbers([7, *hook as u64, *code as u64]), words)
            }
            Message::Preload { modules } => (numbers([20, 0, 0]), modules),
            Message::Fork { seat, title } => (numbers([21, *seat, 0]), title),
            Message::Forked { seat, pid } => (numbers([22, *seat, *pid as u64]), ""),
            Message::ForkFailed { seat, errno } => (numbers([23, *seat, *errno as u64]), ""),
            Message::Reap { pid } => (numbers([24, *pid as u64, 0]), ""),
        };
        let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let mut end = text.len().min(TEXT_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        bytes.extend_from_slice(&text.as_bytes()[..end]);
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Message> {
        let (head, text) = bytes.split_at_checked(NUMBERS * 8)?;
        let mut numbers = [0; NUMBERS];
        for (number, bytes) in numbers.iter_mut().zip(head.chunks_exact(8)) {
            *number = u64::from_le_bytes(bytes.try_into().ok()?);
        }
        let text = String::from_utf8_lossy(text).into_owned();
        Some(match numbers[0] {
            1 => Message::Init(Init::decode(&numbers, text)?),
            2 => Message::Ready,
            3 => Message::StartFailed {
                status: Status::from_number(i32::try_from(numbers[1]).ok()?)?,
                errno: numbers[2] as i32,
                words: text,
            },
            4 => Message::ResultFile { task: numbers[1], len: numbers[2] },
            5 => Message::Exiting { why: Leave::from_number(numbers[1])? },
            6 => Message::Finalizing,
            8 => Message::Initializing,
            7 => Message::HookFailed(HookFailure {
                hook: [Hook::Initializer, Hook::Finalizer]
                    .into_iter()
                    .find(|hook| *hook as u64 == numbers[1])?,
                code: numbers[2] as i32,
                words: text,
            }),
            20 => Message::Preload { modules: text },
            21 => Message::Fork { seat: numbers[1], title: text },
            22 => Message::Forked { seat: numbers[1], pid: i32::try_from(numbers[2]).ok()? },
            23 => Message::ForkFailed { seat: numbers[1], errno: numbers[2] as i32 },
            24 => Message::Reap { pid: i32::try_from(numbers[1]).ok()? },
            _ => return None,
        })
    }
}

fn numbers(first: [u64; 3]) -> [u64; NUMBERS] {
    let mut numbers = [0; NUMBERS];
    numbers[..3].copy_from_slice(&first);
    numbers
}

/// The slots of hooks are counted from 1; 0 is none.
fn numbers_of(config: WorkerConfig) -> [u64; 8] {
    let WorkerConfig {
        min_workers,
        tasks_max,
        initializer,
        finalizer,
        depth,
        memory_max,
        exec_context_len,
        scale,
    } = config;
    let slot = |slot: Option<u32>| slot.map_or(0, |slot| u64::from(slot) + 1);
    [
        u64::from(min_workers),
        tasks_max,
        slot(initializer),
        slot(finalizer),
        u64::from(depth),
        memory_max,
        u64::from(exec_context_len),
        scale,
    ]
}

fn config_of(numbers: &[u64]) -> Option<WorkerConfig> {
    let &[
        min_workers,
        tasks_max,
        initializer,
        finalizer,
        depth,
        memory_max,
        exec_context_len,
        scale,
    ] = numbers
    else {
        return None;
    };
    let small = |number: u64| u32::try_from(number).ok();
    Some(WorkerConfig {
        min_workers: small(min_workers)?,
        tasks_max,
        initializer: initializer.checked_sub(1).and_then(small),
        finalizer: finalizer.checked_sub(1).and_then(small),
        depth: small(depth)?,
        memory_max,
        exec_context_len: small(exec_context_len)?,
        scale,
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_message_comes_back() {
        let messages = [
            Message::Init(Init {
                version: 7,
                seat: 1023,
                parent: 99,
                is_main_program: true,
                is_fork_server: false,
                geometry: [1, 2, 3, 4, 5, 6],
                worker_config: WorkerConfig {
                    min_workers: 1,
                    tasks_max: u64::MAX,
                    initializer: Some(0),
                    finalizer: None,
                    depth: 3,
                    memory_max: 1 << 33,
                    exec_context_len: 40,
                    scale: 1 << 31,
                },
                modules: "a.so\0b.so".into(),
            }),
            Message::Preload { modules: "c.so".into() },
            Message::Fork { seat: 3, title: "pool/3".into() },
            Message::Forked { seat: 3, pid: i32::MAX },
            Message::ForkFailed { seat: 3, errno: 11 },
            Message::Reap { pid: 7 },
            Message::Ready,
            Message::StartFailed {
                status: Status::POOL_ERR_FUNCTION,
                errno: -2,
                words: "why".into(),
            },
            Message::ResultFile { task: u64::MAX, len: 1 << 40 },
            Message::Exiting { why: Leave::NeedsMainProgram },
            Message::Exiting { why: Leave::MaxMemory },
            Message::Initializing,
            Message::Finalizing,
            Message::HookFailed(HookFailure {
                hook: Hook::Finalizer,
                code: -3,
                words: "why".into(),
            }),
        ];
        for message in messages {
            assert_eq!(Message::decode(&message.encode()), Some(message));
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        assert_eq!(Message::decode(&[]), None);
        assert_eq!(Message::decode(&[0; NUMBERS * 8]), None);
        assert_eq!(Message::decode(&[1; NUMBERS * 8 - 1]), None);
        assert_eq!(Message::decode(&[0xff; LEN_MAX]), None);
    }
}
