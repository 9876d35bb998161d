//! Buffers for decoded clusters, which go from one cluster to the next.
//!
//! A buffer that the allocator gave back to the system has to be filled with pages anew, which costs as much as a
//! third of what is done with it; and buffers of this size between small pieces of memory leave holes that nothing
//! else fits into. So those that are done with are kept, a few of them, and all have the same size.

use crate::error::{Error, Result};
use std::io;
use std::sync::{Mutex, PoisonError};

/// Bytes that are decoded without a window of their own. The reference writer closes a cluster at 2 MiB.
pub(crate) const ROOM: usize = (2 << 20) + (512 << 10);
/// Buffers that wait for the next cluster at most.
const WAITING: usize = 2;

/// See the module.
#[derive(Default)]
pub(crate) struct Rooms {
    waiting: Mutex<Vec<Vec<u8>>>,
}

impl Rooms {
    /// An empty buffer of [`ROOM`] bytes, or of as many as there may be.
    pub(crate) fn take(&self, limit: usize) -> Result<Vec<u8>> {
        let waiting = || self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if limit >= ROOM
            && let Some(room) = waiting()
        {
            return Ok(room);
        }
        let mut room = Vec::new();
        room.try_reserve_exact(ROOM.min(limit)).map_err(|_| Error::Io(io::ErrorKind::OutOfMemory.into()))?;
        Ok(room)
    }

    /// Takes one back that nobody needs any more.
    pub(crate) fn give(&self, mut room: Vec<u8>) {
        if room.capacity() != ROOM {
            return;
        }
        room.clear();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < WAITING {
            waiting.push(room);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_and_only_a_few_wait() {
        let rooms = Rooms::default();
        let mut room = rooms.take(usize::MAX).unwrap();
        room.push(1);
        let place = room.as_ptr();
        rooms.give(room);
        rooms.give(Vec::with_capacity(10));
        let again = rooms.take(usize::MAX).unwrap();
        assert_eq!((again.as_ptr(), again.len(), again.capacity()), (place, 0, ROOM));
        assert_eq!(rooms.take(100).unwrap().capacity(), 100);
        (0..5).for_each(|_| rooms.give(Vec::with_capacity(ROOM)));
        assert_eq!(rooms.waiting.lock().unwrap().len(), WAITING);
    }
}
