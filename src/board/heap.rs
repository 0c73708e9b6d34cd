//! The heap: blocks for arguments and results that do not fit a slot.
//!
//! An [`Arena`] is a part of the region, divided into blocks of 256 bytes times a power of two.
//! Each block size has an area of its own and one bit per block. Setting the bit takes the block,
//! clearing it frees the block: both are one atomic step, so no crash leaves the arena in between,
//! and the bits are the whole state.
//!
//! | arena              | blocks taken by    | blocks freed by     | bits                   |
//! |--------------------|--------------------|---------------------|------------------------|
//! | the submitters'    | any thread of the parent                 | in private memory      |
//! | a seat's           | the seat's worker  | the parent          | in the region          |
//!
//! So a worker allocates a result without asking the parent, and can corrupt no bits but its own
//! seat's. After its death [`Arena::keep_only`] frees what it took and never delivered.

use super::memory::{Memory, Span};
use crate::sync::{AtomicU32, AtomicU64, Ordering::*};

/// The smallest block: 256 bytes. Smaller ones would cost too many bits for what they save.
const SHIFT_MIN: u32 = 8;
/// Blocks of at least this size return their pages to the kernel when freed, unless they are near
/// the start of their area.
const LARGE: usize = 1 << 20;
/// Large blocks within this distance from their area's start keep their pages when freed: they are
/// the next to be taken, and touching fresh pages costs more than copying.
const KEEP_PAGES: usize = 64 << 20;

/// The block sizes of an arena. Every process that maps the region computes the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ArenaLayout {
    /// The largest block, as a power of two.
    pub(crate) shift_max: u32,
    /// Bytes of the area of each size, as a power of two; the largest sizes have at least two
    /// blocks.
    pub(crate) area_shift: u32,
}

impl ArenaLayout {
    pub(crate) fn sizes(&self) -> usize {
        (self.shift_max - SHIFT_MIN + 1) as usize
    }

    fn area(&self, size: usize) -> usize {
        1 << self.area_shift.max(SHIFT_MIN + size as u32 + 1)
    }

    fn blocks(&self, size: usize) -> usize {
        self.area(size) >> (SHIFT_MIN + size as u32)
    }

    fn words(&self, size: usize) -> usize {
        self.blocks(size).div_ceil(64)
    }

    /// Bytes of the region for the blocks.
    pub(crate) fn bytes(&self) -> usize {
        (0..self.sizes()).map(|size| self.area(size)).sum()
    }

    /// Number of words with the bits of all blocks.
    pub(crate) fn bit_words(&self) -> usize {
        (0..self.sizes()).map(|size| self.words(size)).sum()
    }
}

/// For each size: the first word that may have a free block, and the end of the words that were
/// ever used. The lowest free block is taken first, so that the pages in use stay few, and warm.
pub(crate) const HINTS_PER_SIZE: usize = 2;

/// A block: its size class, and its index in the area of that size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    size: u8,
    index: u32,
}

impl Block {
    /// In 32 bits, for the slot table. 0 is no block.
    pub(crate) fn pack(self) -> u32 {
        (u32::from(self.size) + 1) << 26 | self.index
    }

