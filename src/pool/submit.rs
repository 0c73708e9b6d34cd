//! Submitting a task: take a slot from the books, fill it, post it. Nobody else has a hand in it.

use super::inline::Desks;
use super::{BufferTicket, FutureTicket, Pool, PoolTicket, buffer_free};
use super::{Callback, cancel, future_free, notice, registry, result, wait};
use crate::board::copy_out;
use crate::board::free::Given;
use crate::board::heap::Block;
use crate::board::ledger::{LetGo, Ticket};
use crate::board::record::{ARGS_MAX, Call, Far, Place};
use crate::board::ring::Entry;
use crate::clock;
use crate::error::{Error, Result, Status};
use crate::sync::Ordering::*;
use crate::watch::site::{Insider, Site, gate};

/// The function of a task.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Callee<'a> {
    Pointer(usize),
    /// By module and symbol; an empty module is the main program.
    Names(&'a str, &'a str),
}

/// A task to be submitted.
pub(crate) struct Spec<'a> {
    pub(crate) callee: Callee<'a>,
    pub(crate) args: Args<'a>,
    /// It is part of something that was begun when the pool was open: only a stop keeps it out.
    pub(crate) is_inside: bool,
}

#[derive(Clone, Copy)]
pub(crate) enum Args<'a> {
    Bytes(&'a [u8]),
    Buffer(BufferTicket),
    /// The parts of a chunk (see [`crate::worker::chunk`]), to be laid one behind the other.
    Chunk([&'a [u8]; 2]),
}

/// Held by somebody who submits more for something that was begun when the pool was open.
pub(super) struct Admission {
    _insider: Insider,
    desks: Option<&'static Desks>,
}

impl Drop for Admission {
    fn drop(&mut self) {
        if let Some(desks) = self.desks {
            desks.dismiss();
        }
    }
}

impl<'a> Spec<'a> {
    pub(crate) fn pointer(pointer: usize, args: &'a [u8]) -> Spec<'a> {
        Spec { callee: Callee::Pointer(pointer), args: Args::Bytes(args), is_inside: false }
    }
}

/// Submits a task whose future the caller will hold.
pub(crate) fn submit(pool: PoolTicket, spec: Spec<'_>) -> Result<FutureTicket> {
    let (pool, ticket) = submit_to(pool, spec, true)?;
    Ok(FutureTicket::new(pool.cell, ticket))
}

/// Submits a task, and calls back when it is done.
pub(crate) fn submit_and_tell(
    pool: PoolTicket,
    spec: Spec<'_>,
    on_done: Callback,
) -> Result<FutureTicket> {
    let future = submit(pool, spec)?;
    if let Err(error) = notice::on_done(future, on_done) {
        let _ = cancel(future);
        future_free(future)?;
        return Err(error);
    }
    Ok(future)
}

/// Submits a task whose future nobody wants.
pub(crate) fn submit_detached(pool: PoolTicket, spec: Spec<'_>) -> Result<()> {
    let (pool, ticket) = submit_to(pool, spec, false)?;
    pool.leave_loose(ticket.slot);
    Ok(())
}

fn submit_to(pool: PoolTicket, spec: Spec<'_>, is_held: bool) -> Result<(&'static Pool, Ticket)> {
    let outcome = pool.pool().and_then(|pool| Ok((pool, pool.submit(&spec, is_held)?)));
    if let (Err(_), Args::Buffer(buffer)) = (&outcome, spec.args) {
        // A submit takes the buffer over, also when it fails.
        let _ = buffer_free(buffer);
    }
    outcome
}

/// Submits a task, waits for it, and copies its result; `size` becomes the result's length.
pub(crate) fn run(
    pool: PoolTicket,
    spec: Spec<'_>,
    timeout_ms: i64,
    room: &mut [u8],
    size: &mut usize,
) -> Result<()> {
    let future = submit(pool, spec)?;
    let outcome = wait(future, timeout_ms).and_then(|()| {
        let (start, len) = result(future)?;
        *size = len;
        let room = room.get_mut(..len).ok_or(Status::POOL_ERR_TOO_LARGE)?;
        copy_out(start, room);
        Ok(())
    });
    future_free(future)?;
    outcome
}

impl Pool {
    fn submit(&self, spec: &Spec<'_>, is_held: bool) -> Result<Ticket> {
        let shut = if spec.is_inside { gate::FOR_INSIDERS } else { u32::MAX };
        self.site.check_gate_for(shut)?;
        let function = self.roll.index(&self.site, spec.callee)?;
        let call = Call { function, is_chunk: matches!(spec.args, Args::Chunk(_)) };
        let ledger = &self.site.ledger;
        let ticket = ledger.take(self.region(), is_held).ok_or(Status::POOL_ERR_FULL)?;
        let posted = match &self.desks {
            None => self.post(call, &spec.args, ticket),
            Some(desks) => {
                self.fill(call, &spec.args, ticket).and_then(|()| desks.run(self, ticket))
            }
        };
        if let Err(error) = posted {
            self.undo(ticket);
            return Err(error);
        }
        // The post is visible, and the fence made: now the gate (see `Site::gate`).
        if self.site.gate.load(Relaxed) & shut != 0 && self.site.take_back(ticket, None) {
            self.undo(ticket);
            self.site.check_gate_for(shut)?;
            return Err(Status::POOL_ERR_CLOSED.into());
        }
        self.site.call_for_workers();
        Ok(ticket)
    }

    /// Lets the caller go on submitting while the pool is being joined or drained, which waits for it.
    pub(super) fn admit(&'static self) -> Result<Admission> {
        let insider = Insider::new(&self.site);
        self.site.check_gate()?;
        self.desks.as_ref().inspect(|desks| desks.admit());
        Ok(Admission { _insider: insider, desks: self.desks.as_ref() })
    }

    fn post(&self, call: Call, args: &Args<'_>, ticket: Ticket) -> Result<()> {
        let (place, inline) = self.place(args, ticket.slot)?;
        let board = &self.region().board;
        let position = board.reserve(&self.site.ledger.tail).ok_or(Status::POOL_ERR_FULL)?;
        self.region().trim_ring(&self.site.ledger.tail, position);
        let id = position + 1;
        board.slot(ticket.slot).fill(call, place, inline, clock::now(), id);
        board.post(position, Entry { slot: ticket.slot, generation: ticket.generation });
        board.bell.ring();
        Ok(())
    }

    /// Fills and publishes a slot that is never put on the ring: somebody knows of it without that.
    pub(super) fn fill(&self, call: Call, args: &Args<'_>, ticket: Ticket) -> Result<()> {
        let (place, inline) = self.place(args, ticket.slot)?;
        let id = self.site.ledger.tail.reserve_anyway() + 1;
        let record = self.region().board.slot(ticket.slot);
        record.fill(call, place, inline, clock::now(), id);
        record.word.publish(ticket.generation);
        Ok(())
    }

    /// Where the arguments are, after they were copied there; and those that go into the slot.
    fn place<'a>(&self, args: &Args<'a>, slot: u32) -> Result<(Place, &'a [u8])> {
        match args {
            Args::Bytes(bytes) if bytes.len() <= ARGS_MAX => {
                Ok((Place::Slot { len: bytes.len() }, bytes))
            }
            Args::Bytes(bytes) => Ok((copy_to_heap(&self.site, &[bytes], slot)?, &[])),
            Args::Chunk(parts) => Ok((copy_to_heap(&self.site, parts, slot)?, &[])),
            Args::Buffer(buffer) => {
                let (block, len) = self.buffers.take(*buffer)?;
                Ok((place_of(&self.site, block, len, slot), &[]))
            }
        }
    }

    /// Gives a slot back whose task will not run.
    pub(super) fn undo(&self, ticket: Ticket) {
        let (LetGo::NotHeld | LetGo::Free | LetGo::Subscribed) = self.site.ledger.let_go(ticket);
        self.recycle(ticket.slot);
    }

    /// Leaves a task that nobody holds to be swept up when it is done.
    pub(super) fn leave_loose(&self, slot: u32) {
        if !self.site.ledger.leave_loose(self.region(), slot) {
            self.recycle(slot);
        }
    }

    /// Gives the slot of a task back that is done, and is nobody's.
    pub(super) fn recycle(&self, slot: u32) {
        let cell = self.cell;
        match self.site.ledger.recycle(self.region(), slot) {
            Given::Kept => {}
            // From here on `self` may be gone.
            Given::Closed => registry::settle_up(cell, -1),
        }
    }
}

/// Fills a slot for a function that every worker runs by itself.
pub(super) fn fill_hook(site: &Site, call: Call, args: &[u8], ticket: Ticket) -> Result<()> {
    let (place, inline) = match args.len() {
        len @ ..=ARGS_MAX => (Place::Slot { len }, args),
        _ => (copy_to_heap(site, &[args], ticket.slot)?, &[][..]),
    };
    site.region.board.slot(ticket.slot).fill(call, place, inline, 0, 0);
    Ok(())
}

fn copy_to_heap(site: &Site, parts: &[&[u8]], slot: u32) -> Result<Place> {
    let len = parts.iter().map(|part| part.len()).sum();
    let block = take_block(site, len)?;
    let mut offset = site.ledger.args.offset(block);
    for part in parts {
        site.region.copy_in(offset, part);
        offset += part.len();
    }
    Ok(place_of(site, block, len, slot))
}

/// Notes that the block belongs to the slot's task.
fn place_of(site: &Site, block: Block, len: usize, slot: u32) -> Place {
    site.ledger.note_block(slot, Some(block));
    Place::Heap(Far { place: site.ledger.args.offset(block) as u64, len: len as u64 })
}

pub(super) fn take_block(site: &Site, len: usize) -> Result<Block> {
    site.ledger.args.take(len).ok_or_else(|| {
        Error::new(Status::POOL_ERR_TOO_LARGE, "no room for the arguments on the pool's board")
    })
}
