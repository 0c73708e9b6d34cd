//! Argument bytes that are written in place: blocks of the heap that the caller holds for a while.

use super::submit::take_block;
use super::{BufferHandle, Pool, PoolHandle};
use crate::board::heap::Block;
use crate::board::slot::GENERATION_MASK;
use crate::board::slots::SlotKey;
use crate::error::{Result, Status};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The buffers that are held, by their places.
#[derive(Default)]
pub(crate) struct Buffers(Mutex<Vec<BufferEntry>>);

#[derive(Default)]
struct BufferEntry {
    generation: u32,
    held: Option<(Block, usize)>,
}

/// Takes a block of this pool's heap; answers its handle and where to write.
pub(crate) fn buffer_new(pool: PoolHandle, len: usize) -> Result<(BufferHandle, *mut u8)> {
    let pool = pool.pool()?;
    pool.state.check_open()?;
    let block = take_block(&pool.state, len)?;
    let slots = &pool.state.slots;
    let start = pool.region().memory.bytes(slots.args.offset(block), len);
    let start = start.ok_or(Status::POOL_ERR_TOO_LARGE)?;
    Ok((BufferHandle::new(pool.cell, pool.buffers.add(block, len)), start))
}

/// Gives the block back, if this is the handle of a buffer that is held.
pub(crate) fn buffer_free(buffer: BufferHandle) -> Result<()> {
    let (pool, place) = buffer.find()?;
    let (block, _) = pool.buffers.remove(place)?;
    pool.give_block(block);
    Ok(())
}

impl Pool {
    fn give_block(&self, block: Block) {
        self.state.slots.args.give(block, &self.region().memory);
    }
}

impl Buffers {
    fn add(&self, block: Block, len: usize) -> SlotKey {
        let mut places = self.lock();
        let vacant = places.iter().position(|place| place.held.is_none());
        let slot = vacant.unwrap_or_else(|| {
            places.push(BufferEntry::default());
            places.len() - 1
        });
        let place = &mut places[slot];
        place.generation = (place.generation + 1) & GENERATION_MASK;
        place.held = Some((block, len));
        SlotKey { slot: slot as u32, generation: place.generation }
    }

    /// Takes the block of a buffer of this pool over.
    pub(crate) fn take(&self, buffer: BufferHandle) -> Result<(Block, usize)> {
        let (pool, place) = buffer.find()?;
        match std::ptr::eq(&raw const pool.buffers, self) {
            true => self.remove(place),
            false => Err(Status::POOL_ERR_INVALID.into()),
        }
    }

    fn remove(&self, key: SlotKey) -> Result<(Block, usize)> {
        let mut places = self.lock();
        let place = places.get_mut(key.slot as usize);
        let place = place.filter(|place| place.generation == key.generation);
        place.and_then(|place| place.held.take()).ok_or(Status::POOL_ERR_INVALID.into())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<BufferEntry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
