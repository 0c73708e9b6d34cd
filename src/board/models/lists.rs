//! Loom models of lists and counts: a full ring, free slots, blocks of the heap, the end of a pool.

use super::{ModelBoard, REQUESTED, SEAT_A, SEAT_B, defaults, spawn};
use crate::board::heap::{Arena, ArenaLayout, HINTS_PER_SIZE};
use crate::board::memory::{Memory, Span};
use crate::board::parent::free_list::{FreeList, Given};
use crate::handle_table::Holders;
use crate::sync::{AtomicU32, AtomicU64, Ordering::Relaxed};
use loom::sync::Arc;
use loom::thread;

#[test]
fn a_ring_full_of_cancelled_tasks_takes_new_ones() {
    loom::model(|| {
        let model = ModelBoard::new();
        for generation in 1..=4 {
            model.submit(0, generation, 1);
            assert!(model.board.cancel(0, generation, REQUESTED));
            model.board.slot(0).word.clear();
        }
        let worker = spawn(&model, |model| model.try_run_next(SEAT_A));
        model.submit(0, 5, 1);
        model.submit(1, 1, 2);
        worker.join().unwrap();
        model.try_run_next(SEAT_B);
        model.try_run_next(SEAT_B);
        assert_eq!((model.code(0), model.code(1)), (2, 4));
    });
}

struct ModelFreeList {
    free_list: FreeList,
    _links: Vec<AtomicU32>,
}

impl ModelFreeList {
    /// Two slots, both in use.
    fn new() -> Arc<ModelFreeList> {
        let links = defaults::<AtomicU32>(3);
        let list =
            Arc::new(ModelFreeList { free_list: FreeList::new(Span::over(&links)), _links: links });
        assert_eq!([0, 1].map(|_| list.free_list.take_fresh()), [Some(0), Some(1)]);
        list
    }
}

/// Takes two slots, frees the first, and returns the second.
fn take_two_give_one(list: &FreeList) -> Option<u32> {
    let (first, second) = (list.take(), list.take());
    if let Some(slot) = first {
        assert_eq!(list.give(slot), Given::Kept);
    }
    second
}

/// In both orders: loom begins with the first thread, and does not reach all interleavings from
/// there.
#[test]
fn a_free_slot_is_taken_by_one_thread() {
    for is_giver_first in [false, true] {
        loom::model(move || {
            let list = ModelFreeList::new();
            for slot in [0, 1] {
                assert_eq!(list.free_list.give(slot), Given::Kept);
            }
            let shared = list.clone();
            let (one, other) = if is_giver_first {
                let taker = thread::spawn(move || shared.free_list.take());
                (take_two_give_one(&list.free_list), taker.join().unwrap())
            } else {
                let giver = thread::spawn(move || take_two_give_one(&shared.free_list));
                (list.free_list.take(), giver.join().unwrap())
            };
            assert!(one.is_none() || one != other, "both hold {one:?}");
            let rest = list.free_list.close();
            assert_eq!(rest, u32::from(one.is_some()) + u32::from(other.is_some()));
        });
    }
}

#[test]
fn slots_freed_concurrently_are_all_in_the_list() {
    loom::model(|| {
        let list = ModelFreeList::new();
        let shared = list.clone();
        let giver = thread::spawn(move || shared.free_list.give(0));
        assert_eq!(list.free_list.give(1), Given::Kept);
        assert_eq!(giver.join().unwrap(), Given::Kept);
        assert_eq!(list.free_list.close(), 0);
    });
}

#[test]
fn a_slot_freed_while_the_list_closes_is_counted_once() {
    loom::model(|| {
        let list = ModelFreeList::new();
        let shared = list.clone();
        let giver = thread::spawn(move || shared.free_list.give(0));
        let rest = list.free_list.close();
        let is_closed = giver.join().unwrap() == Given::Closed;
        assert_eq!(rest, 1 + u32::from(is_closed));
    });
}

/// `pool_free` closes the list while the last futures are freed: see `Pool::recycle`.
#[test]
fn exactly_the_last_holder_frees_the_pool() {
    loom::model(|| {
        let list = ModelFreeList::new();
        let (holders_left, released) = (Arc::new(Holders::none()), Arc::new(AtomicU32::new(0)));
        // Returns how many have released, for the caller that frees the pool.
        let adjust = move |holders| {
            released.fetch_add(1, Relaxed);
            holders_left.adjust(holders).then(|| released.load(Relaxed))
        };
        let release = |slot| {
            let (list, adjust) = (list.clone(), adjust.clone());
            move || match list.free_list.give(slot) {
                Given::Kept => None,
                Given::Closed => adjust(-1),
            }
        };
        let (one, other) = (thread::spawn(release(0)), thread::spawn(release(1)));
        let held = list.free_list.close();
        let counts = [adjust(i64::from(held)), one.join().unwrap(), other.join().unwrap()];
        let counts: Vec<u32> = counts.into_iter().flatten().collect();
        assert_eq!(counts, [held + 1]);
    });
}

#[test]
fn a_block_is_taken_by_one_thread_at_a_time() {
    loom::model(|| {
        struct ModelArena {
            arena: Arena,
            memory: Memory,
            _bits: Vec<AtomicU64>,
            _hints: Vec<AtomicU32>,
        }
        // Two blocks of 256 bytes.
        let layout = ArenaLayout { shift_max: 8, area_shift: 9 };
        let (bits, hints) =
            (defaults(layout.bit_words()), defaults(layout.sizes() * HINTS_PER_SIZE));
        let arena = Arena::new(layout, 0, Span::over(&bits), Span::over(&hints));
        let memory = Memory::private(4096).expect("memory");
        let model = Arc::new(ModelArena { arena, memory, _bits: bits, _hints: hints });
        let first = model.arena.take(200).expect("a block");
        let shared = model.clone();
        let taker = thread::spawn(move || shared.arena.take(200));
        assert!(model.arena.give(first, &model.memory));
        let own = model.arena.take(200);
        let other = taker.join().unwrap();
        assert!(own.is_some() && other.is_some() && own != other);
    });
}
