//! Options that say what workers are and how their processes start.

use super::enums::{pool_kind, pool_start};
use super::structs::{pool_options_t, pool_rlimit_t};
use super::{c_string, c_strings};
use super::options::{invalid, unsupported};
use crate::error::{Error, Result, Status};
use crate::pool::{ExecContext, InheritedFds, PoolKind, ProcessConfig, ResourceLimit, StartMethod, own_environment};
use std::ffi::{CString, c_char};
use std::sync::Arc;
use super::snapshot::Copies;

pub(super) fn kind_from(options: &pool_options_t) -> Result<PoolKind> {
    let start = start_from(options)?;
    let kind = match options.kind {
        kind if kind == pool_kind::POOL_PROCESS as i32 => {
            return Ok(PoolKind::Processes(Arc::new(process_config(options, start)?)));
        }
        kind if kind == pool_kind::POOL_THREAD as i32 => PoolKind::Threads,
        kind if kind == pool_kind::POOL_INLINE as i32 => PoolKind::Inline,
        _ => return Err(invalid("kind is none of enum pool_kind")),
    };
    let has_process_options = start != StartMethod::Spawn
        || !options.worker_executable.is_null()
        || !options.env.is_null()
        || !options.modules.is_null()
        || !options.cwd.is_null();
    match has_process_options {
        true => Err(unsupported(
            "start, worker_executable, env, modules and cwd are for worker processes only",
        )),
        false => Ok(kind),
    }
}

fn start_from(options: &pool_options_t) -> Result<StartMethod> {
    let with_threads = options.fork_with_threads;
    let start = match options.start {
        start if start == pool_start::POOL_SPAWN as i32 => StartMethod::Spawn,
        start if start == pool_start::POOL_FORKSERVER as i32 => StartMethod::Forkserver,
        start if start == pool_start::POOL_FORK as i32 => StartMethod::Fork { with_threads },
        _ => return Err(invalid("start is none of enum pool_start")),
    };
    let is_copy = matches!(start, StartMethod::Fork { .. });
    if with_threads && !is_copy {
        return Err(unsupported("fork_with_threads is for POOL_FORK only"));
    }
    if start == StartMethod::Spawn && !options.preload.is_null() {
        let words = "preload is for POOL_FORKSERVER and POOL_FORK; with POOL_SPAWN each worker opens modules";
        return Err(unsupported(words));
    }
    if is_copy && !options.worker_executable.is_null() {
        return Err(unsupported("worker_executable: with POOL_FORK workers execute no program"));
    }
    Ok(start)
}

fn process_config(options: &pool_options_t, start: StartMethod) -> Result<ProcessConfig> {
    let owned = |text| Ok::<_, Error>(c_string(text)?.map(CString::from));
    let environment = match c_strings(options.env)? {
        Some(entries) => Some(entries.into_iter().map(CString::from).collect()),
        None if matches!(start, StartMethod::Fork { .. }) => None,
        None => Some(own_environment()),
    };
    Ok(ProcessConfig {
        start,
        executable: owned(options.worker_executable)?,
        environment,
        directory: owned(options.cwd)?,
        modules: paths("modules", options.modules)?,
        preload: paths("preload", options.preload)?,
        inherited_fds: exec_context::inherited_fds_from(options, start)?,
        exec_context: exec_context::exec_context_from(options, start)?,
    })
}

/// What fits a message.
const PATHS_LEN_MAX: usize = 1024;

fn paths(field: &str, list: *const *const c_char) -> Result<Vec<String>> {
    let paths = c_strings(list)?.unwrap_or_default().into_iter().map(|path| {
        let path = path.to_str().map_err(|_| invalid("a module's path is not UTF-8"))?;
        Ok(path.to_owned())
    });
    let paths: Vec<String> = paths.collect::<Result<_>>()?;
    if paths.iter().map(|path| path.len() + 1).sum::<usize>() > PATHS_LEN_MAX {
        let words = format!("{field}: their paths are too long");
        return Err(Error::new(Status::POOL_ERR_TOO_LARGE, words));
    }
    Ok(paths)
}

// MERGED ffi.options.exec_context
// Options of what surrounds a worker process: descriptors, CPUs, limits, identity, system calls.

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
pub(in crate::ffi) fn copy_arrays(
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
