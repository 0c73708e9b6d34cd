//! The functions of a pool's tasks. Each is written to the board once, and tasks name it by its
//! index.

use super::{Callee, OwnedCallee, PoolKind};
use crate::board::functions::{FUNCTIONS_MAX, Function, FunctionLocator, IDENTITY_LEN};
use crate::error::{Error, Result, Status};
use crate::state::PoolState;
use crate::sync::plain::AtomicU64;
use crate::sync::{Mutex, Ordering::*};
use crate::worker::config::StartMethod;
use crate::worker::{program, resolve};
use std::collections::HashMap;
use std::sync::Arc;

/// Recently submitted pointers, looked up without a lock. An entry holds a pointer (user addresses
/// differ in 48 bits) and the index of its function.
const RECENT: usize = 64;
const INDEX_BITS: u32 = 16;
const _: () = assert!(FUNCTIONS_MAX == 1 << INDEX_BITS);

pub(super) struct FunctionTable {
    recent: [AtomicU64; RECENT],
    known: Mutex<FunctionIndex>,
}

#[derive(Default)]
struct FunctionIndex {
    pointers: HashMap<usize, u32>,
    /// By module and symbol.
    names: HashMap<(String, String), u32>,
    functions: HashMap<Function, u32>,
    /// What was submitted, by index.
    callees: Vec<Arc<OwnedCallee>>,
    names_used: usize,
}

impl Default for FunctionTable {
    fn default() -> FunctionTable {
        FunctionTable { recent: [const { AtomicU64::new(0) }; RECENT], known: Mutex::default() }
    }
}

impl FunctionTable {
    /// The index of a function. A new function is written to the board.
    #[inline(always)]
    pub(super) fn intern(&self, state: &PoolState, callee: Callee<'_>) -> Result<u32> {
        match callee {
            Callee::Pointer(pointer) => {
                // Relaxed: pointer and index are one word, and the workers see the entry by the
                // slot's word.
                let recent = self.recent[recent_of(pointer)].load(Relaxed);
                if recent >> INDEX_BITS == pointer as u64 {
                    return Ok((recent & (FUNCTIONS_MAX as u64 - 1)) as u32);
                }
                self.intern_pointer(state, pointer)
            }
            Callee::Names(module, symbol) => self.intern_name(state, module, symbol),
        }
    }

    #[inline(never)]
    fn intern_name(&self, state: &PoolState, module: &str, symbol: &str) -> Result<u32> {
        let named = (module.to_owned(), symbol.to_owned());
        if let Some(index) = self.known.lock().names.get(&named) {
            return Ok(*index);
        }
        let identity = match state.config.kind {
            // Without the lock: the dynamic loader has locks of its own.
            PoolKind::Processes(_) if !module.is_empty() => resolve::identity_of_module(module),
            _ => [0; IDENTITY_LEN],
        };
        let locator = FunctionLocator::Symbol(symbol.to_owned());
        let function = Function { module: module.to_owned(), identity, locator };
        let mut known = self.known.lock();
        let index = known.add(state, function, Callee::Names(module, symbol))?;
        known.names.insert(named, index);
        Ok(index)
    }

    #[cold]
    fn intern_pointer(&self, state: &PoolState, pointer: usize) -> Result<u32> {
        let known = self.known.lock().pointers.get(&pointer).copied();
        let index = match known {
            Some(index) => index,
            None => {
                // Named without the lock: the dynamic loader has locks of its own, and a module's
                // constructor, which runs under them, may submit.
                let function = match state.config.kind {
                    PoolKind::Threads | PoolKind::Inline => by_address(pointer),
                    PoolKind::Processes(_) => resolve::name(pointer)?,
                };
                let mut known = self.known.lock();
                let index = known.add(state, function, Callee::Pointer(pointer))?;
                known.pointers.insert(pointer, index);
                index
            }
        };
        // Release, beside the lock's own: a thread that reads the word finds the entry written.
        self.recent[recent_of(pointer)]
            .store((pointer as u64) << INDEX_BITS | u64::from(index), Release);
        Ok(index)
    }

    /// What was submitted under this index.
    pub(super) fn callee(&self, index: u32) -> Option<Arc<OwnedCallee>> {
        self.known.lock().callees.get(index as usize).cloned()
    }
}

impl FunctionIndex {
    fn add(&mut self, state: &PoolState, function: Function, callee: Callee<'_>) -> Result<u32> {
        if let Some(index) = self.functions.get(&function) {
            return Ok(*index);
        }
        if let PoolKind::Processes(process_config) = &state.config.kind
            && resolve::is_of_main(&function)
        {
            program::check_main_program(process_config)?;
            // A copy of the caller has the main program anyway.
            let is_copy = matches!(process_config.start, StartMethod::Fork { .. });
            state.needs_main_program.store(!is_copy, Relaxed);
        }
        let callee = Arc::new(OwnedCallee::of(callee)?);
        let index = self.callees.len() as u32;
        let region = &state.region;
        if !region.functions.write(index, &function, &mut self.names_used, &region.memory) {
            let words = "the pool names too many functions already: 65536, or less with long names";
            return Err(Error::new(Status::POOL_ERR_FUNCTION, words));
        }
        state.functions.add(function.clone());
        self.callees.push(callee);
        self.functions.insert(function, index);
        Ok(index)
    }
}

/// Threads call the pointer itself.
fn by_address(pointer: usize) -> Function {
    resolve::keep_loaded(pointer);
    Function {
        module: String::new(),
        identity: [0; IDENTITY_LEN],
        locator: FunctionLocator::Address(pointer as u64),
    }
}

/// Functions are aligned to 16 bytes as a rule: the bits above tell them apart.
fn recent_of(pointer: usize) -> usize {
    (pointer >> 4) % RECENT
}
