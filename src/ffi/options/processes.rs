//! Options that say what workers are and how their processes start.

use super::super::enums::{pool_kind, pool_start};
use super::super::structs::pool_options_t;
use super::super::{c_string, c_strings};
use super::{exec_context, invalid, unsupported};
use crate::error::{Error, Result, Status};
use crate::pool::{PoolKind, ProcessConfig, StartMethod, own_environment};
use std::ffi::{CString, c_char};
use std::sync::Arc;

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
