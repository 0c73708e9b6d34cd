//! The argument buffers that callers write in place, checked by handle.

use super::handles::{BufferHandle, PoolHandle};
use super::{Pool, registry, submit};
use crate::board::heap::Block;
use crate::board::parent::slots::SlotKey;
use crate::board::slot::GENERATION_MASK;
use crate::error::{Result, Status};
use crate::sync::Mutex;

/// The argument buffers that callers hold, by index: blocks of the arena that they write in place.
///
/// Those of the pools that have one place in the table of pools, one after the other. So a handle
/// that outlives its pool is checked without touching a pool. Made with the first buffer, and all zeros
/// before: there are as many of these as there may be pools.
pub(super) struct Buffers(Mutex<Option<Box<BufferTable>>>);

#[derive(Default)]
struct BufferTable {
    entries: Vec<BufferEntry>,
}

#[derive(Default)]
struct BufferEntry {
    generation: u32,
    held: Option<(Block, usize)>,
}

/// Takes a block of the pool's arena; returns its handle and its address.
pub(crate) fn buffer_new(pool: PoolHandle, len: usize) -> Result<(BufferHandle, *mut u8)> {
    let pool = pool.pool()?;
    pool.state.check_open()?;
    let block = submit::take_block(&pool.state, len)?;
    let start = pool.region().memory.bytes(pool.state.slots.args.offset(block), len);
    let start = start.ok_or(Status::POOL_ERR_TOO_LARGE)?;
    let key = registry::buffers(pool.index).add(block, len);
    Ok((BufferHandle::new(pool.index, key), start))
}

/// Frees the buffer.
pub(crate) fn buffer_free(buffer: BufferHandle) -> Result<()> {
    let (index, key) = buffer.key()?;
    let held = registry::check(index).and_then(|()| {
        registry::buffers(index).remove(key, |block| {
            // The pool is not freed before `Buffers::clear`, which waits for the lock.
            let pool = registry::held(index)?;
            pool.state.slots.args.give(block, &pool.region().memory);
            Ok(())
        })
    });
    held.map(drop)
}

impl BufferHandle {
    /// Takes ownership of the block of a buffer of this pool.
    pub(super) fn take_for(self, pool: &Pool) -> Result<(Block, usize)> {
        let (index, key) = self.key()?;
        registry::check(index)?;
        match index == pool.index {
            true => registry::buffers(index).remove(key, |_| Ok(())),
            false => Err(Status::POOL_ERR_INVALID.into()),
        }
    }
}

impl Buffers {
    pub(super) const fn new() -> Buffers {
        Buffers(Mutex::new(None))
    }

    /// Invalidates all handles of a pool that is about to be freed, with its arena.
    pub(super) fn clear(&self) {
        let mut table = self.0.lock();
        let entries = table.iter_mut().flat_map(|table| &mut table.entries);
        entries.for_each(|entry| entry.held = None);
    }

    fn add(&self, block: Block, len: usize) -> SlotKey {
        let mut table = self.0.lock();
        let entries = &mut table.get_or_insert_default().entries;
        let vacant = entries.iter().position(|entry| entry.held.is_none());
        let index = vacant.unwrap_or_else(|| {
            entries.push(BufferEntry::default());
            entries.len() - 1
        });
        let entry = &mut entries[index];
        entry.generation = (entry.generation + 1) & GENERATION_MASK;
        entry.held = Some((block, len));
        SlotKey { slot: index as u32, generation: entry.generation }
    }

    /// Takes out a buffer, and gives its block to `then` with the lock held.
    fn remove(
        &self,
        key: SlotKey,
        then: impl FnOnce(Block) -> Result<()>,
    ) -> Result<(Block, usize)> {
        let mut table = self.0.lock();
        let entry = table.as_mut().and_then(|table| table.entries.get_mut(key.slot as usize));
        let entry = entry.filter(|entry| entry.generation == key.generation);
        let taken = entry.and_then(|entry| entry.held.take());
        let (block, len) = taken.ok_or(Status::POOL_ERR_INVALID)?;
        then(block)?;
        Ok((block, len))
    }
}
