//! The region: the layout of a board in memory, and the board together with its memory.

use super::functions::{FUNCTIONS_MAX, FunctionEntries, FunctionEntry};
use super::heap::{Arena, ArenaLayout, HINTS_PER_SIZE};
use super::memory::{FileLimit, Memory, ResultBytes, Shared, Span};
use super::parent::tail::{TRIM_ENTRIES, Tail, Tails};
use super::priority::{HEAD_WORDS, PRIORITY_RINGS, PriorityRings};
use super::queue::Reservation;
use super::record::{BytesLocation, Slot};
use super::ring::Ring;
use super::sleep::{Parker, SEATS_PER_WORD};
use super::slot::SeatIndex;
use super::stats::WorkerStats;
use super::{Board, BoardParts};
use crate::error::{Result, Status};
use crate::fd::Descriptor;
use crate::sync::{AtomicU32, AtomicU64, Ordering::Relaxed, Scope, WaitWord, plain};
use crossbeam_utils::CachePadded;
use std::os::fd::BorrowedFd;

/// A board with its memory, its function table and its heap.
pub(crate) struct Region {
    pub(crate) board: Board,
    pub(crate) functions: FunctionEntries,
    pub(crate) memory: Memory,
    pub(crate) geometry: Geometry,
    layout: Layout,
    _share: AddressShare,
    worker_stats: Span<WorkerStats>,
    result_hints: Span<AtomicU32>,
    result_bits: Span<AtomicU64>,
}

/// How many times the size of a board is halved before its creation fails.
const HALVINGS_MAX: u32 = 12;
/// How many times its heap is halved before anything else is: it takes the most addresses by far.
const HEAP_HALVINGS: u32 = 7;
/// How many times the heap is halved at most.
const HEAP_HALVINGS_MAX: u32 = 15;
/// The share of a limited address space that one board may take: a quarter.
const SHARE_OF_LIMIT: u64 = 4;

impl Region {
    /// Creates a board for this many workers, with room to grow if there is any: in private memory
    /// for threads, in a memfd for processes.
    pub(crate) fn create(name: &str, seats: usize, scope: Scope) -> Result<Region> {
        Region::create_largest(name, scope, |step| Geometry::new(seats, step))
    }

    /// Creates a board for one worker process, which runs one task at a time. It has as many names of
    /// functions as `pool`, the board that its tasks come from, and a heap of at most this size.
    pub(crate) fn create_for_one(name: &str, pool: &Geometry, heap: HeapOfOne) -> Result<Region> {
        let geometry = |step| {
            let shift = heap.0.checked_sub(step).filter(|shift| *shift >= HEAP_OF_ONE_MIN)?;
            Some(Geometry::for_one(pool.names_shift, HeapOfOne(shift)))
        };
        Region::create_largest(name, Scope::Shared, geometry)
    }

    /// The size of the heap of a board for one worker.
    pub(crate) fn heap_of_one(&self) -> HeapOfOne {
        HeapOfOne(self.geometry.args.shift_max)
    }

    fn create_largest(
        name: &str,
        scope: Scope,
        geometry: impl Fn(u32) -> Option<Geometry>,
    ) -> Result<Region> {
        let limit = rustix::process::getrlimit(rustix::process::Resource::As).current;
        let mut error = Status::POOL_ERR_NOMEM.into();
        for step in 0..=HEAP_HALVINGS + HALVINGS_MAX {
            let Some(geometry) = geometry(step) else { break };
            let len = Layout::new(&geometry).len;
            let Some(share) = AddressShare::take(len as u64) else { continue };
            if limit.is_some_and(|limit| len as u64 > limit / SHARE_OF_LIMIT) {
                continue;
            }
            let memory = match scope {
                Scope::Private => Memory::private(len),
                Scope::Shared => Memory::shared(name, len, FileLimit::Current),
            };
            match memory {
                Ok(memory) => {
                    let region = Region::of(memory, geometry, scope, share);
                    region.write_magic();
                    return Ok(region);
                }
                Err(mapping_error) => error = mapping_error,
            }
        }
        Err(error)
    }

