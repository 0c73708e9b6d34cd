//! The execution context of a worker process: scheduling, limits, identity, seccomp filter.
//!
//! The user sets it. The parent sends it over the channel, after the Init message, so that no
//! worker can change it for the next one. The worker applies it in three phases:
//!
//! ```text
//!   Scheduling  oom_score_adj, nice, CPUs       while there is one thread: the parent monitor inherits all three
//!   Limits      resource limits, groups, user   before any user code but the constructors of modules. Limits come
//!                                               first: raising one takes a privilege that the user may not have
//!   Sandbox     no_new_privs, seccomp filter,   after the initializer, which may need calls that tasks may not make
//!               Landlock
//! ```
//!
//! The parent monitor starts between the first two, so that a limit of processes does not prevent
//! it.

use super::{memory_limit, sandbox};
use crate::error::{Error, Result, Status};
use rustix::io::Errno;
use rustix::thread::CpuSet;
use serde::{Deserialize, Serialize};
use std::ffi::{c_long, c_uint, c_ulong};
use std::os::fd::{BorrowedFd, RawFd};

/// A resource limit, as setrlimit takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ResourceLimit {
    pub(crate) resource: u32,
    pub(crate) soft: u64,
    pub(crate) hard: u64,
}

/// The number of resources that the kernel can limit.
const RESOURCES: u32 = 16;
/// What a worker itself needs, and some to spare.
const MEMORY_LIMIT_MIN: u64 = 4 << 20;

/// What the user has set. A number that is 0, or an empty list, is not set.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExecContext {
    pub(crate) oom_score_adj: i32,
    pub(crate) nice: i32,
    /// The worker of seat n runs on entry n, modulo the number of entries.
    pub(crate) cpus: Vec<u32>,
    pub(crate) limits: Vec<ResourceLimit>,
    /// The limit of memory, in bytes.
    pub(crate) memory: u64,
    /// The worker is a copy of the caller: the limit counts from the memory that it has at its
    /// start.
    pub(crate) is_copy: bool,
    pub(crate) gid: u32,
    pub(crate) uid: u32,
    pub(crate) no_new_privs: bool,
    /// The instructions of the seccomp filter, eight bytes each.
    pub(crate) filter: Vec<u64>,
    /// The sandbox that leaves a worker its computation.
    pub(crate) computes_only: bool,
    /// With that sandbox: the descriptors that a copy of the caller keeps, beside its own.
    pub(crate) kept_fds: Vec<i32>,
}

/// A phase in which a part of the context is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExecPhase {
    Scheduling,
    Limits,
    Sandbox,
}

impl ExecContext {
    /// Adds a limit of the private memory that a worker can write to; 0: none. `is_copy`: the
    /// worker is a copy of the caller, whose memory does not count.
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

