/// Signs tokens, and believes those that it signed.
#[derive(Clone)]
pub struct TokenKey {}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey(..)")
    }
}

/// Why a token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    /// It is not a token.
    Malformed,
    /// Nobody who has the key made it.
    Forged,
    /// It is older than tokens may be.
    Expired,
}

/// Why something cannot be a key.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeyError {
    /// It is shorter than 32 bytes.
    TooShort,
}