    /// Maps the board that the parent created.
    pub(crate) fn attach(file: Descriptor, geometry: Geometry) -> Result<Region> {
        let memory = Memory::attach(file, Layout::new(&geometry).len)?;
        let region = Region::of(memory, geometry, Scope::Shared, AddressShare::NONE);
        match region.header().magic.load(Relaxed) {
            MAGIC => Ok(region),
            _ => Err(Status::POOL_ERR_VERSION.into()),
        }
    }

    fn of(memory: Memory, geometry: Geometry, scope: Scope, share: AddressShare) -> Region {
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
            _share: share,
        }
    }

    /// Writes the number by which workers recognize a board; a faulty worker may have overwritten
    /// it.
    pub(crate) fn write_magic(&self) {
        self.header().magic.store(MAGIC, Relaxed);
    }

    fn header(&self) -> &Header {
        self.board.header.at(0)
    }

    pub(crate) fn file(&self) -> Option<BorrowedFd<'_>> {
        self.memory.file()
    }

    /// The statistics of the workers of this seat.
    pub(crate) fn worker_stats(&self, seat: SeatIndex) -> &WorkerStats {
        self.worker_stats.at(usize::from(seat.0))
    }

    /// The submitters' arena. Its bits are in the parent's private memory.
    pub(crate) fn args_arena(&self, bits: Span<AtomicU64>, hints: Span<AtomicU32>) -> Arena {
        Arena::new(self.geometry.args, self.layout.args, bits, hints)
    }

    pub(crate) fn args_layout(&self) -> ArenaLayout {
        self.geometry.args
    }

    /// The arena that the worker of this seat allocates results from.
    pub(crate) fn results_arena(&self, seat: SeatIndex) -> Arena {
        let seat = usize::from(seat.0);
        let layout = self.geometry.arena_layout(seat);
        let before = |count: fn(&ArenaLayout) -> usize| self.geometry.before(seat, count);
        let bits = self.result_bits.part(before(ArenaLayout::bit_words), layout.bit_words());
        let hints = self.result_hints.part(before(hints_len), hints_len(&layout));
        Arena::new(layout, self.layout.results + before(ArenaLayout::bytes), bits, hints)
    }

    /// The bytes of the submitters' arena: where they begin, and how many there are.
    pub(crate) fn args_area(&self) -> (usize, usize) {
        (self.layout.args, self.geometry.args.bytes())
    }

    /// Copies bytes of another region into this one; the caller owns the target. False: they do not
    /// fit there.
    pub(crate) fn copy_from(&self, offset: usize, bytes: ResultBytes<'_>) -> bool {
        let Some(start) = self.memory.bytes(offset, bytes.len()) else { return false };
        // SAFETY: the target is within the region and belongs to the caller; the source is mapped, as
        // `ResultBytes::new` requires, and in another mapping.
        unsafe { start.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        true
    }

    /// Copies bytes into the region; the caller owns the target.
    pub(crate) fn copy_in(&self, offset: usize, bytes: &[u8]) -> bool {
        let Some(start) = self.memory.bytes(offset, bytes.len()) else { return false };
        // SAFETY: the target is within the region and belongs to the caller; nothing else accesses
        // it.
        unsafe { start.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        true
    }

    /// The bytes of a result in the region. None: it is elsewhere, or its location is not one that
    /// the worker of this seat could have written.
    pub(crate) fn result_bytes<'a>(
        &'a self,
        seat: SeatIndex,
        record: &'a Slot,
        location: BytesLocation,
    ) -> Option<ResultBytes<'a>> {
        match location {
            BytesLocation::Inline { .. } => record.inline_result(),
            BytesLocation::Heap(far) if usize::from(seat.0) < self.geometry.seats => {
                let arena = self.results_arena(seat);
                let block = arena.block_at(far.location)?;
                let len = usize::try_from(far.len).ok().filter(|len| *len <= arena.len(block))?;
                self.bytes(arena.offset(block), len)
            }
            BytesLocation::Heap(_) | BytesLocation::File(_) => None,
        }
    }

    /// The argument bytes of a task, if they are in the region.
    pub(crate) fn args_bytes<'a>(&'a self, record: &'a Slot) -> Option<ResultBytes<'a>> {
        match record.args() {
            (BytesLocation::Inline { .. }, inline) => Some(inline),
            (BytesLocation::Heap(far) | BytesLocation::File(far), _) => {
                self.bytes(usize::try_from(far.location).ok()?, usize::try_from(far.len).ok()?)
            }
        }
    }

    /// Bytes of the region. None: they are not within it.
    fn bytes(&self, offset: usize, len: usize) -> Option<ResultBytes<'_>> {
        let start = self.memory.bytes(offset, len)?;
        // SAFETY: the bytes are within the mapping, which `self` keeps. The slot's word defines who
        // may write to them (see `slot`): the callers pass a result of a finished task, or
        // arguments that are complete.
        Some(unsafe { ResultBytes::new(start, len) })
    }

    /// Returns the pages of consumed ring entries to the kernel, when a reservation begins a new
    /// multiple of `TRIM_ENTRIES`.
    #[inline(always)]
    pub(crate) fn trim_rings(&self, tails: &Tails, reservation: Reservation) {
        if reservation.position.is_multiple_of(TRIM_ENTRIES) {
            self.trim_ring(tails.main(), &self.board.ring, self.layout.ring);
        }
        if let Some((index, position)) = reservation.in_priority_ring()
            && position.is_multiple_of(TRIM_ENTRIES)
        {
            let entries = index * self.geometry.slots() * size_of::<AtomicU64>();
            let ring = self.board.ring_of_priority(index);
            self.trim_ring(tails.priority(index), &ring, self.layout.priority_rings + entries);
        }
    }

    #[cold]
    fn trim_ring(&self, tail: &Tail, ring: &Ring, start: usize) {
        let entry = size_of::<AtomicU64>();
        tail.advance_head_seen(ring, |position| {
            let first = position as usize % self.geometry.slots();
            self.memory.discard(start + first * entry, TRIM_ENTRIES as usize * entry);
        });
    }

    /// Populates the pages of these slots, before tasks are written to them.
    pub(crate) fn populate_slots(&self, first: usize, count: usize) {
        let len = size_of::<super::record::Slot>();
        self.memory.populate(self.layout.slots + first * len, count * len);
    }
}