    /// Checks the values while the pool is being made, so that its maker gets the error.
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
        if self.computes_only {
            self.check_sandbox()?;
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

    fn check_sandbox(&self) -> Result<()> {
        if !self.filter.is_empty() {
            return refuse("sandbox and seccomp_filter: only one of them");
        }
        let supported = |action: u32| {
            let pointer = (&raw const action).addr() as c_ulong;
            seccomp(libc::SECCOMP_GET_ACTION_AVAIL, 0, pointer) == 0
        };
        let has_filter = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));
        if !has_filter
            || ![libc::SECCOMP_RET_ERRNO, libc::SECCOMP_RET_ALLOW].into_iter().all(supported)
        {
            let message = "sandbox: this kernel, or this process, has no seccomp filters";
            return Err(Error::new(Status::POOL_ERR_UNSUPPORTED, message));
        }
        Ok(())
    }

    /// Applies the part of this phase. After an error the process must not run tasks.
    pub(crate) fn apply(&self, seat: u16, phase: ExecPhase, channel: BorrowedFd<'_>) -> Result<()> {
        match phase {
            ExecPhase::Scheduling => self.apply_scheduling(seat),
            ExecPhase::Limits => {
                for limit in &self.limits {
                    set_limit(*limit)?;
                }
                self.limit_memory()?;
                self.set_identity()
            }
            ExecPhase::Sandbox => self.sandbox(channel),
        }
    }

    /// Whether there is a seccomp filter.
    pub(crate) fn filters(&self) -> bool {
        self.computes_only || !self.filter.is_empty()
    }

    /// In a copy of the caller that only computes, closes the caller's descriptors: all but the
    /// standard ones, those to keep, and `own`.
    pub(super) fn close_descriptors_of_caller(&self, own: &[RawFd]) -> Result<()> {
        if !self.computes_only || !self.is_copy {
            return Ok(());
        }
        let mut kept: Vec<RawFd> = [&[0, 1, 2], own, &self.kept_fds].concat();
        kept.sort_unstable();
        let mut first = 0;
        for fd in kept {
            if first < fd {
                close_range(first as c_uint, fd as c_uint - 1)?;
            }
            first = fd + 1;
        }
        close_range(first as c_uint, c_uint::MAX)
    }

    fn apply_scheduling(&self, seat: u16) -> Result<()> {
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
        let Some(index) = usize::from(seat).checked_rem(self.cpus.len()) else { return Ok(()) };
        let cpu = self.cpus[index];
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

    /// Sets groups and user of all threads: the C library does that, the kernel's own calls do not.
    fn set_identity(&self) -> Result<()> {
        let (uid, gid) = (self.uid, self.gid);
        if uid == 0 && gid == 0 {
            return Ok(());
        }
        let on_death = rustix::process::parent_process_death_signal().unwrap_or(None);
        // SAFETY: the list has length 0: nothing is read.
        check(unsafe { libc::setgroups(0, std::ptr::null()) }, "dropping a worker's groups")?;
        if gid != 0 {
            // SAFETY: the call only takes numbers.
            check(unsafe { libc::setresgid(gid, gid, gid) }, "changing a worker's group")?;
        }
        if uid != 0 {
            // SAFETY: the call only takes numbers.
            check(unsafe { libc::setresuid(uid, uid, uid) }, "changing a worker's user")?;
        }
        // The kernel clears the death signal when the identity changes. If the parent has died
        // meanwhile, the parent monitor notices.
        let _ = rustix::process::set_parent_process_death_signal(on_death);
        Ok(())
    }

    fn sandbox(&self, channel: BorrowedFd<'_>) -> Result<()> {
        if self.computes_only {
            sandbox::restrict_access()?;
            return install(&sandbox::filter(channel)?, "a worker's sandbox");
        }
        if self.no_new_privs || !self.filter.is_empty() {
            // prctl sets it for one thread. Only a filter reaches the others: the parent monitor,
            // and what the initializer has started.
            let filter = if self.filter.is_empty() { ALLOW_ALL } else { &self.filter };
            return install(filter, "a worker's seccomp_filter");
        }
        Ok(())
    }

    // ---- over the channel ----------------------------------------------------------------------

    /// As bytes; empty when nothing is set.
    pub(crate) fn encode(&self) -> Vec<u8> {
        if *self == ExecContext::default() {
            return Vec::new();
        }
        // Encoding fails only for values of unknown length, and there are none here.
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

/// A filter of one instruction, which returns SECCOMP_RET_ALLOW.
const ALLOW_ALL: &[u64] =
    &[(libc::SECCOMP_RET_ALLOW as u64) << 32 | (libc::BPF_RET | libc::BPF_K) as u64];

/// Sets no_new_privs, and the filter, in all threads. (seccomp(2): SECCOMP_FILTER_FLAG_TSYNC.)
fn install(filter: &[u64], what: &str) -> Result<()> {
    rustix::thread::set_no_new_privs(true)
        .map_err(|errno| Error::os("a worker's no_new_privs", errno))?;
    let program =
        libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut().cast() };
    let pointer = (&raw const program).addr() as c_ulong;
    match seccomp(libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_TSYNC, pointer) {
        0 => Ok(()),
        -1 => Err(last_error(what)),
        thread => {
            let message = format!("{what}: the worker's thread {thread} has another one");
            Err(Error::new(Status::POOL_ERR_OS, message))
        }
    }
}

/// `arguments` is the address of what the operation reads.
fn seccomp(operation: c_uint, flags: c_ulong, arguments: c_ulong) -> c_long {
    #[expect(clippy::disallowed_methods, reason = "the C library has no function for this call")]
    // SAFETY: both operations that this file names only read memory: SECCOMP_SET_MODE_FILTER copies
    // a program, SECCOMP_GET_ACTION_AVAIL a number; a wrong address gives an error.
    unsafe {
        libc::syscall(libc::SYS_seccomp, c_long::from(operation), flags, arguments)
    }
}

fn close_range(first: c_uint, last: c_uint) -> Result<()> {
    // SAFETY: `close_descriptors_of_caller` names no descriptor that this process goes on to use.
    check(unsafe { libc::close_range(first, last, 0) }, "closing the caller's descriptors")
}

fn refuse<T>(message: &str) -> Result<T> {
    Err(Error::new(Status::POOL_ERR_INVALID, message))
}

fn set_limit(ResourceLimit { resource, soft, hard }: ResourceLimit) -> Result<()> {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: reads a struct that is filled in; the kernel refuses an unknown resource.
    let result = unsafe { libc::setrlimit(resource as _, &raw const limit) };
    check(result, &format!("a worker's limit {resource}"))
}

fn check(result: i32, doing: &str) -> Result<()> {
    if result == 0 { Ok(()) } else { Err(last_error(doing)) }
}

fn last_error(doing: &str) -> Error {
    let error = std::io::Error::last_os_error();
    Error::os(doing, Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_exec_context_round_trips() {
        let context = ExecContext {
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
            computes_only: true,
            kept_fds: vec![7, i32::MAX],
        };
        assert_eq!(ExecContext::decode(&context.encode()), Some(context));
        assert!(ExecContext::default().encode().is_empty());
        assert_eq!(ExecContext::decode(&[]), Some(ExecContext::default()));
        assert_eq!(ExecContext::decode(&[0xff; 64]), None);
    }
}
