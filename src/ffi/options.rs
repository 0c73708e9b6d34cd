//! Options: C structs become checked values. What is not built yet is refused here, and so is what a
//! kind of worker cannot do.

use super::types::*;
use super::{bytes, c_string, c_strings, sized, utf8};
use crate::error::{Error, Result, Status};
use crate::pool::{
    Args, BufferTicket, Callee, Config, Kind, Recipe, Spec, WORKERS_MAX, available_cpus,
    own_environment,
};
use std::ffi::{CString, c_void};

/// How many more workers a thread pool has than CPUs by default: some will wait for something.
const THREADS_MORE: u32 = 5;

/// The configuration that pool_new is given.
pub(super) fn config_from(options: *const pool_options_t) -> Result<Config> {
    let options = match options.is_null() {
        true => defaults(),
        // SAFETY: a struct of C types with its size first; zeros are its defaults.
        false => unsafe { sized(options) }?,
    };
    // Nothing uses the pointer beyond this call, whatever comes of it.
    let _drop = DropGuard { user: options.user, drop: options.drop };
    check_unbuilt(&options)?;
    let name = utf8(options.name)?.unwrap_or("pool").to_owned();
    if name.contains('/') || name.len() > 64 {
        return Err(invalid("name: at most 64 bytes, and no slash"));
    }
    let kind = kind_from(&options)?;
    let workers_max = match (options.max_workers, &kind) {
        (0, Kind::Threads) => available_cpus() + THREADS_MORE,
        (0, Kind::Processes(_)) => available_cpus(),
        (workers, _) => workers,
    };
    if workers_max > WORKERS_MAX {
        return Err(invalid("max_workers: at most 1024"));
    }
    Ok(Config { name, kind, workers_max })
}

fn defaults() -> pool_options_t {
    // SAFETY: a struct of C types; zeros are its defaults.
    unsafe { std::mem::zeroed() }
}

fn kind_from(options: &pool_options_t) -> Result<Kind> {
    let has_process_options = !options.worker_executable.is_null()
        || !options.env.is_null()
        || !options.modules.is_null()
        || !options.cwd.is_null();
    match options.kind {
        kind if kind == pool_kind::POOL_PROCESS as i32 => Ok(Kind::Processes(recipe(options)?)),
        kind if kind == pool_kind::POOL_THREAD as i32 && has_process_options => Err(unsupported(
            "worker_executable, env, modules and cwd are for worker processes only",
        )),
        kind if kind == pool_kind::POOL_THREAD as i32 => Ok(Kind::Threads),
        kind if kind == pool_kind::POOL_INLINE as i32 => Err(unsupported("kind POOL_INLINE")),
        _ => Err(invalid("kind is none of enum pool_kind")),
    }
}

fn recipe(options: &pool_options_t) -> Result<Recipe> {
    let owned = |text| Ok::<_, Error>(c_string(text)?.map(CString::from));
    let environment = match c_strings(options.env)? {
        Some(entries) => entries.into_iter().map(CString::from).collect(),
        None => own_environment(),
    };
    let modules = c_strings(options.modules)?.unwrap_or_default().into_iter().map(|module| {
        let module = module.to_str().map_err(|_| invalid("a module's path is not UTF-8"))?;
        Ok(module.to_owned())
    });
    let modules: Vec<String> = modules.collect::<Result<_>>()?;
    if modules.iter().map(|module| module.len() + 1).sum::<usize>() > MODULES_LEN_MAX {
        return Err(Error::new(Status::POOL_ERR_TOO_LARGE, "modules: their paths are too long"));
    }
    Ok(Recipe {
        executable: owned(options.worker_executable)?,
        environment,
        directory: owned(options.cwd)?,
        modules,
    })
}

/// What fits a worker's welcome.
const MODULES_LEN_MAX: usize = 1024;

