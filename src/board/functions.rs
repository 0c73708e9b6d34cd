//! The table of functions: each function is written once, and a task carries its index.
//!
//! The parent writes; workers read. An entry is complete before the first task that refers to it is
//! published, so the slot's word is what hands it over.

use super::memory::{Memory, Shared, Span};
use crate::sync::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// The most functions of one pool.
pub(crate) const FUNCTIONS_MAX: usize = 1 << 16;
/// Length of an identity; build ids are 20 (SHA-1) or 16 (MD5, UUID) bytes long.
pub(crate) const IDENTITY_LEN: usize = 32;

/// Identifies the build of a module: its build id, or else a digest of its code, padded with zeros.
/// All zeros: unknown, any build matches.
pub(crate) type Identity = [u8; IDENTITY_LEN];

/// How a worker finds a function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum FunctionLocator {
    /// By its address: for workers that are threads of this process.
    Address(u64),
    /// By its exported name.
    Symbol(String),
    /// By its offset from its module's load address.
    Offset(u64),
}

/// A function as it is described to a worker.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Function {
    /// The path of its module; empty for the main program.
    pub(crate) module: String,
    pub(crate) identity: Identity,
    pub(crate) locator: FunctionLocator,
}

#[derive(Default)]
#[repr(C, align(64))]
pub(crate) struct FunctionEntry {
    /// Offset and length of the module's path within the names.
    module: AtomicU64,
    /// Offset and length of the symbol, or an address, or an offset.
    target: AtomicU64,
    locator: AtomicU32,
    identity: [AtomicU32; IDENTITY_LEN / 4],
}

// SAFETY: atomic numbers.
unsafe impl Shared for FunctionEntry {}

const ADDRESS: u32 = 1;
const SYMBOL: u32 = 2;
const OFFSET: u32 = 3;

#[derive(Clone, Copy)]
pub(crate) struct FunctionEntries {
    entries: Span<FunctionEntry>,
    /// The offset of the names in the region, and how many bytes there are for them.
    names: usize,
    names_len: usize,
}

impl FunctionEntries {
    pub(crate) fn new(
        entries: Span<FunctionEntry>,
        names: usize,
        names_len: usize,
    ) -> FunctionEntries {
        FunctionEntries { entries, names, names_len }
    }

    /// Writes an entry; `names_used` is how many bytes of names are in use, and grows. False: there
    /// is no room.
    pub(crate) fn write(
        &self,
        index: u32,
        function: &Function,
        names_used: &mut usize,
        memory: &Memory,
    ) -> bool {
        let Some(entry) = self.entries.get(index as usize) else { return false };
        let mut name = |text: &str| {
            let start = *names_used;
            let end = start.checked_add(text.len()).filter(|end| *end <= self.names_len)?;
            let target = memory.bytes(self.names + start, text.len())?;
            *names_used = end;
            // SAFETY: `target` has `text.len()` bytes, and no entry refers to them yet, so nothing
            // reads them.
            unsafe { target.copy_from_nonoverlapping(text.as_ptr(), text.len()) };
            Some((start as u64) << 32 | text.len() as u64)
        };
        let Some(module) = name(&function.module) else { return false };
        let (locator, target) = match &function.locator {
            FunctionLocator::Address(address) => (ADDRESS, Some(*address)),
            FunctionLocator::Symbol(symbol) => (SYMBOL, name(symbol)),
            FunctionLocator::Offset(offset) => (OFFSET, Some(*offset)),
        };
        let Some(target) = target else { return false };
        entry.module.store(module, Relaxed);
        entry.target.store(target, Relaxed);
        entry.locator.store(locator, Relaxed);
        for (word, bytes) in entry.identity.iter().zip(function.identity.chunks_exact(4)) {
            word.store(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]), Relaxed);
        }
        true
    }

    /// Reads an entry. None: there is no valid one at this index.
    pub(crate) fn read(&self, index: u32, memory: &Memory) -> Option<Function> {
        let entry = self.entries.get(index as usize)?;
        let target = entry.target.load(Relaxed);
        let locator = match entry.locator.load(Relaxed) {
            ADDRESS => FunctionLocator::Address(target),
            SYMBOL => FunctionLocator::Symbol(self.name(target, memory)?),
            OFFSET => FunctionLocator::Offset(target),
            _ => return None,
        };
        let mut identity = [0; IDENTITY_LEN];
        for (word, bytes) in entry.identity.iter().zip(identity.chunks_exact_mut(4)) {
            bytes.copy_from_slice(&word.load(Relaxed).to_le_bytes());
        }
        Some(Function { module: self.name(entry.module.load(Relaxed), memory)?, identity, locator })
    }

    fn name(&self, packed: u64, memory: &Memory) -> Option<String> {
        let (start, len) = ((packed >> 32) as usize, packed as u32 as usize);
        let end = start.checked_add(len).filter(|end| *end <= self.names_len)?;
        let source = memory.bytes(self.names + start, end - start)?;
        let mut text = vec![0; len];
        // SAFETY: `source` has `len` bytes, and names do not change once an entry refers to them.
        unsafe { source.copy_to_nonoverlapping(text.as_mut_ptr(), len) };
        String::from_utf8(text).ok()
    }
}
