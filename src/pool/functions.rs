//! The functions that were submitted: each is named once, and then known by its index.

use crate::sync::{Mutex};
use crate::state::config::{Callee, PoolKind};
use super::OwnedCallee;
use crate::board::functions::{FUNCTIONS_MAX, Function, FunctionLocator, IDENTITY_LEN};
use crate::error::{Error, Result, Status};
use crate::sync::Ordering::*;
use crate::sync::plain::AtomicU64;
use crate::table::Table;
use crate::state::PoolState;
use crate::worker::{resolve, spawn};
use std::sync::Arc;

/// Recently submitted pointers, looked up without a lock. Each place holds a pointer (48 bits of it
/// tell user addresses apart) and the index of its function.
const RECENT: usize = 64;
const INDEX_BITS: u32 = 16;
const _: () = assert!(FUNCTIONS_MAX == 1 << INDEX_BITS);

pub(crate) struct FunctionTable {
    recent: [AtomicU64; RECENT],
    state: Mutex<FunctionIndex>,
}

#[derive(Default)]
struct FunctionIndex {
    pointers: Table<u32>,
    /// By the index, and the indices of those that have the same digest.
    functions: Vec<Function>,
    by_digest: Table<Vec<u32>>,
    names_used: usize,
    /// What was submitted, by the index.
    callees: Vec<Arc<OwnedCallee>>,
}

impl Default for FunctionTable {
    fn default() -> FunctionTable {
        FunctionTable { recent: [const { AtomicU64::new(0) }; RECENT], state: Mutex::default() }
    }
}

impl FunctionTable {
    /// The index of a function, which is entered at the board if it is new.
    #[inline(always)]
    pub(crate) fn index(&self, state: &PoolState, callee: Callee<'_>) -> Result<u32> {
        match callee {
            Callee::Pointer(pointer) => {
                // Relaxed: pointer and index are one word, and the entry itself is handed to the
                // workers by the slot's word.
                let known = self.recent[place(pointer)].load(Relaxed);
                if known >> INDEX_BITS == pointer as u64 {
                    return Ok((known & (FUNCTIONS_MAX as u64 - 1)) as u32);
                }
                self.intern_pointer(state, pointer)
            }
            Callee::Names(module, symbol) => self.intern_by_name(state, module, symbol),
        }
    }

    #[inline(never)]
    fn intern_by_name(&self, state: &PoolState, module: &str, symbol: &str) -> Result<u32> {
        let function = Function {
            module: module.to_owned(),
            identity: [0; IDENTITY_LEN],
            locator: FunctionLocator::Symbol(symbol.to_owned()),
        };
        self.enter(state, &mut self.lock(), function, Callee::Names(module, symbol))
    }

    #[cold]
    fn intern_pointer(&self, state: &PoolState, pointer: usize) -> Result<u32> {
        let known = self.lock().pointers.get(pointer as u64).copied();
        let index = match known {
            Some(index) => index,
            None => {
                // Named outside the lock: the loader has locks of its own, and a module's constructor,
                // which it calls under them, may submit.
                let function = match state.kind {
                    PoolKind::Threads | PoolKind::Inline => by_address(pointer),
                    PoolKind::Processes(_) => resolve::name(pointer)?,
                };
                let mut known = self.lock();
                let index = self.enter(state, &mut known, function, Callee::Pointer(pointer))?;
                known.pointers.put(pointer as u64, index);
                index
            }
        };
        // Release, beside the lock's own: whoever reads the word finds the entry written.
        self.recent[place(pointer)]
            .store((pointer as u64) << INDEX_BITS | u64::from(index), Release);
        Ok(index)
    }

    fn enter(
        &self,
        state: &PoolState,
        known: &mut FunctionIndex,
        function: Function,
        callee: Callee<'_>,
    ) -> Result<u32> {
        let digest = function.digest();
        let mut alike = known.by_digest.get(digest).into_iter().flatten();
        if let Some(index) = alike.find(|index| known.functions[**index as usize] == function) {
            return Ok(*index);
        }
        if let PoolKind::Processes(process_config) = &state.kind
            && resolve::is_of_main(&function)
        {
            start::check_main_program(process_config)?;
            // A copy of the caller has it anyway.
            let is_copy = matches!(process_config.start, start::StartMethod::Fork { .. });
            state.needs_main_program.store(!is_copy, Relaxed);
        }
        let index = known.functions.len() as u32;
        let region = &state.region;
        let (functions, names) = (&region.functions, &mut known.names_used);
        if !functions.write(index, &function, names, &region.memory) {
            let words = "the pool names too many functions already: 65536, or less with long names";
            return Err(Error::new(Status::POOL_ERR_FUNCTION, words));
        }
        known.callees.push(Arc::new(OwnedCallee::of(callee)?));
        known.functions.push(function);
        known.by_digest.get_or_make(digest, Vec::new).push(index);
        Ok(index)
    }

    /// What was submitted under this index. Its words stay where they are as long as the roll.
    pub(crate) fn callee(&self, index: u32) -> Option<Arc<OwnedCallee>> {
        self.lock().callees.get(index as usize).cloned()
    }

    fn lock(&self) -> crate::sync::MutexGuard<'_, FunctionIndex> {
        self.state.lock()
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
fn place(pointer: usize) -> usize {
    (pointer >> 4) % RECENT
}