    pub(crate) fn unpack(packed: u32) -> Option<Block> {
        let size = (packed >> 26).checked_sub(1)?;
        Some(Block { size: size as u8, index: packed & ((1 << 26) - 1) })
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Arena {
    layout: ArenaLayout,
    /// The offset of the blocks in the region.
    start: usize,
    bits: Span<AtomicU64>,
    hints: Span<AtomicU32>,
}

impl Arena {
    pub(crate) fn new(
        layout: ArenaLayout,
        start: usize,
        bits: Span<AtomicU64>,
        hints: Span<AtomicU32>,
    ) -> Arena {
        debug_assert!(bits.len() >= layout.bit_words());
        debug_assert!(hints.len() >= layout.sizes() * HINTS_PER_SIZE);
        Arena { layout, start, bits, hints }
    }

    /// Takes a block of at least this many bytes, if there is one.
    pub(crate) fn take(&self, len: usize) -> Option<Block> {
        let shift = len.checked_next_power_of_two()?.trailing_zeros().max(SHIFT_MIN);
        let smallest = (shift - SHIFT_MIN) as usize;
        // When one size has run out, a block of the next few sizes will do.
        (smallest..self.layout.sizes().min(smallest + 4)).find_map(|size| self.take_of(size))
    }

    fn take_of(&self, size: usize) -> Option<Block> {
        let words = self.layout.words(size);
        let last_word_bits = self.layout.blocks(size).min(64);
        let beyond = if last_word_bits == 64 { 0 } else { u64::MAX << last_word_bits };
        let (lowest, top) = self.hints_of(size);
        let begin = lowest.load(Relaxed);
        // The words below the hint come last: a race may have left a free block there.
        for word in (begin as usize..words).chain(0..(begin as usize).min(words)) {
            let bits = self.bits_of(size, word);
            let mut now = bits.load(Relaxed) | beyond;
            while now != u64::MAX {
                let bit = (!now).trailing_zeros();
                // Acquire; pairs with `give`: whatever used the block before has finished with it.
                let before = bits.fetch_or(1 << bit, Acquire) | beyond;
                if before & (1 << bit) == 0 {
                    // All lower blocks are taken, unless one was freed meanwhile.
                    let word = word as u32;
                    let _ = lowest.compare_exchange(begin, word, Relaxed, Relaxed);
                    top.fetch_max(word + 1, Relaxed);
                    return Some(Block { size: size as u8, index: word * 64 + bit });
                }
                now = before;
            }
        }
        None
    }

    /// Frees a block. False: it was not taken, so its address is wrong.
    pub(crate) fn give(&self, block: Block, memory: &Memory) -> bool {
        let (size, index) = (usize::from(block.size), block.index as usize);
        let len = self.block_len(size);
        if len >= LARGE && (index + 1) * len > KEEP_PAGES {
            memory.discard(self.offset(block), len);
        }
        let (word, bit) = (index / 64, 1 << (index % 64));
        // Release; pairs with `take_of`.
        let before = self.bits_of(size, word).fetch_and(!bit, Release);
        self.hints_of(size).0.fetch_min(word as u32, Relaxed);
        before & bit != 0
    }

    /// The offset of a block in the region.
    pub(crate) fn offset(&self, block: Block) -> usize {
        let before: usize = (0..usize::from(block.size)).map(|size| self.layout.area(size)).sum();
        self.start + before + block.index as usize * self.block_len(usize::from(block.size))
    }

    /// The size of a block in bytes.
    pub(crate) fn len(&self, block: Block) -> usize {
        self.block_len(usize::from(block.size))
    }

    /// The block that begins at this offset. None: no block does. The offset need not be valid.
    pub(crate) fn block_at(&self, offset: u64) -> Option<Block> {
        let mut into = usize::try_from(offset).ok()?.checked_sub(self.start)?;
        for size in 0..self.layout.sizes() {
            if into < self.layout.area(size) {
                let len = self.block_len(size);
                let index = (into / len) as u32;
                return (into % len == 0).then_some(Block { size: size as u8, index });
            }
            into -= self.layout.area(size);
        }
        None
    }

    /// Frees all blocks except these. Only while nothing is allocated from the arena: the seat is
    /// vacant.
    pub(crate) fn keep_only(&self, kept: &[Block]) {
        for size in 0..self.layout.sizes() {
            let top = self.hints_of(size).1.load(Relaxed) as usize;
            for word in 0..top.min(self.layout.words(size)) {
                let of_word = kept.iter().filter(|block| {
                    usize::from(block.size) == size && block.index as usize / 64 == word
                });
                let bits = of_word.fold(0, |bits, block| bits | 1u64 << (block.index % 64));
                // A block of `kept` that is freed meanwhile stays free.
                self.bits_of(size, word).fetch_and(bits, Release);
            }
        }
    }

    fn block_len(&self, size: usize) -> usize {
        1 << (SHIFT_MIN + size as u32)
    }

    fn bits_of(&self, size: usize, word: usize) -> &AtomicU64 {
        let before: usize = (0..size).map(|size| self.layout.words(size)).sum();
        self.bits.at(before + word)
    }

    fn hints_of(&self, size: usize) -> (&AtomicU32, &AtomicU32) {
        (self.hints.at(size * HINTS_PER_SIZE), self.hints.at(size * HINTS_PER_SIZE + 1))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// An arena and the memory that it refers to.
    struct TestArena {
        arena: Arena,
        _bits: Vec<AtomicU64>,
        _hints: Vec<AtomicU32>,
    }

    fn test_arena(layout: ArenaLayout) -> TestArena {
        let bits: Vec<_> = (0..layout.bit_words()).map(|_| AtomicU64::default()).collect();
        let hints: Vec<_> =
            (0..layout.sizes() * HINTS_PER_SIZE).map(|_| AtomicU32::default()).collect();
        let arena = Arena::new(layout, 4096, Span::over(&bits), Span::over(&hints));
        TestArena { arena, _bits: bits, _hints: hints }
    }

    const SMALL: ArenaLayout = ArenaLayout { shift_max: 12, area_shift: 13 };

    #[test]
    fn blocks_never_overlap_and_run_out() {
        let TestArena { arena, .. } = &test_arena(SMALL);
        let mut ends: Vec<(usize, usize)> = Vec::new();
        while let Some(block) = arena.take(300) {
            let start = arena.offset(block);
            assert_eq!(arena.block_at(start as u64), Some(block));
            ends.push((start, start + arena.len(block)));
        }
        ends.sort_unstable();
        assert!(ends.windows(2).all(|pair| pair[0].1 <= pair[1].0));
        // 8 KiB in blocks of 512, 1024, 2048 and 4096 bytes.
        assert_eq!(ends.len(), 16 + 8 + 4 + 2);
        assert!(ends.last().unwrap().1 <= 4096 + SMALL.bytes());
    }

    #[test]
    fn a_freed_block_is_taken_again_and_only_once() {
        let memory = Memory::private(1 << 20).unwrap();
        let TestArena { arena, .. } = &test_arena(SMALL);
        let block = arena.take(1000).unwrap();
        assert!(arena.give(block, &memory));
        assert!(!arena.give(block, &memory));
        assert_eq!(arena.take(1000), Some(block));
        assert_ne!(arena.take(1000), Some(block));
    }

    #[test]
    fn keep_only_frees_all_other_blocks() {
        let TestArena { arena, .. } = &test_arena(SMALL);
        let (first, second) = (arena.take(256).unwrap(), arena.take(256).unwrap());
        arena.keep_only(&[second]);
        assert_eq!(arena.take(256), Some(first));
        assert_ne!(arena.take(256), Some(second));
    }

    #[test]
    fn offsets_that_begin_no_block_are_refused() {
        let TestArena { arena, .. } = &test_arena(SMALL);
        for offset in [0, 4095, 4097, 4096 + SMALL.bytes() as u64, u64::MAX] {
            assert_eq!(arena.block_at(offset), None);
        }
    }

    #[test]
    fn packing_a_block_is_reversible() {
        let block = Block { size: 26, index: (1 << 26) - 1 };
        assert_eq!(Block::unpack(block.pack()), Some(block));
        assert_eq!(Block::unpack(0), None);
    }
}
