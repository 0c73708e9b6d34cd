//! The bit layout of handles: 64-bit numbers that C holds as opaque pointers.
//!
//! ```text
//!   bits  0..4    4..16   16..40          40..64
//!         kind    index   slot            generation      a future, a buffer
//!                         epoch (48 bits)                 a pool, a set, a map
//! ```
//!
//! The index is that of an entry in a handle table: for futures and buffers, their pool's. Kinds
//! are odd numbers, so that no handle is the address of anything in C.

use crate::board::parent::slots::SlotKey;
use crate::error::{Result, Status};
use crate::handle_table::HANDLES_MAX;

macro_rules! handles {
    ($($(#[$doc:meta])* $name:ident = $kind:literal,)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(transparent)]
        pub(crate) struct $name(u64);

        impl $name {
            #[inline]
            pub(crate) fn from_raw(raw: u64) -> $name {
                $name(raw)
            }

            #[inline]
            pub(crate) fn to_raw(self) -> u64 {
                self.0
            }

            #[inline]
            pub(super) fn pack(index: u16, rest: u64) -> $name {
                $name($kind | u64::from(index) << 4 | rest << 16)
            }

            /// The index and the rest. An error: this is no handle of this kind.
            #[inline]
            pub(super) fn unpack(self) -> Result<(u16, u64)> {
                if self.0 & 0xf != $kind {
                    return Err(Status::POOL_ERR_INVALID.into());
                }
                Ok(((self.0 >> 4) as u16 & (HANDLES_MAX as u16 - 1), self.0 >> 16))
            }
        }
    )*};
}

handles! {
    /// A handle of a pool.
    PoolHandle = 1,
    /// A handle of a future.
    FutureHandle = 3,
    /// A handle of an argument buffer.
    BufferHandle = 5,
    /// A handle of a set of futures.
    SetHandle = 7,
    /// A handle of a lazy map.
    MapHandle = 9,
}

impl FutureHandle {
    /// The handle of a slot in use, of the pool with this index.
    #[inline]
    pub(super) fn new(index: u16, key: SlotKey) -> FutureHandle {
        FutureHandle::pack(index, pack_key(key))
    }

    /// The index of the pool, and the slot.
    #[inline]
    pub(super) fn key(self) -> Result<(u16, SlotKey)> {
        let (index, rest) = self.unpack()?;
        Ok((index, unpack_key(rest)))
    }

    /// The slot, unchecked.
    #[inline]
    pub(super) fn slot(self) -> u32 {
        unpack_key(self.0 >> 16).slot
    }
}

impl BufferHandle {
    /// The handle of a buffer of the pool with this index. `key` is its position in the pool's
    /// list.
    pub(super) fn new(index: u16, key: SlotKey) -> BufferHandle {
        BufferHandle::pack(index, pack_key(key))
    }

    pub(super) fn key(self) -> Result<(u16, SlotKey)> {
        let (index, rest) = self.unpack()?;
        Ok((index, unpack_key(rest)))
    }
}

#[inline]
fn pack_key(key: SlotKey) -> u64 {
    u64::from(key.slot) | u64::from(key.generation) << 24
}

#[inline]
fn unpack_key(rest: u64) -> SlotKey {
    SlotKey { slot: (rest & 0xff_ffff) as u32, generation: (rest >> 24) as u32 }
}
