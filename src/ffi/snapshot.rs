//! The options that a pool was created with, for pool_get_options, with copies of everything they
//! point to.

use super::process_options::copy_arrays;
use super::structs::{pool_function_t, pool_options_t};
use super::types::pool_task_fn;
use super::{User, c_string, c_strings};
use crate::error::Result;
use crate::pool::{Config, HookSpec, OwnedCallee};
use std::ffi::{CStr, c_char};
use std::sync::Arc;

pub(super) struct Snapshot {
    options: pool_options_t,
    _copies: Copies,
    _hooks: [Option<Arc<HookSpec>>; 2],
    _user: User,
}

// SAFETY: what the options point to belongs to the snapshot and does not change, except what the
// user's pointer points to, which is the user's responsibility.
unsafe impl Send for Snapshot {}
// SAFETY: as above.
unsafe impl Sync for Snapshot {}

impl Snapshot {
    /// The options have been checked, and their defaults filled in.
    ///
    /// # Safety
    /// The header: strings and arrays that can be read.
    pub(super) unsafe fn new(
        mut options: pool_options_t,
        config: &Config,
        user: User,
    ) -> Result<Snapshot> {
        let mut copies = Copies::default();
        let mut name = config.name.clone().into_bytes();
        name.push(0);
        options.name = copies.of(&name).cast();
        for text in [&mut options.worker_executable, &mut options.cwd, &mut options.worker_stdin] {
            // SAFETY: the caller's promise.
            *text = copies.of_text(unsafe { c_string(*text) });
        }
        for list in [&mut options.env, &mut options.modules, &mut options.preload] {
            // SAFETY: the caller's promise.
            *list = copies.of_list(unsafe { c_strings(*list) });
        }
        // SAFETY: the caller's promise.
        unsafe { copy_arrays(&mut options, &mut copies) }?;
        let hooks = [config.initializer.clone(), config.finalizer.clone()];
        options.initializer = function_of(hooks[0].as_deref());
        options.finalizer = function_of(hooks[1].as_deref());
        Ok(Snapshot { options, _copies: copies, _hooks: hooks, _user: user })
    }

    pub(super) fn options(&self) -> &pool_options_t {
        &self.options
    }
}

/// Copies of C values, whose addresses stay valid as long as this does. Stored as `u64`, which is
/// aligned for every C type.
#[derive(Default)]
pub(super) struct Copies(Vec<Box<[u64]>>);

impl Copies {
    /// The address of a copy of these values; NULL for none.
    pub(super) fn of<T: Copy>(&mut self, values: &[T]) -> *const T {
        const { assert!(align_of::<T>() <= align_of::<u64>()) };
        self.of_bytes(values.as_ptr().cast(), size_of_val(values)).cast()
    }

    fn of_text(&mut self, text: Option<&CStr>) -> *const c_char {
        text.map_or(std::ptr::null(), |text| self.of(text.to_bytes_with_nul()).cast())
    }

    fn of_list(&mut self, list: Option<Vec<&CStr>>) -> *const *const c_char {
        let Some(list) = list else { return std::ptr::null() };
        let texts = list.into_iter().map(|text| self.of_text(Some(text)));
        let mut texts: Vec<*const c_char> = texts.collect();
        texts.push(std::ptr::null());
        self.of(&texts)
    }

    fn of_bytes(&mut self, from: *const u8, len: usize) -> *const u8 {
        if len == 0 {
            return std::ptr::null();
        }
        let mut copy = vec![0_u64; len.div_ceil(8)].into_boxed_slice();
        // SAFETY: `of` passes the address and the size of a slice; the copy is new, and as long.
        unsafe { copy.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(from, len) };
        let start = copy.as_ptr();
        self.0.push(copy);
        start.cast()
    }
}

/// A hook as C sees it; its bytes and names stay valid as long as it does.
fn function_of(hook: Option<&HookSpec>) -> pool_function_t {
    let none = std::ptr::null();
    let empty =
        pool_function_t { pointer: None, module: none, symbol: none, args: none.cast(), len: 0 };
    let Some(HookSpec { callee, args }) = hook else { return empty };
    let named = function_of_callee(callee);
    pool_function_t { args: args.as_ptr().cast(), len: args.len(), ..named }
}

/// A function without arguments, as it was submitted.
pub(super) fn function_of_callee(callee: &OwnedCallee) -> pool_function_t {
    let none = std::ptr::null();
    let mut function =
        pool_function_t { pointer: None, module: none, symbol: none, args: none.cast(), len: 0 };
    match callee {
        OwnedCallee::Pointer(pointer) => {
            // SAFETY: the address of a function of this type that the caller passed; NULL was
            // refused.
            function.pointer = unsafe { std::mem::transmute::<usize, pool_task_fn>(*pointer) };
        }
        OwnedCallee::Names(module, symbol) => {
            function.module = if module.is_empty() { none } else { module.as_ptr() };
            function.symbol = symbol.as_ptr();
        }
    }
    function
}
