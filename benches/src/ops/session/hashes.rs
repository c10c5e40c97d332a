use std::hint::black_box;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::ops::Op;

/// The hashes that terrace-session makes for a session that it asks for: the code of the token, and the key that the store
/// knows it by. Three blocks of SHA-256.
pub struct Hashes {
    keyed: Hmac<Sha256>,
    token: [u8; 34],
}

impl Default for Hashes {
    fn default() -> Self {
        // Every secret is of a length that HMAC takes.
        let keyed = Hmac::new_from_slice(&[7; 32]).expect("a secret of any length");
        Self { keyed: keyed.chain_update([7; 22]), token: [7; 34] }
    }
}

impl Op for Hashes {
    fn once(&mut self) {
        let token = black_box(&self.token);
        let code = self.keyed.clone().chain_update(&token[..26]).finalize().into_bytes();
        black_box(code);
        black_box(Sha256::digest(token));
    }
}

impl std::fmt::Debug for Hashes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hashes").finish_non_exhaustive()
    }
}
