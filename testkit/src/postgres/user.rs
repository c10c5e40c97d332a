//! Who a server runs as: PostgreSQL refuses root.

use crate::process::Owner;

/// The ids that Linux distributions give to `nobody`.
const NOBODY: Owner = Owner { uid: 65_534, gid: 65_534 };

/// `None` for an ordinary user, who runs servers as himself; for root the user `postgres` if there
/// is one, else `nobody`.
pub(super) fn server_owner() -> Option<Owner> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let owner = find(&passwd, "postgres").or_else(|| find(&passwd, "nobody"));
    Some(owner.unwrap_or(NOBODY))
}

fn find(passwd: &str, user: &str) -> Option<Owner> {
    let line = passwd.lines().find_map(|line| line.strip_prefix(user)?.strip_prefix(':'))?;
    let mut fields = line.split(':').skip(1);
    let uid = fields.next()?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    (uid != 0).then_some(Owner { uid, gid })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
        postgresql:x:7:7::/:/bin/sh\n\
        postgres:x:101:104:PostgreSQL:/var/lib/postgresql:/bin/bash\n";

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let owner = Owner { uid: 101, gid: 104 };
        assert_eq!(find(PASSWD, "postgres"), Some(owner));
        assert_eq!(find(PASSWD, "nobody"), None);
    }

    #[test]
    fn a_server_never_runs_as_root() {
        assert_eq!(find(PASSWD, "root"), None);
        assert_eq!(find("postgres:x:0:0::/:/bin/sh", "postgres"), None);
    }
}
