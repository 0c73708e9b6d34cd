//! Options of what surrounds a worker process: descriptors, CPUs, limits, identity, system calls.

use super::super::c_string;
use super::super::snapshot::Copies;
use super::super::structs::{pool_options_t, pool_rlimit_t};
use super::{invalid, unsupported};
use crate::error::Result;
use crate::pool::{ExecContext, InheritedFds, PoolKind, ResourceLimit, StartMethod};
use std::ffi::CString;

/// Only processes have surroundings of their own.
pub(super) fn refuse_for(options: &pool_options_t, kind: &PoolKind) -> Result<()> {
    let set = [
        ("inherit_fds", !options.inherit_fds.is_null() || options.n_inherit_fds != 0),
        ("worker_stdin", !options.worker_stdin.is_null()),
        ("worker_cpus", !options.worker_cpus.is_null() || options.n_worker_cpus != 0),
        ("nice", options.nice != 0),
        ("oom_score_adj", options.oom_score_adj != 0),
        ("rlimits", !options.rlimits.is_null() || options.n_rlimits != 0),
        ("memory_limit_per_worker", options.memory_limit_per_worker != 0),
        ("max_memory_per_worker", options.max_memory_per_worker != 0),
        ("uid", options.uid != 0),
        ("gid", options.gid != 0),
        ("no_new_privs", options.no_new_privs),
        ("seccomp_filter", !options.seccomp_filter.is_null() || options.seccomp_len != 0),
    ];
    match set.iter().find(|(_, is_set)| *is_set) {
        Some((field, _)) if !matches!(kind, PoolKind::Processes(_)) => {
            Err(unsupported(&format!("{field}: for worker processes only")))
        }
        _ => Ok(()),
    }
}

pub(super) fn inherited_fds_from(
    options: &pool_options_t,
    start: StartMethod,
) -> Result<InheritedFds> {
    let numbers = list(options.inherit_fds, options.n_inherit_fds, "inherit_fds")?;
    let stdin = c_string(options.worker_stdin)?.map(CString::from);
    let inherited = InheritedFds::new(numbers.to_vec(), stdin)?;
    // A copy of the caller has all that the caller has.
    let is_copy = matches!(start, StartMethod::Fork { .. });
    Ok(if is_copy { inherited.without_copies() } else { inherited })
}

pub(super) fn exec_context_from(
    options: &pool_options_t,
    start: StartMethod,
) -> Result<ExecContext> {
    let limits = list(options.rlimits, options.n_rlimits, "rlimits")?;
    let limits = limits.iter().map(|&pool_rlimit_t { resource, soft, hard }| {
        let resource = u32::try_from(resource).map_err(|_| invalid("rlimits: no such resource"))?;
        Ok(ResourceLimit { resource, soft, hard })
    });
    let filter =
        list(options.seccomp_filter.cast::<[u8; 8]>(), options.seccomp_len, "seccomp_filter")?;
    let exec_context = ExecContext {
        oom_score_adj: options.oom_score_adj,
        nice: options.nice,
        cpus: list(options.worker_cpus, options.n_worker_cpus, "worker_cpus")?.to_vec(),
        limits: limits.collect::<Result<_>>()?,
        gid: options.gid,
        uid: options.uid,
        no_new_privs: options.no_new_privs,
        filter: filter.iter().map(|bytes| u64::from_ne_bytes(*bytes)).collect(),
        ..ExecContext::default()
    };
    let is_copy = matches!(start, StartMethod::Fork { .. });
    exec_context.with_memory_limit(options.memory_limit_per_worker, is_copy)?.checked()
}

/// Makes the options point to copies of their arrays.
pub(in super::super) fn copy_arrays(
    options: &mut pool_options_t,
    copies: &mut Copies,
) -> Result<()> {
    let field = "an option";
    options.inherit_fds = copies.of(list(options.inherit_fds, options.n_inherit_fds, field)?);
    options.worker_cpus = copies.of(list(options.worker_cpus, options.n_worker_cpus, field)?);
    options.rlimits = copies.of(list(options.rlimits, options.n_rlimits, field)?);
    let filter = list(options.seccomp_filter.cast::<[u8; 8]>(), options.seccomp_len, field)?;
    options.seccomp_filter = copies.of(filter).cast();
    Ok(())
}

/// No list here is ever longer.
const LIST_MAX: usize = 4096;

/// An array of the caller's.
fn list<'a, T>(start: *const T, count: usize, field: &str) -> Result<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    if start.is_null() || !start.is_aligned() {
        return Err(invalid(&format!("{field}: a number of them, and no array")));
    }
    if count > LIST_MAX {
        return Err(invalid(&format!("{field}: at most {LIST_MAX}")));
    }
    // SAFETY: the header: so many values that can be read until the call returns.
    Ok(unsafe { std::slice::from_raw_parts(start, count) })
}