// ---- addresses --------------------------------------------------------------------------------------

/// The part of the process's addresses that a board has, counted while it lives. The first pools
/// get large boards; but there is always room for as many as there may be, of at least this size.
struct AddressShare(u64);

/// What every board may have: 20 GiB, so that 4096 of them take 80 TiB of the 128 there are.
const SHARE_MIN: u64 = 20 << 30;
/// What all boards together may have beyond that, and which part of the rest one of them may take.
const EXTRA_MAX: u64 = 32 << 40;
const PART_OF_EXTRA: u64 = 16;

/// What boards have beyond [`SHARE_MIN`]. Relaxed: a count.
static EXTRA: plain::AtomicU64 = plain::AtomicU64::new(0);

impl AddressShare {
    const NONE: AddressShare = AddressShare(0);

    /// None: a board of this length would leave too little for others.
    fn take(len: u64) -> Option<AddressShare> {
        let extra = len.saturating_sub(SHARE_MIN);
        let room = |taken: u64| EXTRA_MAX.saturating_sub(taken) / PART_OF_EXTRA;
        let add = |taken: u64| (extra == 0 || extra <= room(taken)).then_some(taken + extra);
        EXTRA.fetch_update(Relaxed, Relaxed, add).ok().map(|_| AddressShare(extra))
    }
}

impl Drop for AddressShare {
    fn drop(&mut self) {
        EXTRA.fetch_sub(self.0, Relaxed);
    }
}

// ---- layout -----------------------------------------------------------------------------------------

/// "carpool" and the version of the layout. A worker refuses a board with another number.
pub(crate) const MAGIC: u64 = u64::from_be_bytes(*b"carpool\x03");

