//! Licences, sources and bans of the whole dependency tree, from `deny.toml` and `cargo metadata`.
//!
//! `cargo deny` knows more, and the gate runs it where it is installed. This check is always there,
//! so that the gate never passes because a tool is missing.

use serde_json::Value;

use super::Findings;
use crate::workspace::list;

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// What `deny.toml` allows and forbids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    allowed: Vec<String>,
    banned: Vec<String>,
}

impl Policy {
    /// Reads the two lists that matter here. Understands the shape this repository writes them in,
    /// and refuses any other rather than allow by accident.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let allowed = strings(text, "[licenses]", "allow = [")?;
        let banned = strings(text, "[bans]", "deny = [")?;
        if allowed.is_empty() {
            return Err("deny.toml: [licenses] allows nothing".to_owned());
        }
        Ok(Self { allowed, banned })
    }
}

/// Reports packages whose licence is not allowed, that come from elsewhere, or that are banned.
pub(crate) fn check(policy: &Policy, metadata: &Value) -> Findings {
    let mut findings = Findings::new();
    for package in list(&metadata["packages"]) {
        let name = package["name"].as_str().unwrap_or("?");
        let version = package["version"].as_str().unwrap_or("?");
        if policy.banned.iter().any(|banned| banned == name) {
            findings.push(format!("{name} {version}: banned"));
        }
        match package["source"].as_str() {
            None | Some(REGISTRY) => {}
            Some(source) => findings.push(format!("{name} {version}: from {source}")),
        }
        match package["license"].as_str() {
            None => findings.push(format!("{name} {version}: names no licence")),
            Some(licence) if !satisfied(licence, &policy.allowed) => {
                findings.push(format!("{name} {version}: licence {licence}"));
            }
            Some(_) => {}
        }
    }
    findings
}

/// The quoted strings of the list that begins with `key` in `section`.
fn strings(text: &str, section: &str, key: &str) -> Result<Vec<String>, String> {
    let missing = || format!("deny.toml: no `{key}` in {section}");
    let (_, body) = text.split_once(&format!("\n{section}\n")).ok_or_else(missing)?;
    let body = body.split("\n[").next().unwrap_or_default();
    let (_, list) = body.split_once(key).ok_or_else(missing)?;
    let (list, _) = list.split_once("\n]").or_else(|| list.split_once(']')).ok_or_else(missing)?;
    Ok(list
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .flat_map(|line| line.split('"').skip(1).step_by(2))
        .map(str::to_owned)
        .collect())
}

/// Whether one of the choices in an SPDX expression is allowed. `/` is the old way to write OR.
fn satisfied(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let holds = either(&words, &mut at, allowed);
    holds && at == words.len()
}

/// `term OR term …`; `AND` binds closer.
fn either(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut holds = both(words, at, allowed);
    while is(words, *at, "OR") {
        *at += 1;
        holds |= both(words, at, allowed);
    }
    holds
}

fn both(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut holds = term(words, at, allowed);
    while is(words, *at, "AND") {
        *at += 1;
        holds &= term(words, at, allowed);
    }
    holds
}

/// Operators may be written small, says SPDX 3.
fn is(words: &[&str], at: usize, operator: &str) -> bool {
    words.get(at).is_some_and(|word| word.eq_ignore_ascii_case(operator))
}

fn term(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let Some(word) = words.get(*at) else {
        return false;
    };
    *at += 1;
    if *word == "(" {
        let holds = either(words, at, allowed);
        let closed = words.get(*at) == Some(&")");
        *at += 1;
        return holds && closed;
    }
    let mut licence = (*word).to_owned();
    if is(words, *at, "WITH") {
        licence = format!("{licence} WITH {}", words.get(*at + 1).unwrap_or(&"?"));
        *at += 2;
    }
    allowed.contains(&licence)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENY: &str = r#"
[licenses]
allow = [
    "MIT", # short
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "Unicode-3.0",
]

[bans]
deny = [
    { crate = "openssl-sys" },
]
"#;

    fn policy() -> Policy {
        let mut policy = Policy::parse(DENY).unwrap();
        policy.banned = vec!["openssl-sys".to_owned()];
        policy
    }

    #[test]
    fn the_lists_are_read_without_comments() {
        let policy = Policy::parse(DENY).unwrap();
        assert_eq!(policy.allowed.len(), 4);
        assert_eq!(policy.banned, ["openssl-sys"]);
    }

    #[test]
    fn a_policy_that_is_not_understood_is_refused() {
        assert!(Policy::parse("").is_err());
        assert!(Policy::parse("\n[licenses]\nallow = [\n]\n\n[bans]\ndeny = [\n]\n").is_err());
    }

    #[test]
    fn expressions_are_read_as_spdx_means_them() {
        let allowed = policy().allowed;
        for (expression, expected) in [
            ("MIT", true),
            ("MIT/Apache-2.0", true),
            ("GPL-3.0 OR MIT", true),
            ("GPL-3.0 or MIT", true),
            ("MIT and GPL-3.0", false),
            ("MIT AND GPL-3.0", false),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("(GPL-3.0 OR MIT) AND Unicode-3.0", true),
            ("MIT OR GPL-3.0 AND Unknown", true),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("Apache-2.0 WITH Other-exception", false),
            ("GPL-3.0", false),
            ("", false),
            ("(MIT", false),
            ("MIT MIT", false),
        ] {
            assert_eq!(satisfied(expression, &allowed), expected, "{expression}");
        }
    }

    #[test]
    fn every_kind_of_breach_is_reported() {
        let metadata = serde_json::json!({"packages": [
            {"name": "fine", "version": "1.0.0", "license": "MIT", "source": REGISTRY},
            {"name": "ours", "version": "0.1.0", "license": "MIT OR Apache-2.0", "source": null},
            {"name": "viral", "version": "1.0.0", "license": "GPL-3.0", "source": REGISTRY},
            {"name": "mute", "version": "1.0.0", "license": null, "source": REGISTRY},
            {"name": "forked", "version": "1.0.0", "license": "MIT", "source": "git+https://a/b"},
            {"name": "openssl-sys", "version": "1.0.0", "license": "MIT", "source": REGISTRY},
        ]});
        let findings = check(&policy(), &metadata);
        assert_eq!(
            findings,
            [
                "viral 1.0.0: licence GPL-3.0",
                "mute 1.0.0: names no licence",
                "forked 1.0.0: from git+https://a/b",
                "openssl-sys 1.0.0: banned",
            ]
        );
    }
}
