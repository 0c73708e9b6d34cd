//! The bytes of a failed task, in the place of a result: what its function has left for the caller, the
//! message of the error, and the length of that.
//!
//! ```text
//!   data … │ message, at most 215 bytes │ its length, one byte
//! ```
//!
//! No bytes at all: neither.

use super::memory::ResultBytes;

/// The maximum length of the message in `pool_error_t`, without the NUL.
pub(crate) const MESSAGE_MAX: usize = 215;
const _: () = assert!(MESSAGE_MAX <= u8::MAX as usize);

/// Lays out what a task leaves. The message is cut between two characters if it is too long.
pub(crate) fn encode(data: &[u8], message: &[u8]) -> Vec<u8> {
    let message = String::from_utf8_lossy(&message[..message.len().min(4 * MESSAGE_MAX)]);
    let mut end = message.len().min(MESSAGE_MAX);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    if data.is_empty() && end == 0 {
        return Vec::new();
    }
    let mut bytes = Vec::with_capacity(data.len() + end + 1);
    bytes.extend_from_slice(data);
    bytes.extend_from_slice(&message.as_bytes()[..end]);
    bytes.push(end as u8);
    bytes
}

/// The message in bytes of [`encode`].
pub(crate) fn message_in(bytes: &[u8]) -> &[u8] {
    let Some((len, rest)) = bytes.split_last() else { return &[] };
    &rest[rest.len().saturating_sub(usize::from(*len))..]
}

/// What a failed task has left.
pub(crate) struct Failure<'a> {
    pub(crate) data: ResultBytes<'a>,
    pub(crate) message: Vec<u8>,
}

/// Reads the bytes of a failed task. None: they are not such bytes.
pub(crate) fn decode(bytes: ResultBytes<'_>) -> Option<Failure<'_>> {
    let Some(rest) = bytes.len().checked_sub(1) else {
        return Some(Failure { data: bytes, message: Vec::new() });
    };
    let len = usize::from(*bytes.part(rest, 1)?.prefix(1).first()?);
    let data = bytes.part(0, rest.checked_sub(len)?)?;
    let message = bytes.part(data.len(), len)?.prefix(MESSAGE_MAX);
    Some(Failure { data, message })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        // SAFETY: the bytes live as long as this function, and nothing writes to them.
        let bytes = unsafe { ResultBytes::new(bytes.as_ptr(), bytes.len()) };
        decode(bytes).map(|failure| (failure.data.prefix(usize::MAX), failure.message))
    }

    #[test]
    fn data_and_message_come_back() {
        for (data, message) in [("", ""), ("", "why"), ("data", ""), ("data", "why")] {
            let bytes = encode(data.as_bytes(), message.as_bytes());
            assert_eq!(message_in(&bytes), message.as_bytes());
            let wanted = (data.as_bytes().to_vec(), message.as_bytes().to_vec());
            assert_eq!(decoded(&bytes), Some(wanted));
        }
        assert!(encode(b"", b"").is_empty());
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let bytes = encode(b"data", "é".repeat(200).as_bytes());
        assert_eq!(message_in(&bytes), "é".repeat(MESSAGE_MAX / 2).as_bytes());
    }

    #[test]
    fn bytes_of_a_stray_worker_are_refused() {
        assert_eq!(decoded(&[9]), None);
        assert_eq!(decoded(&[b'x', 2]), None);
        assert_eq!(message_in(&[b'x', 2]), b"x");
    }
}
