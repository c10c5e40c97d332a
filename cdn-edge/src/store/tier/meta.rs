//! What a tier keeps beside a body.
//!
//! Format 1, numbers in network byte order:
//!
//! | bytes | |
//! |---|---|
//! | 4 | magic, `C8 54 45 4D` |
//! | 1 | format, 1 |
//! | 8 | variant |
//! | 8 | generation |
//! | 8 | sequence |
//! | 4 | length of the head |
//! | | the head, the rest |
//! | 8 | XXH3-64 of all before it |

use std::fmt;

use bytes::Bytes;

use crate::object::{Checksum, Reader, Unreadable, begin, seal};

const MAGIC: [u8; 4] = *b"\xC8TEM";
const FORMAT: u8 = 1;

/// What is stored beside a body. A tier looks at the variant and keeps the rest as bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct TierMeta {
    /// Which variant of the key it is: a hash of the request's fields that `Vary` names, the same
    /// after a restart.
    pub variant: u64,
    /// When it was fetched, counted in purges.
    pub stamp: Stamp,
    /// The head of the response: [`Head::to_bytes`](crate::object::Head::to_bytes).
    pub head: Bytes,
    /// What else the edge wants to know again: times, tags, the fields that select it.
    pub rest: Bytes,
}

/// The last purge before a fetch began. A number alone says nothing after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// The journal that the purge is counted in.
    pub generation: u64,
    /// Its number there.
    pub sequence: u64,
}

impl TierMeta {
    /// The bytes for a tier to keep, with a checksum.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = begin(MAGIC, FORMAT, 8 * 3 + 4 + self.head.len() + self.rest.len());
        for number in [self.variant, self.stamp.generation, self.stamp.sequence] {
            out.extend(number.to_be_bytes());
        }
        // A head has a few MiB at most. Were there one of 4 GiB, reading would refuse it.
        out.extend(u32::try_from(self.head.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(&self.head);
        out.extend_from_slice(&self.rest);
        seal(out)
    }

    /// Reads what [`to_bytes`](TierMeta::to_bytes) wrote. Head and rest share the memory of `bytes`.
    ///
    /// # Errors
    ///
    /// [`Unreadable`]: each of them means that the record is not there.
    pub fn from_bytes(bytes: &Bytes) -> Result<Self, Unreadable> {
        read(bytes, Checksum::Verified)
    }
}

fn read(bytes: &Bytes, sum: Checksum) -> Result<TierMeta, Unreadable> {
    let mut reader = Reader::open(bytes, MAGIC, FORMAT, sum)?;
    let variant = u64::from_be_bytes(*reader.take()?);
    let generation = u64::from_be_bytes(*reader.take()?);
    let sequence = u64::from_be_bytes(*reader.take()?);
    let head = u32::from_be_bytes(*reader.take()?);
    let head = bytes.slice_ref(reader.split(head as usize)?);
    let rest = bytes.slice_ref(reader.rest());
    Ok(TierMeta { variant, stamp: Stamp { generation, sequence }, head, rest })
}

impl fmt::Debug for TierMeta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TierMeta")
            .field("variant", &self.variant)
            .field("stamp", &self.stamp)
            .field("head_bytes", &self.head.len())
            .field("rest_bytes", &self.rest.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn meta() -> TierMeta {
        TierMeta {
            variant: 7,
            stamp: Stamp { generation: 3, sequence: 41 },
            head: Bytes::from_static(b"the head"),
            rest: Bytes::from_static(b"the rest"),
        }
    }

    proptest! {
        #[test]
        fn a_meta_comes_back_from_its_bytes(
            numbers in any::<[u64; 3]>(),
            head in vec(any::<u8>(), 0..100),
            rest in vec(any::<u8>(), 0..100),
        ) {
            let [variant, generation, sequence] = numbers;
            let stamp = Stamp { generation, sequence };
            let meta = TierMeta { variant, stamp, head: head.into(), rest: rest.into() };
            prop_assert_eq!(TierMeta::from_bytes(&meta.to_bytes()), Ok(meta));
        }

        #[test]
        fn any_bytes_are_a_meta_or_an_error(bytes in vec(any::<u8>(), 0..100), sealed: bool) {
            if !sealed {
                prop_assert!(TierMeta::from_bytes(&bytes.into()).is_err());
                return Ok(());
            }
            // With all before the content as it must be, and a checksum that fits.
            let mut out = begin(MAGIC, FORMAT, bytes.len());
            out.extend(&bytes);
            let out = seal(out);
            if let Ok(meta) = TierMeta::from_bytes(&out) {
                prop_assert_eq!(meta.to_bytes(), out);
            }
        }
    }

    fn believed(sum: Checksum) -> usize {
        let bytes = meta().to_bytes();
        let flipped = |bit: &usize| {
            let mut bytes = bytes.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            read(&bytes.into(), sum).is_ok()
        };
        (0..bytes.len() * 8).filter(flipped).count()
    }

    #[test]
    fn every_flipped_bit_of_a_meta_is_refused() {
        assert_eq!(believed(Checksum::Verified), 0);
        // Control: without the checksum most of them would be believed.
        assert!(believed(Checksum::Ignored) > 300);
    }

    #[test]
    fn a_meta_that_is_cut_or_longer_is_refused() {
        let bytes = meta().to_bytes();
        for length in 0..bytes.len() {
            assert!(TierMeta::from_bytes(&bytes.slice(..length)).is_err(), "{length}");
        }
        let longer = Bytes::from([&bytes[..], b"x"].concat());
        assert_eq!(TierMeta::from_bytes(&longer), Err(Unreadable::Checksum));
    }

    #[test]
    fn head_and_rest_are_slices_of_what_was_read() {
        let bytes = meta().to_bytes();
        let read = TierMeta::from_bytes(&bytes).unwrap();
        assert!(bytes.as_ptr_range().contains(&read.head.as_ptr()));
        assert!(bytes.as_ptr_range().contains(&read.rest.as_ptr()));
    }

    #[test]
    fn the_format_of_a_meta_is_what_it_was_in_every_release() {
        let hex: String = meta().to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        // Computed by Python's struct and xxhash.
        assert_eq!(
            hex,
            "c854454d010000000000000007000000000000000300000000000000290000000874686520686561\
             64746865207265737444c95161f49b6c30"
        );
    }
}
