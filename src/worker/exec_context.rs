//! The execution context of a worker process: scheduling, resource limits, identity, and the system calls that it
//! may make. The user chooses it. The parent sends it over the channel, behind the Init message, so that no worker
//! can change it for the next one; and the worker applies it in three phases:
//!
//! ```text
//!   Scheduling  oom_score_adj, nice, CPUs       while there is one thread: the parent monitor inherits all three
//!   Limits      resource limits, groups, user   before any user code but the constructors of modules. Limits come
//!                                               first: raising one takes a privilege that the user may not have
//!   Sandbox     no_new_privs, seccomp filter    after the initializer, which may need calls that tasks may not make
//! ```
//!
//! The parent monitor starts between the first two, so that a limit of processes does not prevent that.

use super::memory_limit;
use crate::error::{Error, Result, Status};
use rustix::io::Errno;
use rustix::thread::CpuSet;
use serde::{Deserialize, Serialize};
use std::ffi::c_long;

/// A limit of a resource, soft and hard, as setrlimit has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ResourceLimit {
    pub(crate) resource: u32,
    pub(crate) soft: u64,
    pub(crate) hard: u64,
}

/// As many kinds of limits as the kernel knows.
const RESOURCES: u32 = 16;
/// What a worker itself needs, with something to spare.
const MEMORY_LIMIT_MIN: u64 = 4 << 20;

/// What the user has chosen. Nothing is chosen where a number is 0 or a list is empty.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExecContext {
    pub(crate) oom_score_adj: i32,
    pub(crate) nice: i32,
    /// The worker of a seat runs on one of them: the first on the first, and round again.
    pub(crate) cpus: Vec<u32>,
    pub(crate) limits: Vec<ResourceLimit>,
    /// Of memory, in bytes; and whether it counts from what there is.
    pub(crate) memory: u64,
    pub(crate) is_copy: bool,
    pub(crate) gid: u32,
    pub(crate) uid: u32,
    pub(crate) no_new_privs: bool,
    /// The instructions of a filter of system calls, eight bytes each.
    pub(crate) filter: Vec<u64>,
}

/// When a part of it is put on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExecPhase {
    Scheduling,
    Limits,
    Sandbox,
}

impl ExecContext {
    /// With a limit of the memory that a worker can write to and that is its own; 0: none. `is_copy`: of
    /// the caller, whose memory does not count.
    pub(crate) fn with_memory_limit(mut self, bytes: u64, is_copy: bool) -> Result<ExecContext> {
        let is_data = |limit: &ResourceLimit| limit.resource == libc::RLIMIT_DATA;
        match bytes {
            0 => {}
            1..MEMORY_LIMIT_MIN => return refuse("memory_limit_per_worker: at least 4 MiB"),
            _ if self.limits.iter().any(is_data) => {
                return refuse("memory_limit_per_worker and RLIMIT_DATA are one and the same");
            }
            _ => (self.memory, self.is_copy) = (bytes, is_copy),
        }
        Ok(self)
    }

    /// Refuses what cannot be meant, while its maker still listens.
    pub(crate) fn checked(self) -> Result<ExecContext> {
        if !(-39..=39).contains(&self.nice) {
            return refuse("nice: from -39 to 39");
        }
        if !(-1000..=1000).contains(&self.oom_score_adj) {
            return refuse("oom_score_adj: from -1000 to 1000");
        }
        if [self.uid, self.gid].contains(&u32::MAX) {
            return refuse("uid and gid: UINT32_MAX is nobody's");
        }
        if self.limits.iter().any(|limit| limit.resource >= RESOURCES) {
            return refuse("rlimits: no such resource");
        }
        if self.limits.iter().any(|limit| limit.soft > limit.hard) {
            return refuse("rlimits: the soft limit is above the hard one");
        }
        if self.cpus.is_empty() {
            return Ok(self);
        }
        let own = rustix::thread::sched_getaffinity(None)
            .map_err(|errno| Error::os("sched_getaffinity", errno))?;
        let is_own = |cpu: &u32| (*cpu as usize) < CpuSet::MAX_CPU && own.is_set(*cpu as usize);
        match self.cpus.iter().find(|cpu| !is_own(cpu)) {
            Some(cpu) => refuse(&format!("worker_cpus: this process may not run on CPU {cpu}")),
            None => Ok(self),
        }
    }

    /// Puts a part of it on. After an error the process is not to work.
    pub(crate) fn apply(&self, seat: u16, stage: ExecPhase) -> Result<()> {
        match stage {
            ExecPhase::Scheduling => self.place(seat),
            ExecPhase::Limits => {
                for limit in &self.limits {
                    set_limit(*limit)?;
                }
                self.limit_memory()?;
                self.set_identity()
            }
            ExecPhase::Sandbox => self.sandbox(),
        }
    }

    /// Whether there is a filter of system calls.
    pub(crate) fn filters(&self) -> bool {
        !self.filter.is_empty()
    }

