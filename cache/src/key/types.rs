//! What is a key as it comes.

use std::borrow::Cow;
use std::sync::Arc;

use super::{CacheKey, KeyBuf};

macro_rules! integers {
    ($($integer:ty)*) => {$(
        impl CacheKey for $integer {
            #[inline]
            fn encode(&self, key: &mut KeyBuf) {
                key.integer(*self);
            }
        }
    )*};
}

integers!(u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);

impl CacheKey for u8 {
    #[inline]
    fn encode(&self, key: &mut KeyBuf) {
        key.integer(*self);
    }

    fn encode_slice(items: &[Self], key: &mut KeyBuf) {
        key.run(b'b', items);
    }
}

impl CacheKey for bool {
    fn encode(&self, key: &mut KeyBuf) {
        key.word(if *self { b't' } else { b'f' });
    }
}

impl CacheKey for char {
    fn encode(&self, key: &mut KeyBuf) {
        key.run(b'c', self.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

impl CacheKey for str {
    fn encode(&self, key: &mut KeyBuf) {
        key.run(b's', self.as_bytes());
    }
}

impl CacheKey for String {
    fn encode(&self, key: &mut KeyBuf) {
        self.as_str().encode(key);
    }
}

impl<K: CacheKey> CacheKey for Option<K> {
    fn encode(&self, key: &mut KeyBuf) {
        match self {
            Some(inner) => key.some(inner),
            None => key.word(b'n'),
        }
    }
}

impl<K: CacheKey> CacheKey for [K] {
    fn encode(&self, key: &mut KeyBuf) {
        K::encode_slice(self, key);
    }
}

impl<K: CacheKey, const N: usize> CacheKey for [K; N] {
    fn encode(&self, key: &mut KeyBuf) {
        K::encode_slice(self, key);
    }
}

impl<K: CacheKey> CacheKey for Vec<K> {
    fn encode(&self, key: &mut KeyBuf) {
        K::encode_slice(self, key);
    }
}

impl<K: CacheKey + ?Sized> CacheKey for &K {
    fn encode(&self, key: &mut KeyBuf) {
        K::encode(self, key);
    }
}

impl<K: CacheKey + ?Sized> CacheKey for Box<K> {
    fn encode(&self, key: &mut KeyBuf) {
        K::encode(self, key);
    }
}

impl<K: CacheKey + ?Sized> CacheKey for Arc<K> {
    fn encode(&self, key: &mut KeyBuf) {
        K::encode(self, key);
    }
}

impl<K: CacheKey + ToOwned + ?Sized> CacheKey for Cow<'_, K> {
    fn encode(&self, key: &mut KeyBuf) {
        K::encode(self, key);
    }
}

/// The key of a cache that holds one value.
impl CacheKey for () {
    fn encode(&self, _: &mut KeyBuf) {}
}

impl<A: CacheKey> CacheKey for (A,) {
    fn encode(&self, key: &mut KeyBuf) {
        self.0.encode(key);
    }
}

macro_rules! tuples {
    ($(($($name:ident)*))*) => {$(
        impl<$($name: CacheKey),*> CacheKey for ($($name,)*) {
            fn encode(&self, key: &mut KeyBuf) {
                #[expect(non_snake_case, reason = "the types' names, one each")]
                let ($($name,)*) = self;
                key$(.part($name))*;
            }
        }
    )*};
}

tuples!((A B) (A B C) (A B C D) (A B C D E) (A B C D E F));
