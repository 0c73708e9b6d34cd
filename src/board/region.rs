//! A board with its bytes: the region it lies in, its functions, and the blocks of its heap.

use super::functions::FunctionEntries;
use super::heap::{Arena, ArenaLayout};
use super::layout::{Geometry, Header, Layout, MAGIC, hints_len};
use super::memory::{Memory, Span};
use super::priority::{HEAD_WORDS, PRIORITY_RINGS, PriorityRings, Tails};
use super::queue::Reservation;
use super::record::BytesLocation;
use super::ring::{Ring, TRIM_ENTRIES, Tail};
use super::slot::SeatIndex;
use super::stats::WorkerStats;
use super::{Board, BoardParts};
use crate::error::{Result, Status};
use crate::sync::{AtomicU32, AtomicU64, Ordering::Relaxed, Scope};
use std::os::fd::{BorrowedFd, OwnedFd};

pub(crate) struct Region {
    pub(crate) board: Board,
    pub(crate) functions: FunctionEntries,
    pub(crate) memory: Memory,
    pub(crate) geometry: Geometry,
    layout: Layout,
    worker_stats: Span<WorkerStats>,
    result_hints: Span<AtomicU32>,
    result_bits: Span<AtomicU64>,
}

/// How often a board is made half as large before giving up.
const HALVINGS_MAX: u32 = 12;
/// The part of limited address space that one board may take: a quarter.
const SHARE_OF_LIMIT: u64 = 4;

impl Region {
    /// Makes a board for so many workers, and perhaps room for more: in private memory for threads, in a memfd for processes.
    pub(crate) fn create(name: &str, seats: usize, scope: Scope) -> Result<Region> {
        let limit = rustix::process::getrlimit(rustix::process::Resource::As).current;
        let mut error = Status::POOL_ERR_NOMEM.into();
        for halvings in 0..=HALVINGS_MAX {
            let Some(geometry) = Geometry::new(seats, halvings) else { break };
            let len = Layout::new(&geometry).len;
            if limit.is_some_and(|limit| len as u64 > limit / SHARE_OF_LIMIT) {
                continue;
            }
            let memory = match scope {
                Scope::Private => Memory::private(len),
                Scope::Shared => Memory::shared(name, len),
            };
            match memory {
                Ok(memory) => {
                    let region = Region::of(memory, geometry, scope);
                    region.write_magic();
                    return Ok(region);
                }
                Err(refusal) => error = refusal,
            }
        }
        Err(error)
    }

    /// Maps the board that a parent made.
    pub(crate) fn attach(file: OwnedFd, geometry: Geometry) -> Result<Region> {
        let memory = Memory::attach(file, Layout::new(&geometry).len)?;
        let region = Region::of(memory, geometry, Scope::Shared);
        match region.header().magic.load(Relaxed) {
            MAGIC => Ok(region),
            _ => Err(Status::POOL_ERR_VERSION.into()),
        }
    }

    fn of(memory: Memory, geometry: Geometry, scope: Scope) -> Region {
        let layout = Layout::new(&geometry);
        let header: Span<Header> = memory.span(layout.header, 1);
        let head = layout.header + std::mem::offset_of!(Header, head);
        let heads = layout.header + std::mem::offset_of!(Header, priority_rings);
        let board = Board::new(BoardParts {
            header,
            priority_rings: PriorityRings::new(
                memory.span(heads, PRIORITY_RINGS * HEAD_WORDS),
                memory.span(layout.priority_rings, PRIORITY_RINGS * geometry.slots()),
            ),
            head: memory.span(head, 1),
            entries: memory.span(layout.ring, geometry.slots()),
            idle: memory.span(layout.idle, geometry.idle_words()),
            parkers: memory.span(layout.parkers, geometry.seats),
            seats: memory.span(layout.seats, geometry.seats),
            slots: memory.span(layout.slots, geometry.slots()),
            scope,
        });
        Region {
            board,
            functions: FunctionEntries::new(
                memory.span(layout.functions, super::functions::FUNCTIONS_MAX),
                layout.names,
                geometry.names_len(),
            ),
            worker_stats: memory.span(layout.worker_stats, geometry.seats),
            result_hints: memory.span(layout.result_hints, geometry.all_result_hints()),
            result_bits: memory.span(layout.result_bits, geometry.all_result_bits()),
            memory,
            geometry,
            layout,
        }
    }

    /// Writes what the workers know a board by; a worker gone astray may have written over it.
    pub(crate) fn write_magic(&self) {
        self.header().magic.store(MAGIC, Relaxed);
    }

