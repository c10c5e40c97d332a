//! What a server is asked to do in one step.

use std::sync::LazyLock;

use ::redis::Script as Hashed;

/// A script, by its place in [`Script::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    Load,
    Create,
    Patch,
    Rotate,
    Delete,
    List,
    Revoke,
    Epoch,
    Claim,
    Install,
    Made,
    Settle,
    Remove,
}

/// Their texts are hashed once.
static HASHED: LazyLock<Vec<(String, Hashed)>> = LazyLock::new(|| {
    let hashed = |script: Script| {
        let source = script.source();
        let hash = Hashed::new(&source);
        (source, hash)
    };
    Script::ALL.into_iter().map(hashed).collect()
});

impl Script {
    pub(super) const ALL: [Self; 13] = [
        Self::Load,
        Self::Create,
        Self::Patch,
        Self::Rotate,
        Self::Delete,
        Self::List,
        Self::Revoke,
        Self::Epoch,
        Self::Claim,
        Self::Install,
        Self::Made,
        Self::Settle,
        Self::Remove,
    ];

    /// Its text, and the name under which a server that has seen it knows it.
    pub(super) fn named(self) -> (&'static str, &'static str) {
        let found = HASHED.get(self as usize);
        found.map_or(("", ""), |(source, hash)| (source.as_str(), hash.get_hash()))
    }

    fn source(self) -> String {
        let turn = match self {
            Self::Rotate | Self::Install => include_str!("script/turn.lua"),
            _ => "",
        };
        format!("{}{turn}{}", include_str!("script/common.lua"), self.body())
    }

    fn body(self) -> &'static str {
        match self {
            Self::Load => include_str!("script/load.lua"),
            Self::Create => include_str!("script/create.lua"),
            Self::Patch => include_str!("script/patch.lua"),
            Self::Rotate => include_str!("script/rotate.lua"),
            Self::Delete => include_str!("script/delete.lua"),
            Self::List => include_str!("script/list.lua"),
            Self::Revoke => include_str!("script/revoke.lua"),
            Self::Epoch => include_str!("script/epoch.lua"),
            Self::Claim => include_str!("script/claim.lua"),
            Self::Install => include_str!("script/install.lua"),
            Self::Made => include_str!("script/made.lua"),
            Self::Settle => include_str!("script/settle.lua"),
            Self::Remove => include_str!("script/remove.lua"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Script;

    #[test]
    fn each_script_stands_at_its_index() {
        for (place, script) in Script::ALL.into_iter().enumerate() {
            assert_eq!(script as usize, place);
            assert_eq!(script.named().0, script.source());
            assert_eq!(script.named().1.len(), 40);
        }
    }

    /// What a script is given stays in its slot; a name that it makes up need not.
    fn makes_up_a_key(source: &str) -> bool {
        let named = |call: &str| {
            let key = call.split([',', ')']).nth(1).unwrap_or_default().trim();
            let parameter = ["key", "index", "listing", "epochs", "found"].contains(&key);
            parameter
                || key.starts_with("KEYS[")
                || key.starts_with("unpack(KEYS")
                || call.starts_with("'TIME'")
        };
        let calls = ["redis.call(", "redis.pcall("].into_iter();
        let mut calls = calls
            .flat_map(|how| source.split(how).skip(1))
            .filter(|call| !call.starts_with("command,"));
        calls.any(|call| !named(call)) || source.contains("key ..") || source.contains(".. key")
    }

    #[test]
    fn no_script_makes_up_a_key() {
        for script in Script::ALL {
            assert!(!makes_up_a_key(&script.source()), "{script:?}");
        }
    }

    #[test]
    fn a_key_that_is_made_up_would_be_seen() {
        assert!(makes_up_a_key("redis.call('DEL', 'a' .. ARGV[4])"));
        assert!(makes_up_a_key("redis.pcall('GET', m.m)"));
        assert!(makes_up_a_key("local key = prefix .. key"));
    }
}
