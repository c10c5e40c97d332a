//! The statements: each is one call of a function in `sql/`, where the decisions and the reasons stand.

use super::rows::session_columns;
use super::schema::Schema;

/// With the names of one schema in them. Made once: the text of a statement is what it is prepared under.
#[derive(Debug)]
pub(super) struct Calls {
    pub(super) load: String,
    pub(super) create: String,
    pub(super) patch: String,
    pub(super) rotate: String,
    pub(super) delete: String,
    pub(super) list: String,
    pub(super) revoke: String,
    pub(super) epoch: String,
    pub(super) sweep: String,
}

impl Calls {
    pub(super) fn new(schema: &Schema) -> Self {
        let call = |sql: &str| schema.expand(sql);
        Self {
            load: call(concat!(
                "SELECT (r.s).hash IS NOT NULL AS found, r.now, r.touched, r.moved, ",
                session_columns!(),
                " FROM @load($1, $2, $3, $4) r"
            )),
            create: call(concat!(
                "SELECT r.outcome, r.now, r.evicted, ",
                session_columns!(),
                " FROM @create($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) r"
            )),
            patch: call(concat!(
                "SELECT r.outcome, r.now, r.moved, ",
                session_columns!(),
                " FROM @patch($1, $2, $3, $4, $5, $6, $7, $8) r"
            )),
            rotate: call(concat!(
                "SELECT r.outcome, r.now, r.evicted, ",
                session_columns!(),
                " FROM @rotate($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, ",
                "$15, $16, $17, $18, $19, $20, $21) r"
            )),
            delete: call("SELECT @delete($1, $2) AS ended"),
            list: call(
                "SELECT t.tag, t.hash, t.created, t.last_seen, t.expires, t.label, t.agent, t.network \
                 FROM @list($1, $2) t",
            ),
            revoke: call("SELECT @revoke($1, $2, $3, $4) AS ended"),
            epoch: call("SELECT @epoch($1) AS epoch"),
            sweep: call("SELECT r.seen, r.removed FROM @sweep($1, $2) r"),
        }
    }
}
