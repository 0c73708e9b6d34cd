//! The options that a pool was made with, kept for pool_get_options, with all that they point to.

use super::options::Arrays;
use super::structs::*;
use super::types::*;
use super::{StringList, User, c_string, c_strings};
use crate::error::{Result, Status};
use crate::pool::{Config, HookSpec, OwnedCallee};
use std::ffi::{CStr, CString};

pub(super) struct Snapshot {
    options: pool_options_t,
    _name: CString,
    _executable: Option<CString>,
    _directory: Option<CString>,
    _lists: [Option<StringList>; 3],
    _hooks: [Option<HookSpec>; 2],
    _arrays: Arrays,
    _user: User,
}

// SAFETY: what the options point to belongs to the snapshot and does not change, but for the user's
// pointer, which is the user's matter.
unsafe impl Send for Snapshot {}
// SAFETY: as above.
unsafe impl Sync for Snapshot {}

impl Snapshot {
    /// The options have been checked, and their defaults filled in.
    pub(super) fn new(
        mut options: pool_options_t,
        config: &Config,
        user: User,
    ) -> Result<Snapshot> {
        let name = CString::new(&*config.name).map_err(|_| Status::POOL_ERR_INVALID)?;
        let executable = c_string(options.worker_executable)?.map(CString::from);
        let directory = c_string(options.cwd)?.map(CString::from);
        let list = |pointers| {
            let strings = c_strings(pointers)?;
            let owned = strings.map(|it| it.into_iter().map(CString::from).collect());
            Ok::<_, crate::error::Error>(owned.map(StringList::new))
        };
        let lists = [list(options.env)?, list(options.modules)?, list(options.preload)?];
        let hooks = [config.initializer.clone(), config.finalizer.clone()];
        let pointer =
            |text: &Option<CString>| text.as_deref().map_or(std::ptr::null(), CStr::as_ptr);
        let start =
            |list: &Option<StringList>| list.as_ref().map_or(std::ptr::null(), StringList::as_ptr);
        options.name = name.as_ptr();
        options.worker_executable = pointer(&executable);
        options.cwd = pointer(&directory);
        options.env = start(&lists[0]);
        options.modules = start(&lists[1]);
        options.preload = start(&lists[2]);
        options.initializer = function_of(hooks[0].as_ref());
        options.finalizer = function_of(hooks[1].as_ref());
        let arrays = Arrays::take(&mut options)?;
        Ok(Snapshot {
            options,
            _name: name,
            _executable: executable,
            _directory: directory,
            _lists: lists,
            _hooks: hooks,
            _arrays: arrays,
            _user: user,
        })
    }

    pub(super) fn options(&self) -> &pool_options_t {
        &self.options
    }
}

/// A hook as C sees it; its bytes and names stay where they are as long as it does.
fn function_of(hook: Option<&HookSpec>) -> pool_function_t {
    let none = std::ptr::null();
    let empty =
        pool_function_t { pointer: None, module: none, symbol: none, args: none.cast(), len: 0 };
    let Some(HookSpec { callee, args }) = hook else { return empty };
    let named = function_of_callee(callee);
    pool_function_t { args: args.as_ptr().cast(), len: args.len(), ..named }
}

/// A function without arguments, as it was given.
pub(super) fn function_of_callee(callee: &OwnedCallee) -> pool_function_t {
    let none = std::ptr::null();
    let mut function =
        pool_function_t { pointer: None, module: none, symbol: none, args: none.cast(), len: 0 };
    match callee {
        OwnedCallee::Pointer(pointer) => {
            // SAFETY: a number that was such a function's address when the caller gave it; NULL was
            // refused then.
            function.pointer = unsafe { std::mem::transmute::<usize, pool_task_fn>(*pointer) };
        }
        OwnedCallee::Names(module, symbol) => {
            function.module = if module.is_empty() { none } else { module.as_ptr() };
            function.symbol = symbol.as_ptr();
        }
    }
    function
}
