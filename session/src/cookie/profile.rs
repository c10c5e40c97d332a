/// Where a cookie is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Profile {
    Lax,
    Strict,
    CrossSite,
    Dev,
}

impl Profile {
    /// How browsers treat it, as attributes.
    pub(super) const fn attributes(self) -> &'static str {
        match self {
            Self::Lax => "; SameSite=Lax; Secure; HttpOnly",
            Self::Strict => "; SameSite=Strict; Secure; HttpOnly",
            Self::CrossSite => "; SameSite=None; Secure; HttpOnly; Partitioned",
            Self::Dev => "; SameSite=Lax; HttpOnly",
        }
    }

    /// Browsers hold a cookie to what its prefix says.
    pub(super) const fn prefix(self, host: bool) -> &'static str {
        match self {
            Self::Dev => "",
            _ if host => HOST,
            _ => "__Secure-",
        }
    }
}

pub(super) const HOST: &str = "__Host-";