fn check_unbuilt(options: &pool_options_t) -> Result<()> {
    let is_set = |function: &pool_function_t| {
        function.pointer.is_some() || !function.module.is_null() || !function.symbol.is_null()
    };
    refuse_set(&[
        ("start", options.start != pool_start::POOL_SPAWN as i32),
        ("min_workers", options.min_workers != 0),
        ("idle_timeout_ms", options.idle_timeout_ms != 0),
        ("initializer", is_set(&options.initializer)),
        ("finalizer", is_set(&options.finalizer)),
        ("max_tasks_per_worker", options.max_tasks_per_worker != 0),
        ("max_memory_per_worker", options.max_memory_per_worker != 0),
        ("max_pending", options.max_pending != 0),
        ("soft_limit_ms", options.soft_limit_ms != 0),
        ("hard_limit_ms", options.hard_limit_ms != 0),
        ("start_timeout_ms", options.start_timeout_ms != 0),
        ("kill_grace_ms", options.kill_grace_ms != 0),
        ("on_worker_lost", options.on_worker_lost != pool_lost::POOL_LOST_FAIL_TASK as i32),
        ("retries", options.retries != 0),
        ("max_restarts", options.max_restarts != 0),
        ("restart_window_ms", options.restart_window_ms != 0),
        ("at_exit", options.at_exit != pool_exit::POOL_EXIT_CANCEL as i32),
        ("sched", options.sched != pool_sched::POOL_FAIR as i32),
        ("log", options.log.is_some()),
        ("on_event", options.on_event.is_some()),
        ("driver", options.driver != pool_driver::POOL_DRIVER_INTERNAL as i32),
        ("initializer_timeout_ms", options.initializer_timeout_ms != 0),
        ("finalizer_timeout_ms", options.finalizer_timeout_ms != 0),
    ])
}

/// The task that pool_submit_call is given.
pub(super) fn spec_from_call<'a>(call: *const pool_call_t) -> Result<Spec<'a>> {
    // SAFETY: a struct of C types with its size first; zeros are its defaults.
    let call: pool_call_t = unsafe { sized(call) }?;
    let _drop = DropGuard { user: call.user, drop: call.drop };
    let checked = check_unbuilt_of_call(&call).and_then(|()| spec_from_function(&call.task));
    if call.buffer.is_null() {
        return checked;
    }
    let buffer = BufferTicket::from_raw(call.buffer as u64);
    match checked {
        Ok(spec) if call.task.len == 0 => Ok(Spec { args: Args::Buffer(buffer), ..spec }),
        refused => {
            // The header: a submit takes the buffer over, also when it fails.
            let _ = crate::pool::buffer_free(buffer);
            Err(refused.err().unwrap_or_else(|| invalid("both a buffer and args")))
        }
    }
}

fn check_unbuilt_of_call(call: &pool_call_t) -> Result<()> {
    refuse_set(&[
        ("soft_limit_ms", call.soft_limit_ms != 0),
        ("hard_limit_ms", call.hard_limit_ms != 0),
        ("start_deadline_ms", call.start_deadline_ms != 0),
        ("submit_timeout_ms", !matches!(call.submit_timeout_ms, 0 | POOL_NOW)),
        ("retries", call.retries != 0),
        ("priority", call.priority != 0),
        ("tag", call.tag != 0),
        ("on_accept", call.on_accept.is_some()),
        ("on_done", call.on_done.is_some()),
        ("on_timeout", call.on_timeout.is_some()),
    ])
}

/// A function by pointer, or by module and symbol, with its bytes.
pub(super) fn spec_from_function<'a>(function: &pool_function_t) -> Result<Spec<'a>> {
    let args = Args::Bytes(bytes(function.args, function.len)?);
    let callee = match (function.pointer, utf8(function.symbol)?) {
        (Some(pointer), None) if function.module.is_null() => Callee::Pointer(pointer as usize),
        (None, Some(symbol)) if !symbol.is_empty() => {
            Callee::Names(utf8(function.module)?.unwrap_or(""), symbol)
        }
        _ => return Err(invalid("a function is either a pointer, or a symbol and its module")),
    };
    Ok(Spec { callee, args })
}

pub(super) fn check_cancel_mode(mode: pool_cancel_t) -> Result<()> {
    match mode {
        mode if mode == pool_cancel::POOL_CANCEL_QUEUED as i32 => Ok(()),
        mode if mode == pool_cancel::POOL_CANCEL_RUNNING as i32 => {
            Err(unsupported("POOL_CANCEL_RUNNING"))
        }
        _ => Err(invalid("mode is none of enum pool_cancel")),
    }
}

fn refuse_set(fields: &[(&str, bool)]) -> Result<()> {
    match fields.iter().find(|(_, is_set)| *is_set) {
        Some((field, _)) => Err(unsupported(&format!("{field}: not built yet"))),
        None => Ok(()),
    }
}

fn unsupported(words: &str) -> Error {
    Error::new(Status::POOL_ERR_UNSUPPORTED, words)
}

fn invalid(words: &str) -> Error {
    Error::new(Status::POOL_ERR_INVALID, words)
}

/// Calls the user's drop function when it goes out of scope: once, on every way out.
struct DropGuard {
    user: *mut c_void,
    drop: pool_drop_fn,
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        if let Some(drop) = self.drop {
            // SAFETY: the header: a function that takes this pointer.
            unsafe { drop(self.user) };
        }
    }
}
