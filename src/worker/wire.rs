//! What the watch and a worker say to each other, beside the board: a few messages in a worker's
//! life, over a pair of sockets that nobody else can reach.
//!
//! ```text
//!   watch ── Welcome (board's file, seat) ──▶ worker
//!         ◀── Initializing ─────────────────    when there is an initializer
//!         ◀── Up, or Refuse (why) ──────────
//!         ◀── File (a result too large for the board) ──    any number
//!         ◀── Finalizing ───────────────────    when there is a finalizer
//!         ◀── Broken (which function, why) ─    when a function around its life has failed
//!         ◀── Bye (why) ────────────────────
//! ```
//!
//! Each message is valid alone: eight-byte little-endian numbers, the first of which says which it
//! is, and perhaps a text. Whatever else arrives is no message.

use super::{Failure, Hook, Terms};
use crate::error::{Error, Result, Status};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const NUMBERS: usize = 16;
const TEXT_MAX: usize = 1024;
const LEN_MAX: usize = NUMBERS * 8 + TEXT_MAX;

/// Why a worker leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    /// It was told to.
    Told = 1,
    /// It holds a task whose function is in the main program, and it is not of that image.
    WrongImage = 2,
    /// It had nothing to do for too long.
    Idle = 3,
    /// It has run as many tasks as it may.
    Worn = 4,
    /// It was about to be killed for a task that it has ended.
    Doomed = 5,
}

