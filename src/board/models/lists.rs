//! Loom models of lists and counts: the full ring, free slots, blocks of the heap, the end of a pool.

use super::{Floor, ONE, OTHER, run_beside, some};
use crate::board::parent::slots::{FreeList, Given};
use crate::board::heap::{Arena, ArenaLayout, HINTS_PER_SIZE};
use crate::board::memory::{Memory, Span};
use crate::handle_table::Holders;
use crate::sync::{AtomicU32, AtomicU64};
use crate::sync::Ordering::Relaxed;
use loom::sync::Arc;
use loom::thread;

#[test]
fn a_ring_full_of_cancelled_tasks_takes_new_ones() {
    loom::model(|| {
        let floor = Floor::new();
        for generation in 1..=4 {
            floor.post(0, generation, 1);
            assert!(floor.board.cancel(0, generation));
            floor.board.slot(0).word.clear();
        }
        let worker = run_beside(&floor, |floor| floor.work_if_any(ONE));
        floor.post(0, 5, 1);
        floor.post(1, 1, 2);
        worker.join().unwrap();
        floor.work_if_any(OTHER);
        floor.work_if_any(OTHER);
        assert_eq!((floor.code(0), floor.code(1)), (2, 4));
    });
}

struct Books {
    free: FreeList,
    _links: Vec<AtomicU32>,
}

impl Books {
    /// Two slots, both taken.
    fn new() -> Arc<Books> {
        let links = some::<AtomicU32>(3);
        let books = Arc::new(Books { free: FreeList::new(Span::over(&links)), _links: links });
        assert_eq!([0, 1].map(|_| books.free.take_fresh()), [Some(0), Some(1)]);
        books
    }
}

/// The second of two slots, after giving the first back.
fn take_two_give_one(free: &FreeList) -> Option<u32> {
    let (first, second) = (free.take(), free.take());
    if let Some(slot) = first {
        assert_eq!(free.give(slot), Given::Kept);
    }
    second
}

/// Both ways round: loom begins with the first thread, and does not come to every order from there.
#[test]
fn a_free_slot_is_given_to_one_taker() {
    for is_giver_first in [false, true] {
        loom::model(move || {
            let books = Books::new();
            for slot in [0, 1] {
                assert_eq!(books.free.give(slot), Given::Kept);
            }
            let beside = books.clone();
            let (one, other) = if is_giver_first {
                let taker = thread::spawn(move || beside.free.take());
                (take_two_give_one(&books.free), taker.join().unwrap())
            } else {
                let giver = thread::spawn(move || take_two_give_one(&beside.free));
                (books.free.take(), giver.join().unwrap())
            };
            assert!(one.is_none() || one != other, "both hold {one:?}");
            let rest = books.free.close();
            assert_eq!(rest, u32::from(one.is_some()) + u32::from(other.is_some()));
        });
    }
}

#[test]
fn slots_given_back_at_once_are_all_listed() {
    loom::model(|| {
        let books = Books::new();
        let beside = books.clone();
        let giver = thread::spawn(move || beside.free.give(0));
        assert_eq!(books.free.give(1), Given::Kept);
        assert_eq!(giver.join().unwrap(), Given::Kept);
        assert_eq!(books.free.close(), 0);
    });
}

#[test]
fn a_slot_given_back_while_the_list_closes_is_counted_by_one_of_both() {
    loom::model(|| {
        let books = Books::new();
        let beside = books.clone();
        let giver = thread::spawn(move || beside.free.give(0));
        let rest = books.free.close();
        let is_closed = giver.join().unwrap() == Given::Closed;
        assert_eq!(rest, 1 + u32::from(is_closed));
    });
}

/// `pool_free` closes the books while the last futures are being freed: `Pool::recycle`.
#[test]
fn the_last_to_leave_frees_the_pool_and_nobody_else() {
    loom::model(|| {
        let books = Books::new();
        let (owed, left) = (Arc::new(Holders::none()), Arc::new(AtomicU32::new(0)));
        // How many have left, as the one sees it who is told to free.
        let settle = move |holders| {
            left.fetch_add(1, Relaxed);
            owed.adjust(holders).then(|| left.load(Relaxed))
        };
        let leave = |slot| {
            let (books, settle) = (books.clone(), settle.clone());
            move || match books.free.give(slot) {
                Given::Kept => None,
                Given::Closed => settle(-1),
            }
        };
        let (one, other) = (thread::spawn(leave(0)), thread::spawn(leave(1)));
        let held = books.free.close();
        let told = [settle(i64::from(held)), one.join().unwrap(), other.join().unwrap()];
        let told: Vec<u32> = told.into_iter().flatten().collect();
        assert_eq!(told, [held + 1]);
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
        let cut = ArenaLayout { shift_max: 8, area_shift: 9 };
        let (bits, hints) = (some(cut.bit_words()), some(cut.sizes() * HINTS_PER_SIZE));
        let arena = Arena::new(cut, 0, Span::over(&bits), Span::over(&hints));
        let memory = Memory::private(4096).expect("memory");
        let desk = Arc::new(Desk { arena, memory, _bits: bits, _marks: hints });
        let first = desk.arena.take(200).expect("a block");
        let beside = desk.clone();
        let taker = thread::spawn(move || beside.arena.take(200));
        assert!(desk.arena.give(first, &desk.memory));
        let own = desk.arena.take(200);
        let other = taker.join().unwrap();
        assert!(own.is_some() && other.is_some() && own != other);
    });
}
