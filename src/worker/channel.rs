//! A channel: one end of a socket pair that carries messages, some with a descriptor.

use super::protocol::{MESSAGE_LEN_MAX, Message};
use crate::error::{Error, Result};
use crate::fd::{self, Descriptor, ForkTable};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

/// One end of a socket pair. If the program has closed its descriptor, nothing can be sent, and it
/// is at its end.
pub(crate) struct Channel(Descriptor);

/// The channels of this process, which a forked copy closes.
static CHANNELS: ForkTable = ForkTable::new();

/// Closes the channels that a forked process has inherited from its parent, and returns a duplicate of
/// one of them. Called before the process opens any file.
pub(super) fn take_inherited_channel(kept: &Channel) -> rustix::io::Result<Channel> {
    let number = kept.as_fd().as_raw_fd();
    CHANNELS.close(Some(number));
    let own = fd::duplicate(kept, fd::ABOVE_STDIO)?;
    // SAFETY: the number of `kept`, which nothing in this process uses again.
    unsafe { libc::close(number) };
    Ok(Channel::from_fd(own))
}

/// How long a process waits that cannot send or receive for want of something.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(10);
/// After so many pauses the supervisor, which has other workers, goes on.
const SHORTAGE_PAUSES_MAX: u32 = 20;

/// The outcome of receiving from a channel.
pub(crate) enum Received {
    Message(Message, Option<Descriptor>),
    /// No message has arrived yet.
    Nothing,
    /// Something that is not a message has arrived.
    Garbage,
    /// The other end is closed.
    End,
}

impl Channel {
    pub(crate) fn pair() -> Result<(Channel, Channel)> {
        let (one, other) = fd::socket_pair().map_err(|errno| Error::os("socketpair", errno))?;
        Ok((Channel::from_fd(one), Channel::from_fd(other)))
    }

    pub(crate) fn from_fd(fd: Descriptor) -> Channel {
        CHANNELS.add(&fd);
        Channel(fd)
    }

    /// Its descriptor, if that is still ours.
    pub(crate) fn own(&self) -> rustix::io::Result<BorrowedFd<'_>> {
        self.0.own()
    }

    pub(crate) fn send(&self, message: &Message, file: Option<BorrowedFd<'_>>) -> Result<()> {
        self.send_with(message, file, SendFlags::NOSIGNAL)
    }

    /// Like [`Channel::send`], but waits where something is short, such as memory: for messages of
    /// workers and fork servers, which the parent waits for.
    pub(super) fn send_patiently(
        &self,
        message: &Message,
        file: Option<BorrowedFd<'_>>,
    ) -> Result<()> {
        loop {
            match self.send(message, file) {
                Err(error) if error.is_shortage() => std::thread::sleep(SHORTAGE_PAUSE),
                sent => return sent,
            }
        }
    }

    /// Like [`Channel::send`], but fails where that would block.
    pub(crate) fn send_now(&self, message: &Message, file: Option<BorrowedFd<'_>>) -> Result<()> {
        self.send_with(message, file, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
    }

    fn send_with(
        &self,
        message: &Message,
        file: Option<BorrowedFd<'_>>,
        flags: SendFlags,
    ) -> Result<()> {
        let bytes = message.encode();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let files = file.map(|file| [file]);
        if let Some(files) = &files {
            control.push(SendAncillaryMessage::ScmRights(files));
        }
        loop {
            let parts = [IoSlice::new(&bytes)];
            let own = self.0.own().map_err(|errno| Error::os("sendmsg", errno))?;
            match rustix::net::sendmsg(own, &parts, &mut control, flags) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::os("sendmsg", errno)),
            }
        }
    }

    /// Sends bytes that are not a message, unless there are none; see [`Channel::receive_bytes`].
    pub(crate) fn send_bytes(&self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        rustix::io::retry_on_intr(|| rustix::net::send(self.0.own()?, bytes, SendFlags::NOSIGNAL))
            .map(drop)
            .map_err(|errno| Error::os("send", errno))
    }

    /// Waits for bytes that are not a message, of this length. The result is shorter if the other
    /// end has sent fewer.
    pub(crate) fn receive_bytes(&self, len: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        if len > 0 {
            let (received, _) = rustix::io::retry_on_intr(|| {
                rustix::net::recv(self.0.own()?, &mut bytes[..], RecvFlags::empty())
            })
            .map_err(|errno| Error::os("recv", errno))?;
            bytes.truncate(received);
        }
        Ok(bytes)
    }

    /// Ends the connection, also for copies of this end that other processes hold: children that the
    /// host has forked.
    pub(crate) fn shut_down(&self) {
        if let Ok(own) = self.0.own() {
            let _ = rustix::net::shutdown(own, rustix::net::Shutdown::Both);
        }
    }

    /// Receives the next message, if it has arrived.
    pub(crate) fn try_receive(&self) -> Received {
        self.receive_with(RecvFlags::DONTWAIT)
    }

    /// Waits for the next message and receives it.
    pub(crate) fn receive(&self) -> Received {
        loop {
            match self.receive_with(RecvFlags::empty()) {
                // There is no memory for it at the moment.
                Received::Nothing => std::thread::sleep(SHORTAGE_PAUSE),
                received => return received,
            }
        }
    }

    fn receive_with(&self, flags: RecvFlags) -> Received {
        let mut bytes = [0; MESSAGE_LEN_MAX];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = flags | RecvFlags::CMSG_CLOEXEC;
        let (mut pauses, mut was_reset) = (0, false);
        let len = loop {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            let Ok(own) = self.0.own() else { return Received::End };
            match rustix::net::recvmsg(own, &mut parts, &mut control, flags) {
                Ok(received) => break received.bytes,
                Err(Errno::INTR) => {}
                // The other end was closed with something unread. The kernel says so once, and then
                // gives what that end has sent before.
                Err(Errno::CONNRESET) if !was_reset => was_reset = true,
                Err(Errno::CONNRESET | Errno::BADF | Errno::NOTSOCK) => return Received::End,
                Err(Errno::AGAIN) => return Received::Nothing,
                // Something has arrived, and may be the last message of a process that has exited.
                Err(errno) if fd::is_shortage(errno) && pauses < SHORTAGE_PAUSES_MAX => {
                    std::thread::sleep(SHORTAGE_PAUSE);
                    pauses += 1;
                }
                Err(_) => return Received::Nothing,
            }
        };
        let file = control.drain().find_map(|part| match part {
            RecvAncillaryMessage::ScmRights(mut files) => files.next(),
            _ => None,
        });
        // Without a descriptor it counts as one that could not be received.
        let file = file.and_then(|file| fd::above_stdio(file).ok());
        match Message::decode(&bytes[..len]) {
            Some(message) => Received::Message(message, file),
            // Nothing is received from an end that is closed; no message is so short.
            None if len == 0 => Received::End,
            None => Received::Garbage,
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        CHANNELS.remove(&self.0);
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// The kernel reports that once before the message, as a reset connection.
    #[test]
    fn the_last_message_of_an_end_that_left_some_unread_is_received() {
        let (ours, theirs) = Channel::pair().unwrap();
        ours.send(&Message::Ready, None).unwrap();
        theirs.send(&Message::Ready, None).unwrap();
        drop(theirs);
        assert!(matches!(ours.try_receive(), Received::Message(Message::Ready, None)));
        assert!(matches!(ours.try_receive(), Received::End));
    }
}
