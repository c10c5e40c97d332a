//! Tables and functions: their names, and how a database gets them.

use std::fmt;

/// What every migration waits for, of all schemas: `terrace` in letters of eight bits. Documented, so that nobody else
/// uses it.
pub(super) const LOCK: i64 = 0x0074_6572_7261_6365;

/// What this code knows.
pub(super) const VERSION: i64 = 1;

/// The longest schema or prefix. PostgreSQL cuts names off at 63 bytes, and ours begin with it.
const LONGEST: usize = 32;

/// One step from a version to the next, in one transaction with the others.
///
/// A step keeps what older code calls, or says that it does not: processes of two versions run side by side while a
/// deployment is under way. So a function that takes or gives something else has another name, and a column that was
/// added has a default.
struct Migration {
    version: i64,
    /// The oldest version of the code that works with it.
    serves: i64,
    files: &'static [&'static str],
}

const BOOKS: &str = include_str!("sql/migrations.sql");

const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    serves: 1,
    files: &[
        include_str!("sql/tables.sql"),
        include_str!("sql/login.sql"),
        include_str!("sql/load.sql"),
        include_str!("sql/create.sql"),
        include_str!("sql/patch.sql"),
        include_str!("sql/rotate.sql"),
        include_str!("sql/end.sql"),
    ],
}];

/// What several functions say alike.
const PHRASES: [(&str, &str); 4] = [
    ("{now}", "coalesce(in_at, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)"),
    ("{at_key}", "(t.hash = in_hash OR ({previous}))"),
    (
        "{previous}",
        "t.previous = in_hash AND (t.previous_until IS NULL OR in_now < t.previous_until)",
    ),
    (
        "{alive}",
        "(t.expires > in_now AND t.absolute > in_now AND (t.subject IS NULL OR t.epoch >= \
         coalesce((SELECT e.epoch FROM @epochs e WHERE e.subject = t.subject), 0)))",
    ),
];

/// Where the tables are, and what their names begin with.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    schema: String,
    prefix: String,
    unlogged: bool,
}

impl Schema {
    pub(super) fn new(schema: &str, prefix: &str, unlogged: bool) -> Result<Self, InvalidSchema> {
        let letters = |text: &str| {
            text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
                && text.len() <= LONGEST
        };
        match [schema, prefix].into_iter().find(|name| !letters(name)) {
            None if !schema.is_empty() => {
                Ok(Self { schema: schema.to_owned(), prefix: prefix.to_owned(), unlogged })
            }
            found => Err(InvalidSchema(found.unwrap_or_default().to_owned())),
        }
    }

    /// The name of the schema.
    pub(super) fn name(&self) -> &str {
        &self.schema
    }

    /// SQL with our names in it: `@load` is a function or a table of ours, `#sessions_due` an index.
    pub(super) fn expand(&self, sql: &str) -> String {
        let sql = PHRASES.iter().fold(sql.to_owned(), |sql, (name, is)| sql.replace(name, is));
        let mut expanded = String::with_capacity(sql.len() * 2);
        let mut rest = sql.as_str();
        while let Some(at) = rest.find(['@', '#']) {
            let (before, from) = rest.split_at(at);
            let (mark, from) = from.split_at(1);
            let length = from.find(|c: char| !c.is_ascii_lowercase() && c != '_');
            let (name, after) = from.split_at(length.unwrap_or(from.len()));
            expanded.push_str(before);
            if mark == "@" {
                expanded.push_str(&format!("\"{}\".", self.schema));
            }
            expanded.push_str(&format!("\"{}{name}\"", self.prefix));
            rest = after;
        }
        expanded.push_str(rest);
        expanded
    }

    /// What brings a database from a version, 0 if there is nothing, to ours.
    pub(super) fn steps(&self, from: i64) -> String {
        let mut steps = self.expand(BOOKS);
        for migration in MIGRATIONS.iter().filter(|migration| migration.version > from) {
            for file in migration.files {
                let file = self.expand(file);
                // The tables of sessions, and not the books above.
                let table = if self.unlogged { "CREATE UNLOGGED TABLE" } else { "CREATE TABLE" };
                steps.push_str(&file.replace("CREATE TABLE", table));
            }
            let (version, serves) = (migration.version, migration.serves);
            steps.push_str(&self.expand(&format!(
                "INSERT INTO @migrations VALUES ({version}, {serves}) ON CONFLICT DO NOTHING;\n"
            )));
        }
        steps
    }

    /// All that an empty database needs, for somebody else to run.
    pub(super) fn script(&self) -> String {
        let schema = match self.schema.as_str() {
            "public" => String::new(),
            _ => self.create(),
        };
        format!("BEGIN;\nSELECT pg_advisory_xact_lock({LOCK});\n{schema}{}COMMIT;\n", self.steps(0))
    }

    pub(super) fn create(&self) -> String {
        format!("CREATE SCHEMA IF NOT EXISTS \"{}\";\n", self.schema)
    }
}

/// A name that a schema or a prefix cannot have.
#[derive(Debug)]
pub(super) struct InvalidSchema(String);

impl fmt::Display for InvalidSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no schema or prefix: at most {LONGEST} small letters, digits and _",
            self.0
        )
    }
}

impl std::error::Error for InvalidSchema {}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(unlogged: bool) -> Schema {
        Schema::new("sessions", "app_", unlogged).unwrap()
    }

    #[test]
    fn tables_are_named_with_their_schema_and_indexes_without() {
        let sql = schema(false).expand("CREATE INDEX #sessions_due ON @sessions (due)");
        assert_eq!(sql, "CREATE INDEX \"app_sessions_due\" ON \"sessions\".\"app_sessions\" (due)");
    }

    #[test]
    fn no_phrase_and_no_mark_is_left_in_the_script() {
        let script = schema(false).script();
        for rest in ["{now}", "{alive}", "{at_key}", "{previous}", "@", "#"] {
            assert!(!script.contains(rest), "{rest} is left in\n{script}");
        }
    }

    #[test]
    fn only_what_a_crash_may_take_is_unlogged() {
        let script = schema(true).script();
        assert_eq!(script.matches("CREATE UNLOGGED TABLE").count(), 2);
        assert!(script.contains("CREATE TABLE IF NOT EXISTS \"sessions\".\"app_migrations\""));
        assert!(!schema(false).script().contains("UNLOGGED"));
    }

    #[test]
    fn a_database_that_is_up_to_date_gets_no_step() {
        assert!(!schema(false).steps(VERSION).contains("FUNCTION"));
        assert!(schema(false).steps(VERSION - 1).contains("FUNCTION"));
    }
}