/// The most workers of one pool; the index of a seat has 16 bits in a slot's word.
pub(crate) const SEATS_MAX: usize = 1024;
/// The most live futures, as a power of two; a handle has 24 bits for the slot.
const SLOTS_SHIFT: u32 = 24;
/// The fewest futures that are still enough for a pool, as a power of two.
const SLOTS_SHIFT_MIN: u32 = 12;
/// Seats beyond the initial workers, for a pool that grows, are narrow: they get 4 MiB for each
/// size of results, and no block above 256 KiB. What does not fit is sent in a file. So all of them
/// take a small part of the addresses of the board.
const NARROW_AREA_SHIFT: u32 = 22;
const NARROW_SHIFT_MAX: u32 = 18;
/// How much less, as a power of two, where the wide ones have little.
const NARROWER: u32 = 8;
/// The heap of a board for one worker, the shift of its largest block of arguments: the board takes
/// no more addresses than every board may have, so it does not depend on how many others there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeapOfOne(u32);

impl HeapOfOne {
    pub(crate) const MAX: HeapOfOne = HeapOfOne(32);
}

const HEAP_OF_ONE_MIN: u32 = 18;
/// The largest block of results there, as a power of two.
const RESULTS_OF_ONE: u32 = 26;
const RESULTS_OF_ONE_MIN: u32 = 16;
/// The least area of one size of results.
const LEAST_SHIFT: u32 = 17;

/// The beginning of a region.
#[derive(Default)]
#[repr(C, align(64))]
pub(crate) struct Header {
    pub(crate) magic: AtomicU64,
    /// The value of [`super::Stage`].
    pub(crate) stage: AtomicU64,
    /// The idle time in milliseconds, an i64; see [`super::Board::set_idle_time`].
    pub(crate) idle_ms: AtomicU64,
    /// The retire quota; see [`super::retire`].
    pub(crate) retire_quota: AtomicU64,
    /// Bits of [`super::feature`].
    pub(crate) features: AtomicU64,
    /// How many seats ever had a worker; see [`super::prefetch`].
    pub(crate) seats_used: AtomicU64,
    /// The head of the ring; in its own cache line, because workers write it.
    pub(crate) head: CachePadded<AtomicU64>,
    /// Notified when a task with a subscription ends or starts; see
    /// [`super::Board::completion_event`].
    pub(crate) completion: CachePadded<WaitWord>,
    /// Notified when a task of a bounded queue is claimed; see [`super::waiters`].
    pub(crate) capacity: CachePadded<WaitWord>,
    /// The heads of the priority rings; see [`super::priority`].
    pub(crate) priority_rings: [CachePadded<AtomicU64>; PRIORITY_RINGS],
}

// SAFETY: atomic numbers.
unsafe impl Shared for Header {}

/// A seat: what its worker publishes about itself. Only the worker writes here, except for
/// `retire`, and after the worker's death.
#[derive(Default)]
#[repr(C, align(64))]
pub(crate) struct Seat {
    /// The number of tasks claimed and of tasks ended. The worker is busy while they differ.
    pub(crate) claimed: AtomicU64,
    pub(crate) ended: AtomicU64,
    /// The time stamp of the start of its task, or 0.
    pub(crate) started: AtomicU64,
    /// The slot of its task, plus 1, or 0: where the supervisor looks first after its death.
    pub(crate) slot: AtomicU32,
    /// Whether the worker has to retire; see [`super::retire`].
    pub(crate) retire: AtomicU32,
    /// The entry that the worker is about to claim.
    pub(crate) next: AtomicU64,
    /// On the board of an isolated worker: it asks for its task of this number; the numbers of the last
    /// call and of the last answer. See [`super::ask`].
    pub(crate) asks: AtomicU64,
    pub(crate) called: AtomicU32,
    pub(crate) answered: AtomicU32,
    /// How many entries of the batch are left; they are the last ones.
    pub(crate) prefetched_left: AtomicU32,
    /// Entries that the worker has taken from the ring and claims one by one; see
    /// [`super::prefetch`].
    pub(crate) prefetched: PrefetchedEntries,
}

/// The most entries of a batch.
pub(crate) const PREFETCH_MAX: usize = if cfg!(loom) { 2 } else { 32 };

/// The entries of a batch.
#[derive(Default)]
#[repr(C, align(64))]
pub(crate) struct PrefetchedEntries(pub(crate) [AtomicU64; PREFETCH_MAX]);

