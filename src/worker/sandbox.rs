//! The sandbox of a worker process: the system calls that remain once it only computes.
//!
//! ```text
//!   seccomp    in all threads: a list of calls that are allowed; every other one fails with EPERM
//!   Landlock   where the kernel has it: no file can be opened, no port bound or connected to, no
//!              process outside signalled. In the worker's thread; in all threads from ABI 8 on
//! ```
//!
//! The list is what the library needs after the initializer, and what computes, allocates, waits,
//! handles signals of its own, or uses a descriptor that is open already. Nothing on it opens a
//! file or a socket, starts a process or a thread, maps executable memory, or reaches another
//! process. (seccomp(2), landlock(7).)

use crate::error::{Error, Result, Status};
use landlock::{
    ABI, Access, AccessFs, AccessNet, RestrictSelfAttr, Ruleset, RulesetAttr, RulesetError, Scope,
};
use rustix::io::Errno;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

/// Allowed whatever their arguments are.
const ALLOWED: &[i64] = &[
    // Memory. mmap and mprotect are in `allowed_if`.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    // Waiting and time.
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_futex,
    libc::SYS_gettimeofday,
    libc::SYS_nanosleep,
    libc::SYS_ppoll,
    libc::SYS_restart_syscall,
    libc::SYS_sched_yield,
    // Signals of its own.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    // What it is, and where it runs.
    libc::SYS_getcpu,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_sched_getaffinity,
    libc::SYS_sysinfo,
    // Open descriptors, and the files in memory that hold large results.
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_ftruncate,
    libc::SYS_lseek,
    libc::SYS_memfd_create,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    // The first steps of a thread that the initializer has started.
    libc::SYS_rseq,
    libc::SYS_set_robust_list,
    // The end.
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// What older C libraries call on x86-64 instead of others in the list.
#[cfg(target_arch = "x86_64")]
const ALLOWED_OLD: &[i64] =
    &[libc::SYS_getpgrp, libc::SYS_pause, libc::SYS_poll, libc::SYS_select, libc::SYS_time];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_OLD: &[i64] = &[];

/// Without F_DUPFD nothing loses, and without F_SETFL no file that is shared with the caller changes.
const ALLOWED_FCNTL: [i32; 6] = [
    libc::F_GETFD,
    libc::F_SETFD,
    libc::F_GETFL,
    libc::F_ADD_SEALS,
    libc::F_GET_SEALS,
    libc::F_DUPFD_CLOEXEC, // `fd::above_stdio`
];

/// The instructions of the filter, eight bytes each, for a worker with this channel.
pub(super) fn filter(channel: BorrowedFd<'_>) -> Result<Vec<u64>> {
    let program = program(channel.as_raw_fd()).map_err(|error| {
        let message = format!("sandbox: no seccomp filter for this machine: {error}");
        Error::new(Status::POOL_ERR_UNSUPPORTED, message)
    })?;
    let instructions = program.iter().map(|instruction| {
        let [code, jumps] = [instruction.code.to_ne_bytes(), [instruction.jt, instruction.jf]];
        let [k0, k1, k2, k3] = instruction.k.to_ne_bytes();
        u64::from_ne_bytes([code[0], code[1], jumps[0], jumps[1], k0, k1, k2, k3])
    });
    Ok(instructions.collect())
}

fn program(channel: RawFd) -> std::result::Result<BpfProgram, BackendError> {
    let always = ALLOWED.iter().chain(ALLOWED_OLD).map(|number| (*number, Vec::new()));
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = always.collect();
    rules.extend(allowed_if(channel)?);
    let denied = SeccompAction::Errno(libc::EPERM as u32);
    let architecture = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, denied, SeccompAction::Allow, architecture)?.try_into()
}

/// Allowed where one of the rules holds.
fn allowed_if(
    channel: RawFd,
) -> std::result::Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let own = rustix::process::getpid();
    let pid = own.as_raw_nonzero().get() as u64;
    let not_executable = || {
        let mask = SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64);
        SeccompRule::new(vec![condition(2, mask, 0)?])
    };
    // Of the parent monitor: everything in the worker's own process group.
    let mut killed = vec![SeccompRule::new(vec![condition(0, SeccompCmpOp::Eq, pid)?])?];
    if rustix::process::getpgrp() == own {
        killed.push(SeccompRule::new(vec![condition(0, SeccompCmpOp::Eq, 0)?])?);
    }
    let fcntl = ALLOWED_FCNTL
        .iter()
        .map(|command| SeccompRule::new(vec![condition(1, SeccompCmpOp::Eq, *command as u64)?]));
    // getrlimit: of this process, and nothing is set.
    let only_read = vec![
        condition(0, SeccompCmpOp::Eq, 0)?,
        SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?,
    ];
    let to_parent = condition(0, SeccompCmpOp::Eq, channel as u64)?;
    Ok(BTreeMap::from([
        (libc::SYS_mmap, vec![not_executable()?]),
        (libc::SYS_mprotect, vec![not_executable()?]),
        (libc::SYS_kill, killed),
        (libc::SYS_tgkill, vec![SeccompRule::new(vec![condition(0, SeccompCmpOp::Eq, pid)?])?]),
        (libc::SYS_fcntl, fcntl.collect::<std::result::Result<_, _>>()?),
        (libc::SYS_prlimit64, vec![SeccompRule::new(only_read)?]),
        (libc::SYS_sendmsg, vec![SeccompRule::new(vec![to_parent])?]),
    ]))
}

/// On an argument of which the kernel uses the lower half.
fn condition(
    argument: u8,
    operation: SeccompCmpOp,
    value: u64,
) -> std::result::Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operation, value)
}

/// Denies everything that Landlock can deny, as far as the kernel has it.
pub(super) fn restrict_access() -> Result<()> {
    let restrict = || -> std::result::Result<(), RulesetError> {
        let newest = ABI::V10;
        Ruleset::default()
            .handle_access(AccessFs::from_all(newest))?
            .handle_access(AccessNet::from_all(newest))?
            .scope(Scope::from_all(newest))?
            .create()?
            .all_threads(true)?
            .restrict_self()?;
        Ok(())
    };
    restrict().map_err(|error| {
        let errno = Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO);
        Error::os(&format!("sandbox: Landlock: {error}"), errno)
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn the_filter_has_a_length_that_the_kernel_takes() {
        let stdin = std::io::stdin();
        let filter = filter(stdin.as_fd()).unwrap();
        assert!((ALLOWED.len()..4096).contains(&filter.len()), "{}", filter.len());
    }
}