impl Leave {
    fn from_number(number: u64) -> Option<Leave> {
        let all = [Leave::Told, Leave::WrongImage, Leave::Idle, Leave::Worn, Leave::Doomed];
        all.into_iter().find(|why| *why as u64 == number)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// The first word to a worker process; the board's file comes with it.
    Welcome {
        version: u64,
        seat: u64,
        parent: u64,
        /// Whether the worker runs the main program's image.
        is_own_image: bool,
        geometry: [u64; 6],
        terms: Terms,
        /// Shared libraries to open, separated by NULs.
        modules: String,
    },
    Up,
    Refuse {
        status: Status,
        errno: i32,
        words: String,
    },
    /// A result in a file of its own, which comes with it; the task's number tells whose.
    File {
        task: u64,
        len: u64,
    },
    /// The initializer is about to be run.
    Initializing,
    /// The finalizer is about to be run.
    Finalizing,
    Broken(Failure),
    Bye {
        why: Leave,
    },
}

impl Message {
    fn encode(&self) -> Vec<u8> {
        let (numbers, text): ([u64; NUMBERS], &str) = match self {
            Message::Welcome { version, seat, parent, is_own_image, geometry, terms, modules } => {
                let mut numbers = [0; NUMBERS];
                // The seat has 16 bits; the flag stands above them.
                let seat = *seat | u64::from(*is_own_image) << 32;
                numbers[..4].copy_from_slice(&[1, *version, seat, *parent]);
                numbers[4..10].copy_from_slice(geometry);
                numbers[10..15].copy_from_slice(&numbers_of(*terms));
                (numbers, modules)
            }
            Message::Up => (numbers([2, 0, 0]), ""),
            Message::Refuse { status, errno, words } => {
                (numbers([3, *status as u64, *errno as u64]), words)
            }
            Message::File { task, len } => (numbers([4, *task, *len]), ""),
            Message::Bye { why } => (numbers([5, *why as u64, 0]), ""),
            Message::Finalizing => (numbers([6, 0, 0]), ""),
            Message::Initializing => (numbers([8, 0, 0]), ""),
            Message::Broken(Failure { hook, code, words }) => {
                (numbers([7, *hook as u64, *code as u64]), words)
            }
        };
        let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let mut end = text.len().min(TEXT_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        bytes.extend_from_slice(&text.as_bytes()[..end]);
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Message> {
        let (head, text) = bytes.split_at_checked(NUMBERS * 8)?;
        let mut numbers = [0; NUMBERS];
        for (number, bytes) in numbers.iter_mut().zip(head.chunks_exact(8)) {
            *number = u64::from_le_bytes(bytes.try_into().ok()?);
        }
        let text = String::from_utf8_lossy(text).into_owned();
        Some(match numbers[0] {
            1 => Message::Welcome {
                version: numbers[1],
                seat: numbers[2] & 0xffff_ffff,
                parent: numbers[3],
                is_own_image: numbers[2] >> 32 != 0,
                geometry: numbers[4..10].try_into().ok()?,
                terms: terms_of(&numbers[10..15])?,
                modules: text,
            },
            2 => Message::Up,
            3 => Message::Refuse {
                status: Status::from_number(i32::try_from(numbers[1]).ok()?)?,
                errno: numbers[2] as i32,
                words: text,
            },
            4 => Message::File { task: numbers[1], len: numbers[2] },
            5 => Message::Bye { why: Leave::from_number(numbers[1])? },
            6 => Message::Finalizing,
            8 => Message::Initializing,
            7 => Message::Broken(Failure {
                hook: [Hook::Initializer, Hook::Finalizer]
                    .into_iter()
                    .find(|hook| *hook as u64 == numbers[1])?,
                code: numbers[2] as i32,
                words: text,
            }),
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
fn numbers_of(terms: Terms) -> [u64; 5] {
    let Terms { keep, tasks_max, initializer, finalizer, depth } = terms;
    let slot = |slot: Option<u32>| slot.map_or(0, |slot| u64::from(slot) + 1);
    [u64::from(keep), tasks_max, slot(initializer), slot(finalizer), u64::from(depth)]
}

fn terms_of(numbers: &[u64]) -> Option<Terms> {
    let &[keep, tasks_max, initializer, finalizer, depth] = numbers else { return None };
    let small = |number: u64| u32::try_from(number).ok();
    Some(Terms {
        keep: small(keep)?,
        tasks_max,
        initializer: initializer.checked_sub(1).and_then(small),
        finalizer: finalizer.checked_sub(1).and_then(small),
        depth: small(depth)?,
    })
}

/// One end of a worker's pair of sockets.
pub(crate) struct Line(OwnedFd);

/// What came over a line.
pub(crate) enum Received {
    Message(Message, Option<OwnedFd>),
    /// Nothing at the moment.
    Nothing,
    /// The other end is closed, or sent what is no message.
    End,
}

impl Line {
    pub(crate) fn pair() -> Result<(Line, Line)> {
        let made = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        );
        let (one, other) = made.map_err(|errno| Error::os("socketpair", errno))?;
        Ok((Line(one), Line(other)))
    }

    pub(crate) fn from_fd(fd: OwnedFd) -> Line {
        Line(fd)
    }

    pub(crate) fn send(&self, message: &Message, file: Option<BorrowedFd<'_>>) -> Result<()> {
        let bytes = message.encode();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let files = file.map(|file| [file]);
        if let Some(files) = &files {
            control.push(SendAncillaryMessage::ScmRights(files));
        }
        loop {
            let parts = [IoSlice::new(&bytes)];
            match rustix::net::sendmsg(&self.0, &parts, &mut control, SendFlags::NOSIGNAL) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::os("sendmsg", errno)),
            }
        }
    }

    /// The next message; waits for it if told so.
    pub(crate) fn receive(&self, wait: bool) -> Received {
        let mut bytes = [0; LEN_MAX];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = if wait { RecvFlags::empty() } else { RecvFlags::DONTWAIT };
        let flags = flags | RecvFlags::CMSG_CLOEXEC;
        let len = loop {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            match rustix::net::recvmsg(&self.0, &mut parts, &mut control, flags) {
                Ok(received) => break received.bytes,
                Err(Errno::INTR) => {}
                Err(Errno::CONNRESET | Errno::BADF | Errno::NOTSOCK) => return Received::End,
                // Nothing has come, or there is no memory for it at the moment.
                Err(_) => return Received::Nothing,
            }
        };
        let file = control.drain().find_map(|part| match part {
            RecvAncillaryMessage::ScmRights(mut files) => files.next(),
            _ => None,
        });
        match Message::decode(&bytes[..len]) {
            Some(message) => Received::Message(message, file),
            None => Received::End,
        }
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_message_comes_back() {
        let messages = [
            Message::Welcome {
                version: 7,
                seat: 1023,
                parent: 99,
                is_own_image: true,
                geometry: [1, 2, 3, 4, 5, 6],
                terms: Terms {
                    keep: 1,
                    tasks_max: u64::MAX,
                    initializer: Some(0),
                    finalizer: None,
                    depth: 3,
                },
                modules: "a.so\0b.so".into(),
            },
            Message::Up,
            Message::Refuse { status: Status::POOL_ERR_FUNCTION, errno: -2, words: "why".into() },
            Message::File { task: u64::MAX, len: 1 << 40 },
            Message::Bye { why: Leave::WrongImage },
            Message::Bye { why: Leave::Worn },
            Message::Initializing,
            Message::Finalizing,
            Message::Broken(Failure { hook: Hook::Finalizer, code: -3, words: "why".into() }),
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
