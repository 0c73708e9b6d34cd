//! Reading the options of worker processes: how they start, and their execution context.

use super::enums::{one_of, pool_isolation, pool_kind, pool_sandbox, pool_start};
use super::snapshot::Copies;
use super::structs::{pool_options_t, pool_rlimit_t};
use super::{c_string, c_strings, invalid, unsupported};
use crate::error::{Error, Result, Status};
use crate::pool::PoolKind;
use crate::worker::config::{ProcessConfig, StartMethod};
use crate::worker::exec_context::{ExecContext, ResourceLimit};
use crate::worker::inherit_fds::InheritedFds;
use crate::worker::opened_program::OpenedProgram;
use crate::worker::resolve;
use crate::worker::spawn::own_environment;
use std::ffi::{CString, c_char};
use std::sync::Arc;

/// # Safety
/// The header: strings and arrays that can be read.
pub(super) unsafe fn kind_from(options: &pool_options_t) -> Result<PoolKind> {
    let start = start_from(options)?;
    let kind = one_of(
        options.kind,
        ["kind", "pool_kind"],
        [
            (pool_kind::POOL_PROCESS as i32, None),
            (pool_kind::POOL_THREAD as i32, Some(PoolKind::Threads)),
            (pool_kind::POOL_INLINE as i32, Some(PoolKind::Inline)),
        ],
    )?;
    let Some(kind) = kind else {
        // SAFETY: the caller's promise.
        let process_config = unsafe { process_config(options, start) }?;
        return Ok(PoolKind::Processes(Arc::new(process_config)));
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
    let start = one_of(
        options.start,
        ["start", "pool_start"],
        [
            (pool_start::POOL_SPAWN as i32, StartMethod::Spawn),
            (pool_start::POOL_FORKSERVER as i32, StartMethod::Forkserver),
            (pool_start::POOL_FORK as i32, StartMethod::Fork { with_threads }),
        ],
    )?;
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

/// # Safety
/// See [`kind_from`].
unsafe fn process_config(options: &pool_options_t, start: StartMethod) -> Result<ProcessConfig> {
    // SAFETY: the caller's promise.
    let owned = |text| unsafe { c_string(text) }.map(CString::from);
    let is_copy = matches!(start, StartMethod::Fork { .. });
    // SAFETY: the caller's promise.
    let environment = match unsafe { c_strings(options.env) } {
        Some(entries) => Some(entries.into_iter().map(CString::from).collect()),
        None if is_copy => None,
        None => Some(own_environment()),
    };
    let directory = owned(options.cwd);
    // SAFETY: the caller's promise.
    let modules = unsafe { paths("modules", options.modules) }?;
    Ok(ProcessConfig {
        start,
        executable: owned(options.worker_executable)
            .map(|path| OpenedProgram::named(path, directory.as_deref())),
        helper: if is_copy { None } else { OpenedProgram::helper() },
        environment,
        directory,
        modules: modules.into_iter().map(resolve::module_file).collect(),
        // SAFETY: the caller's promise.
        preload: unsafe { paths("preload", options.preload) }?,
        // SAFETY: the caller's promise.
        inherited_fds: unsafe { inherited_fds_from(options, start) }?,
        // SAFETY: the caller's promise.
        exec_context: unsafe { exec_context_from(options, start) }?,
        is_isolated: is_isolated_from(options)?,
    })
}

/// The maximum total length of the paths in a message to a worker.
const PATHS_LEN_MAX: usize = 1024;

/// # Safety
/// See [`kind_from`].
unsafe fn paths(field: &str, list: *const *const c_char) -> Result<Vec<String>> {
    // SAFETY: the caller's promise.
    let paths = unsafe { c_strings(list) }.unwrap_or_default().into_iter().map(|path| {
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

// ---- the execution context: descriptors, CPUs, limits, identity, system calls -----------------------

/// Refuses an execution context for workers that are not processes.
pub(super) fn refuse_exec_context(options: &pool_options_t, kind: &PoolKind) -> Result<()> {
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
        ("sandbox", options.sandbox != 0),
        ("isolation", options.isolation != 0),
        ("seccomp_filter", !options.seccomp_filter.is_null() || options.seccomp_len != 0),
    ];
    match set.iter().find(|(_, is_set)| *is_set) {
        Some((field, _)) if !matches!(kind, PoolKind::Processes(_)) => {
            Err(unsupported(&format!("{field}: for worker processes only")))
        }
        _ => Ok(()),
    }
}

/// # Safety
/// See [`kind_from`].
unsafe fn inherited_fds_from(options: &pool_options_t, start: StartMethod) -> Result<InheritedFds> {
    // SAFETY: the caller's promise.
    let numbers = unsafe { list(options.inherit_fds, options.n_inherit_fds, "inherit_fds") }?;
    // SAFETY: the caller's promise.
    let stdin = unsafe { c_string(options.worker_stdin) }.map(CString::from);
    let inherited = InheritedFds::new(numbers.to_vec(), stdin)?;
    // A copy of the caller has all of the caller's descriptors.
    let is_copy = matches!(start, StartMethod::Fork { .. });
    Ok(if is_copy { inherited.without_copies() } else { inherited })
}

/// # Safety
/// See [`kind_from`].
unsafe fn exec_context_from(options: &pool_options_t, start: StartMethod) -> Result<ExecContext> {
    // SAFETY: the caller's promise.
    let limits = unsafe { list(options.rlimits, options.n_rlimits, "rlimits") }?;
    let limits = limits.iter().map(|&pool_rlimit_t { resource, soft, hard }| {
        let resource = u32::try_from(resource).map_err(|_| invalid("rlimits: no such resource"))?;
        Ok(ResourceLimit { resource, soft, hard })
    });
    let filter = options.seccomp_filter.cast::<[u8; 8]>();
    // SAFETY: the caller's promise; a struct sock_filter has 8 bytes.
    let filter = unsafe { list(filter, options.seccomp_len, "seccomp_filter") }?;
    // SAFETY: the caller's promise.
    let cpus = unsafe { list(options.worker_cpus, options.n_worker_cpus, "worker_cpus") }?;
    let is_copy = matches!(start, StartMethod::Fork { .. });
    let exec_context = ExecContext {
        oom_score_adj: options.oom_score_adj,
        nice: options.nice,
        cpus: cpus.to_vec(),
        limits: limits.collect::<Result<_>>()?,
        gid: options.gid,
        uid: options.uid,
        no_new_privs: options.no_new_privs,
        filter: filter.iter().map(|bytes| u64::from_ne_bytes(*bytes)).collect(),
        computes_only: computes_only_from(options)?,
        is_copy: is_copy && options.sandbox != 0,
        // SAFETY: the caller's promise.
        kept_fds: unsafe { kept_fds_from(options, is_copy) }?,
        ..ExecContext::default()
    };
    exec_context.with_memory_limit(options.memory_limit_per_worker, is_copy)?.checked()
}

fn is_isolated_from(options: &pool_options_t) -> Result<bool> {
    use pool_isolation::*;
    one_of(
        options.isolation,
        ["isolation", "pool_isolation"],
        [(POOL_SHARED as i32, false), (POOL_ISOLATED as i32, true)],
    )
}

fn computes_only_from(options: &pool_options_t) -> Result<bool> {
    use pool_sandbox::*;
    one_of(
        options.sandbox,
        ["sandbox", "pool_sandbox"],
        [(POOL_SANDBOX_NONE as i32, false), (POOL_SANDBOX_COMPUTE as i32, true)],
    )
}

/// What a copy of the caller keeps of the caller's descriptors in the sandbox.
///
/// # Safety
/// See [`kind_from`].
unsafe fn kept_fds_from(options: &pool_options_t, is_copy: bool) -> Result<Vec<i32>> {
    if options.sandbox == 0 || !is_copy {
        return Ok(Vec::new());
    }
    // SAFETY: the caller's promise.
    let numbers = unsafe { list(options.inherit_fds, options.n_inherit_fds, "inherit_fds") }?;
    Ok(numbers.to_vec())
}

/// Makes the options point to copies of their arrays.
///
/// # Safety
/// See [`kind_from`].
pub(super) unsafe fn copy_arrays(options: &mut pool_options_t, copies: &mut Copies) -> Result<()> {
    let field = "an option";
    // SAFETY: the caller's promise.
    let fds = unsafe { list(options.inherit_fds, options.n_inherit_fds, field) }?;
    options.inherit_fds = copies.of(fds);
    // SAFETY: the caller's promise.
    let cpus = unsafe { list(options.worker_cpus, options.n_worker_cpus, field) }?;
    options.worker_cpus = copies.of(cpus);
    // SAFETY: the caller's promise.
    let limits = unsafe { list(options.rlimits, options.n_rlimits, field) }?;
    options.rlimits = copies.of(limits);
    let filter = options.seccomp_filter.cast::<[u8; 8]>();
    // SAFETY: the caller's promise; a struct sock_filter has 8 bytes.
    let filter = unsafe { list(filter, options.seccomp_len, field) }?;
    options.seccomp_filter = copies.of(filter).cast();
    Ok(())
}

/// The maximum length of an array.
const LIST_MAX: usize = 4096;

/// The caller's array.
///
/// # Safety
/// The header: `count` values that can be read for as long as `'a`; NULL is refused.
unsafe fn list<'a, T>(start: *const T, count: usize, field: &str) -> Result<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    if start.is_null() || !start.is_aligned() {
        return Err(invalid(&format!("{field}: a length, and no array")));
    }
    if count > LIST_MAX {
        return Err(invalid(&format!("{field}: at most {LIST_MAX}")));
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(start, count) })
}