    fn header(&self) -> &Header {
        self.board.header.at(0)
    }

    pub(crate) fn file(&self) -> Option<BorrowedFd<'_>> {
        self.memory.file()
    }

    /// What the workers of this seat have counted.
    pub(crate) fn worker_stats(&self, seat: SeatIndex) -> &WorkerStats {
        self.worker_stats.at(usize::from(seat.0))
    }

    /// The submitters' arena. Its bits are theirs alone.
    pub(crate) fn args_arena(&self, bits: Span<AtomicU64>, hints: Span<AtomicU32>) -> Arena {
        Arena::new(self.geometry.args, self.layout.args, bits, hints)
    }

    pub(crate) fn args_layout(&self) -> ArenaLayout {
        self.geometry.args
    }

    /// The arena that the worker of this seat takes room for results from.
    pub(crate) fn results_arena(&self, seat: SeatIndex) -> Arena {
        let seat = usize::from(seat.0);
        let cut = self.geometry.arena_layout(seat);
        let before = |count: fn(&ArenaLayout) -> usize| self.geometry.before(seat, count);
        let bits = self.result_bits.part(before(ArenaLayout::bit_words), cut.bit_words());
        let hints = self.result_hints.part(before(hints_len), hints_len(&cut));
        Arena::new(cut, self.layout.results + before(ArenaLayout::bytes), bits, hints)
    }

    /// Copies bytes into the region; the caller owns the room there.
    pub(crate) fn copy_in(&self, offset: usize, bytes: &[u8]) -> bool {
        let Some(start) = self.memory.bytes(offset, bytes.len()) else { return false };
        // SAFETY: the room lies in the region and is the caller's; nobody else touches it.
        unsafe { start.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        true
    }

    /// The bytes of a result that lies on the board, if the worker of this seat could have put it
    /// there. `inline` is where it is when it lies in the slot.
    pub(crate) fn result_bytes(
        &self,
        seat: SeatIndex,
        place: BytesLocation,
        inline: *const u8,
    ) -> Option<(*const u8, usize)> {
        match place {
            BytesLocation::Inline { len } => Some((inline, len)),
            BytesLocation::Heap(far) if usize::from(seat.0) < self.geometry.seats => {
                let arena = self.results_arena(seat);
                let block = arena.block_at(far.place)?;
                let len = usize::try_from(far.len).ok().filter(|len| *len <= arena.len(block))?;
                let start = self.memory.bytes(arena.offset(block), len)?;
                Some((start.cast_const(), len))
            }
            BytesLocation::Heap(_) | BytesLocation::File(_) => None,
        }
    }

    /// Gives the pages of passed entries of the rings back, when a submit has begun a new stretch.
    #[inline(always)]
    pub(crate) fn trim_rings(&self, tails: &Tails, reservation: Reservation) {
        if reservation.position.is_multiple_of(TRIM_ENTRIES) {
            self.trim_passed(tails, &self.board.ring, self.layout.ring);
        }
        if let Some((index, position)) = reservation.in_priority_ring()
            && position.is_multiple_of(TRIM_ENTRIES)
        {
            let entries = index * self.geometry.slots() * size_of::<AtomicU64>();
            let ring = self.board.ring_of_priority(index);
            self.trim_passed(tails.priority(index), &ring, self.layout.priority_rings + entries);
        }
    }

    #[cold]
    fn trim_passed(&self, tail: &Tail, ring: &Ring, start: usize) {
        let entry = size_of::<AtomicU64>();
        tail.advance_head_seen(ring, |position| {
            let first = position as usize % self.geometry.slots();
            self.memory.discard(start + first * entry, TRIM_ENTRIES as usize * entry);
        });
    }

    /// Touches the pages of these slots, before tasks are written to them.
    pub(crate) fn populate_slots(&self, first: usize, count: usize) {
        let len = size_of::<super::record::Slot>();
        self.memory.populate(self.layout.slots + first * len, count * len);
    }
}

/// Copies from a result's bytes.
///
/// The place must come from [`Region::result_bytes`] or from the notes, for a future that is held.
pub(crate) fn copy_out(start: *const u8, into: &mut [u8]) {
    // SAFETY: the caller's promise: the bytes are mapped as long as the future is held, and nobody
    // writes to them but a worker gone astray, which can spoil the copy and no more.
    unsafe { start.copy_to_nonoverlapping(into.as_mut_ptr(), into.len()) };
}