// SAFETY: atomic numbers.
unsafe impl Shared for Seat {}
// SAFETY: a WaitWord is an atomic number.
unsafe impl Shared for Parker {}

/// The sizes from which everything else follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) slots_shift: u32,
    /// Bytes for the names of functions, as a power of two: 64 MiB in the largest board.
    pub(crate) names_shift: u32,
    pub(crate) seats: usize,
    /// How many of the seats, the first ones, are wide, with a full-size arena; the rest are
    /// narrow, for a pool that grows.
    pub(crate) wide: usize,
    /// The arena of the submitters, and that of each wide seat.
    pub(crate) args: ArenaLayout,
    pub(crate) results: ArenaLayout,
}

pub(crate) fn hints_len(layout: &ArenaLayout) -> usize {
    layout.sizes() * HINTS_PER_SIZE
}

impl Geometry {
    /// The largest board for this many workers, made smaller in `steps`: where address space is
    /// limited, it holds smaller blocks, then fewer futures, and has less room to grow.
    pub(crate) fn new(wide: usize, steps: u32) -> Option<Geometry> {
        let halvings = steps.saturating_sub(HEAP_HALVINGS);
        let heap_halvings = steps.min(HEAP_HALVINGS_MAX);
        let slots_shift = SLOTS_SHIFT.checked_sub(halvings).filter(|it| *it >= SLOTS_SHIFT_MIN)?;
        // 64 GiB of addresses for each size of results, divided among the seats.
        let seat_area = 36 - wide.next_power_of_two().trailing_zeros().max(4);
        let less = |shift: u32, least: u32| shift.saturating_sub(heap_halvings).max(least);
        let args = ArenaLayout { shift_max: less(34, 20), area_shift: less(32, 21) };
        let results = ArenaLayout {
            shift_max: less(26, 16),
            area_shift: less(seat_area.min(32), LEAST_SHIFT),
        };
        let seats = (SEATS_MAX >> halvings).max(wide);
        let names_shift = slots_shift + 2;
        Some(Geometry { slots_shift, names_shift, seats, wide, args, results })
    }

    /// A board for one worker: its heap holds the arguments of one task, as large as any board takes,
    /// and a few results.
    fn for_one(names_shift: u32, heap: HeapOfOne) -> Geometry {
        // The areas of all sizes are one for its user: together almost four times as long.
        let args = ArenaLayout { shift_max: heap.0, area_shift: 0 };
        let less = HeapOfOne::MAX.0 - heap.0;
        let shift_max = RESULTS_OF_ONE.saturating_sub(less).max(RESULTS_OF_ONE_MIN);
        let results = ArenaLayout { shift_max, area_shift: LEAST_SHIFT };
        let slots_shift = SLOTS_SHIFT_MIN;
        Geometry { slots_shift, names_shift, seats: 1, wide: 1, args, results }
    }

    /// As numbers, for a message to a worker.
    pub(crate) fn to_numbers(self) -> [u64; 6] {
        let Geometry { slots_shift, names_shift, seats, wide, args, results } = self;
        let shifts = [args.shift_max, args.area_shift, results.shift_max, results.area_shift];
        let [a, b, c, d] = shifts.map(u64::from);
        let slots_and_names = u64::from(slots_shift) | u64::from(names_shift) << 32;
        [slots_and_names, seats as u64 | (wide as u64) << 32, a, b, c, d]
    }

    pub(crate) fn from_numbers(numbers: [u64; 6]) -> Option<Geometry> {
        let [slots_and_names, seats, a, b, c, d] = numbers;
        let small = |number: u64| u32::try_from(number).ok().filter(|it| *it < 48);
        let layout =
            |max, area| Some(ArenaLayout { shift_max: small(max)?, area_shift: small(area)? });
        let (seats, wide) = ((seats & 0xffff_ffff) as usize, (seats >> 32) as usize);
        if wide > seats || seats > SEATS_MAX {
            return None;
        }
        Some(Geometry {
            slots_shift: small(slots_and_names & 0xffff_ffff)?,
            names_shift: small(slots_and_names >> 32)?,
            seats,
            wide,
            args: layout(a, b)?,
            results: layout(c, d)?,
        })
    }

