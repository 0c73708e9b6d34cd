//! The functions that tasks name: each is entered once, and a task carries its index.
//!
//! The parent enters; workers read. An entry is complete before the first task that names it is
//! published, so the slot's word is what hands it over.

use super::memory::{Memory, Shared, Span};
use crate::sync::{AtomicU32, AtomicU64};
use crate::sync::Ordering::Relaxed;

/// How many functions one pool can name.
pub(crate) const FUNCTIONS_MAX: usize = 1 << 16;
/// Bytes of an identity; build ids are 20 (SHA-1) or 16 (MD5, UUID) bytes long.
pub(crate) const IDENTITY_LEN: usize = 32;

/// Which build of a module it is: its build id, or where it has none a digest of its code, padded
/// with zeros. All zeros: not known, any build will do.
pub(crate) type Identity = [u8; IDENTITY_LEN];

/// How a worker finds a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FunctionLocator {
    /// It is at this address: for workers that are threads of this process.
    Address(u64),
    /// By its exported name.
    Symbol(String),
    /// So many bytes behind its module's load address.
    Offset(u64),
}

/// A function as it is named to a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Function {
    /// The path of its module; empty for the main program.
    pub(crate) module: String,
    pub(crate) identity: Identity,
    pub(crate) locator: FunctionLocator,
}

impl Function {
    /// A number that few functions share (FNV-1a), to look them up by.
    pub(crate) fn digest(&self) -> u64 {
        let (number, words) = match &self.locator {
            FunctionLocator::Symbol(symbol) => (0, symbol.as_str()),
            FunctionLocator::Address(number) | FunctionLocator::Offset(number) => (*number, ""),
        };
        let parts = [self.module.as_bytes(), words.as_bytes(), &number.to_le_bytes()];
        let mix = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        parts.into_iter().flatten().fold(0xcbf2_9ce4_8422_2325, mix)
    }
}

#[derive(Default)]
#[repr(C, align(64))]
pub(crate) struct FunctionEntry {
    /// Offset and length of the module's path within the names.
    module: AtomicU64,
    /// The same of the symbol, or an address, or an offset.
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
    /// Where the names begin in the region, and how many bytes there are for them.
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

    /// Writes an entry; `names_used` is how many bytes of names there are already, and grows. False:
    /// there is no room.
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
            let place = memory.bytes(self.names + start, text.len())?;
            *names_used = end;
            // SAFETY: `place` has room for the text, and nobody reads names that no entry points to.
            unsafe { place.copy_from_nonoverlapping(text.as_ptr(), text.len()) };
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

    /// Reads an entry. None: there is none with this index.
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
        let place = memory.bytes(self.names + start, end - start)?;
        let mut text = vec![0; len];
        // SAFETY: `place` has `len` bytes, and entered names do not change.
        unsafe { place.copy_to_nonoverlapping(text.as_mut_ptr(), len) };
        String::from_utf8(text).ok()
    }
}
