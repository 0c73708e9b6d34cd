//! More workers, fewer, new ones: what the watch does when it is asked to, and who waits for it.

use super::Watch;
use crate::board::Stage;
use crate::error::{Error, Result, Status};
use crossbeam_channel::Sender;

/// Somebody who waits until so many workers are up at once.
pub(super) struct Waiter {
    number: u64,
    count: u32,
    /// Workers that came up and left since then because they had nothing to do: they count.
    idled: u32,
    answer: Sender<Result<()>>,
}

impl Watch {
    pub(super) fn await_ready(&mut self, number: u64, count: u32, answer: Sender<Result<()>>) {
        self.waiters.push(Waiter { number, count, idled: 0, answer });
        self.hire();
    }

    pub(super) fn await_no_longer(&mut self, number: u64) {
        self.answer_waiters();
        for waiter in self.waiters.extract_if(.., |waiter| waiter.number == number) {
            let _ = waiter.answer.try_send(Err(Status::POOL_ERR_TIMEOUT.into()));
        }
    }

    pub(super) fn note_idled(&mut self) {
        self.waiters.iter_mut().for_each(|waiter| waiter.idled += 1);
    }

    /// How many workers somebody waits for.
    pub(super) fn awaited(&self) -> u32 {
        let missing = self.waiters.iter().map(|it| it.count.saturating_sub(it.idled));
        missing.max().unwrap_or(0)
    }

    /// Answers those who wait for workers that are up, or that never will be.
    pub(super) fn answer_waiters(&mut self) {
        if self.waiters.is_empty() {
            return;
        }
        let up = self.crew.count_up() as u32;
        let is_over = self.stop.is_some() || self.stage != Stage::Open;
        let site = &self.site;
        self.waiters.retain(|waiter| {
            let answer = match site.why_broken.get() {
                Some(note) => Err(Error::with_detail(note.status, note.detail.clone())),
                None if is_over => Err(Status::POOL_ERR_CLOSED.into()),
                None if up + waiter.idled >= waiter.count => Ok(()),
                None => return true,
            };
            let _ = waiter.answer.try_send(answer);
            false
        });
    }
}
