//! Loom models of what the parent alone writes: free slots, blocks of the heap, the end of a pool.

use super::free::{FreeList, Given};
use super::heap::{Arena, Cut, MARKS_PER_SIZE};
use super::memory::{Memory, Span};
use super::models::some;
use crate::cells::Owed;
use crate::sync::{AtomicU32, AtomicU64};
use loom::sync::Arc;
use loom::thread;

#[test]
fn a_free_slot_is_given_to_one_taker() {
    loom::model(|| {
        struct Books {
            free: FreeList,
            _links: Vec<AtomicU32>,
        }
        let links = some::<AtomicU32>(3);
        let books = Arc::new(Books { free: FreeList::new(Span::over(&links)), _links: links });
        let slots = [0, 1].map(|_| books.free.take_fresh().expect("a fresh slot"));
        for slot in slots {
            assert_eq!(books.free.give(slot), Given::Kept);
        }
        let beside = books.clone();
        let taker = thread::spawn(move || {
            let first = beside.free.take();
            let second = beside.free.take();
            if let Some(slot) = first {
                assert_eq!(beside.free.give(slot), Given::Kept);
            }
            second
        });
        let own = books.free.take();
        let other = taker.join().unwrap();
        assert!(own.is_none() || own != other, "both hold {own:?}");
        let rest = books.free.close();
        assert_eq!(rest, u32::from(own.is_some()) + u32::from(other.is_some()));
    });
}

/// `pool_free` closes the books while the last futures are being freed: `Pool::recycle`.
#[test]
fn the_last_to_leave_frees_the_pool_and_nobody_else() {
    loom::model(|| {
        struct Books {
            free: FreeList,
            owed: Owed,
            _links: Vec<AtomicU32>,
        }
        let links = some::<AtomicU32>(2);
        let free = FreeList::new(Span::over(&links));
        let books = Arc::new(Books { free, owed: Owed::none(), _links: links });
        let slots = [0, 1].map(|_| books.free.take_fresh().expect("a fresh slot"));
        let leave = |slot| {
            let books = books.clone();
            move || match books.free.give(slot) {
                Given::Kept => false,
                Given::Closed => books.owed.settle(-1),
            }
        };
        let one = thread::spawn(leave(slots[0]));
        let other = thread::spawn(leave(slots[1]));
        let held = books.free.close();
        let was_last =
            [books.owed.settle(i64::from(held)), one.join().unwrap(), other.join().unwrap()];
        assert_eq!(was_last.iter().filter(|was_last| **was_last).count(), 1);
    });
}

#[test]
fn a_block_has_one_taker_at_a_time() {
    loom::model(|| {
        struct Desk {
            arena: Arena,
            memory: Memory,
            _bits: Vec<AtomicU64>,
            _marks: Vec<AtomicU32>,
        }
        // Two blocks of 256 bytes.
        let cut = Cut { shift_max: 8, area_shift: 9 };
        let (bits, marks) = (some(cut.bit_words()), some(cut.sizes() * MARKS_PER_SIZE));
        let arena = Arena::new(cut, 0, Span::over(&bits), Span::over(&marks));
        let memory = Memory::private(4096).expect("memory");
        let desk = Arc::new(Desk { arena, memory, _bits: bits, _marks: marks });
        let first = desk.arena.take(200).expect("a block");
        let beside = desk.clone();
        let taker = thread::spawn(move || beside.arena.take(200));
        assert!(desk.arena.give(first, &desk.memory));
        let own = desk.arena.take(200);
        let other = taker.join().unwrap();
        assert!(own.is_some() && other.is_some() && own != other);
    });
}