    pub(crate) fn slots(&self) -> usize {
        1 << self.slots_shift
    }

    pub(crate) fn names_len(&self) -> usize {
        1 << self.names_shift
    }

    /// One word for each group of seats, and one before them.
    pub(crate) fn idle_words(&self) -> usize {
        self.seats.div_ceil(SEATS_PER_WORD) + 1
    }

    /// The layout of the arena of this seat.
    pub(crate) fn arena_layout(&self, seat: usize) -> ArenaLayout {
        let ArenaLayout { shift_max, area_shift } = self.results;
        match seat < self.wide {
            true => self.results,
            false => ArenaLayout {
                shift_max: shift_max.min(NARROW_SHIFT_MAX),
                area_shift: area_shift
                    .saturating_sub(NARROWER)
                    .clamp(LEAST_SHIFT, NARROW_AREA_SHIFT),
            },
        }
    }

    /// The sum of `count` over the arenas of the seats before this one.
    pub(crate) fn before(&self, seat: usize, count: impl Fn(&ArenaLayout) -> usize) -> usize {
        let (wide, narrow) = (seat.min(self.wide), seat.saturating_sub(self.wide));
        wide * count(&self.arena_layout(0)) + narrow * count(&self.arena_layout(self.wide))
    }

    fn of_all(&self, count: impl Fn(&ArenaLayout) -> usize) -> usize {
        self.before(self.seats, count)
    }

    pub(crate) fn all_result_hints(&self) -> usize {
        self.of_all(hints_len)
    }

    pub(crate) fn all_result_bits(&self) -> usize {
        self.of_all(ArenaLayout::bit_words)
    }
}

/// The offsets of all parts of a region.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) header: usize,
    pub(crate) idle: usize,
    pub(crate) seats: usize,
    pub(crate) worker_stats: usize,
    pub(crate) parkers: usize,
    pub(crate) functions: usize,
    pub(crate) names: usize,
    pub(crate) ring: usize,
    pub(crate) priority_rings: usize,
    pub(crate) slots: usize,
    pub(crate) result_hints: usize,
    pub(crate) result_bits: usize,
    pub(crate) args: usize,
    pub(crate) results: usize,
    pub(crate) len: usize,
}

impl Layout {
    pub(crate) fn new(geometry: &Geometry) -> Layout {
        let seats = geometry.seats;
        // A small pool only uses the beginning of these: they share one page.
        let idle = size_of::<Header>();
        let first_seat = align_to_cache_line(idle + geometry.idle_words() * size_of::<AtomicU64>());
        let mut end = align_to_page(first_seat + seats * size_of::<Seat>());
        let mut append = |len: usize| {
            let start = end;
            end = align_to_page(start + len);
            start
        };
        let mut layout = Layout {
            header: 0,
            idle,
            seats: first_seat,
            worker_stats: append(seats * size_of::<WorkerStats>()),
            parkers: append(seats * size_of::<Parker>()),
            functions: append(FUNCTIONS_MAX * size_of::<FunctionEntry>()),
            names: append(geometry.names_len()),
            ring: append(geometry.slots() * size_of::<AtomicU64>()),
            priority_rings: append(PRIORITY_RINGS * geometry.slots() * size_of::<AtomicU64>()),
            slots: append(geometry.slots() * size_of::<Slot>()),
            result_hints: append(geometry.all_result_hints() * size_of::<AtomicU32>()),
            result_bits: append(geometry.all_result_bits() * size_of::<AtomicU64>()),
            args: append(geometry.args.bytes()),
            results: append(geometry.of_all(ArenaLayout::bytes)),
            len: 0,
        };
        layout.len = end;
        layout
    }
}

fn align_to_cache_line(end: usize) -> usize {
    end.next_multiple_of(align_of::<CachePadded<AtomicU64>>())
}

fn align_to_page(end: usize) -> usize {
    end.next_multiple_of(PAGE_SIZE_MAX)
}

/// The alignment of the other parts: 64 KiB, the largest page size of Linux on aarch64.
const PAGE_SIZE_MAX: usize = 1 << 16;
