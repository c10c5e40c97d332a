use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use super::chunks::{index, piece};

/// A body that does not change any more. As small as it can be: there is one for each stored object.
#[derive(Debug)]
pub(super) enum Whole {
    One(Bytes),
    /// At least two. All but the last are as long as the first.
    Many(Box<[Bytes]>),
}

impl Whole {
    pub(super) fn new(mut chunks: VecDeque<Bytes>, last: Option<Bytes>) -> Self {
        chunks.extend(last);
        if chunks.len() < 2 {
            return Self::One(chunks.pop_front().unwrap_or_default());
        }
        let mut chunks = Vec::from(chunks);
        chunks.shrink_to_fit();
        Self::Many(chunks.into_boxed_slice())
    }

    pub(super) fn chunks(&self) -> &[Bytes] {
        match self {
            Self::One(bytes) => std::slice::from_ref(bytes),
            Self::Many(chunks) => chunks,
        }
    }

    pub(super) fn len(&self) -> u64 {
        let chunks = self.chunks();
        let size = |chunk: Option<&Bytes>| chunk.map_or(0, |chunk| chunk.len() as u64);
        size(chunks.first()) * (chunks.len() as u64 - 1) + size(chunks.last())
    }

    /// What there is from this byte on, in one piece.
    pub(super) fn get(&self, at: u64, until: u64) -> Option<Bytes> {
        let most = index(until.checked_sub(at)?);
        match self {
            Self::One(bytes) => piece(bytes, index(at), most),
            Self::Many(chunks) => {
                let size = chunks.first()?.len();
                let at = index(at);
                piece(chunks.get(at / size)?, at % size, most)
            }
        }
    }

    /// This part of it, without a copy. `None` if there is not so much.
    pub(super) fn slices(&self, Range { start, end }: Range<u64>) -> Option<Vec<Bytes>> {
        if start > end || end > self.len() {
            return None;
        }
        let mut slices = Vec::new();
        let mut at = start;
        while let Some(slice) = self.get(at, end) {
            at += slice.len() as u64;
            slices.push(slice);
        }
        Some(slices)
    }
}