    fn place(&self, seat: u16) -> Result<()> {
        if self.oom_score_adj != 0 {
            let written =
                std::fs::write("/proc/self/oom_score_adj", self.oom_score_adj.to_string());
            let errno = |error: std::io::Error| {
                let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
                Error::os("a worker's oom_score_adj", errno)
            };
            written.map_err(errno)?;
        }
        if self.nice != 0 {
            rustix::process::nice(self.nice)
                .map_err(|errno| Error::os("a worker's nice", errno))?;
        }
        let Some(turn) = usize::from(seat).checked_rem(self.cpus.len()) else { return Ok(()) };
        let cpu = self.cpus[turn];
        let mut cpus = CpuSet::new();
        cpus.set(cpu as usize);
        rustix::thread::sched_setaffinity(None, &cpus)
            .map_err(|errno| Error::os(&format!("running a worker on CPU {cpu}"), errno))
    }

    fn limit_memory(&self) -> Result<()> {
        if self.memory == 0 {
            return Ok(());
        }
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let before = if self.is_copy { memory_limit::data_bytes(&statm).unwrap_or(0) } else { 0 };
        let bytes = self.memory.saturating_add(before);
        set_limit(ResourceLimit { resource: libc::RLIMIT_DATA, soft: bytes, hard: bytes })
    }

    /// The C library tells all threads, which the kernel's own calls do not.
    fn set_identity(&self) -> Result<()> {
        let (uid, gid) = (self.uid, self.gid);
        if uid == 0 && gid == 0 {
            return Ok(());
        }
        let on_death = rustix::process::parent_process_death_signal().unwrap_or(None);
        // SAFETY: no group at all: nothing is read.
        check(unsafe { libc::setgroups(0, std::ptr::null()) }, "dropping a worker's groups")?;
        if gid != 0 {
            // SAFETY: takes numbers.
            check(unsafe { libc::setresgid(gid, gid, gid) }, "changing a worker's group")?;
        }
        if uid != 0 {
            // SAFETY: takes numbers.
            check(unsafe { libc::setresuid(uid, uid, uid) }, "changing a worker's user")?;
        }
        // The kernel forgets it with the old identity. Should the parent have died meanwhile, the guard
        // knows.
        let _ = rustix::process::set_parent_process_death_signal(on_death);
        Ok(())
    }

    fn sandbox(&self) -> Result<()> {
        if !self.no_new_privs && self.filter.is_empty() {
            return Ok(());
        }
        rustix::thread::set_no_new_privs(true)
            .map_err(|errno| Error::os("a worker's no_new_privs", errno))?;
        if self.filter.is_empty() {
            return Ok(());
        }
        let program = libc::sock_fprog {
            len: self.filter.len() as u16,
            filter: self.filter.as_ptr().cast_mut().cast(),
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "the C library has no function for this call"
        )]
        // SAFETY: the kernel copies the program, whose instructions are these numbers; it writes nothing.
        let answer = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER as c_long,
                libc::SECCOMP_FILTER_FLAG_TSYNC,
                &raw const program,
            )
        };
        match answer {
            0 => Ok(()),
            -1 => Err(last_error("a worker's seccomp_filter")),
            thread => {
                let words = format!("seccomp_filter: the worker's thread {thread} has another one");
                Err(Error::new(Status::POOL_ERR_OS, words))
            }
        }
    }

    // ---- over the channel ----------------------------------------------------------------------

    /// As bytes; none when nothing is chosen.
    pub(crate) fn encode(&self) -> Vec<u8> {
        if *self == ExecContext::default() {
            return Vec::new();
        }
        // It fails for values of unknown length, of which there are none here.
        postcard::to_stdvec(self).unwrap_or_default()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<ExecContext> {
        if bytes.is_empty() {
            return Some(ExecContext::default());
        }
        let (exec_context, rest) = postcard::take_from_bytes(bytes).ok()?;
        rest.is_empty().then_some(exec_context)
    }
}

fn refuse<T>(words: &str) -> Result<T> {
    Err(Error::new(Status::POOL_ERR_INVALID, words))
}

fn set_limit(ResourceLimit { resource, soft, hard }: ResourceLimit) -> Result<()> {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: reads a struct that is filled in; the kernel knows which resources there are.
    let answer = unsafe { libc::setrlimit(resource as _, &raw const limit) };
    check(answer, &format!("a worker's limit {resource}"))
}

fn check(answer: i32, doing: &str) -> Result<()> {
    if answer == 0 { Ok(()) } else { Err(last_error(doing)) }
}

fn last_error(doing: &str) -> Error {
    let error = std::io::Error::last_os_error();
    Error::os(doing, Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn surroundings_come_back_from_their_bytes() {
        let chosen = ExecContext {
            oom_score_adj: -3,
            nice: -20,
            cpus: vec![1, 0, 1023],
            limits: vec![ResourceLimit { resource: 7, soft: 64, hard: u64::MAX }],
            memory: 1 << 40,
            is_copy: true,
            gid: 1,
            uid: u32::MAX - 1,
            no_new_privs: true,
            filter: vec![1, u64::MAX],
        };
        assert_eq!(ExecContext::decode(&chosen.encode()), Some(chosen));
        assert_eq!(ExecContext::default().encode(), []);
        assert_eq!(ExecContext::decode(&[]), Some(ExecContext::default()));
        assert_eq!(ExecContext::decode(&[0xff; 64]), None);
    }
}
