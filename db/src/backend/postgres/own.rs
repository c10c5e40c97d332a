//! What the pool itself asks a server.

use futures_util::future::join;
use sha2::{Digest, Sha256};
use tokio_postgres::types::PgLsn;
use tokio_postgres::{Client, Row, SimpleQueryMessage, SimpleQueryRow, Statement};

use super::lsn::Layout;
use super::{PgError, history, lsn};
use crate::backend::{Observation, Role};
use crate::cluster::History;
use crate::position::{Position, SystemId};

/// Everything about a node in one statement.
///
/// What raises an error on one kind of node stands where that kind does not evaluate it, and whether
/// it is a standby is asked once, so that a promotion halfway does not divide the answer.
///
/// The timeline of a primary is that of the WAL it writes; its control file names the one before
/// until the first checkpoint after a promotion. The timeline of a replica is a lower bound of the
/// one it replays: what it streams, if it may know that, since a receiver is only ever sent to a
/// timeline that goes on from what was replayed; else what its control file says.
///
/// A crash of one process makes a server recover, and a replica go back to its last restart point,
/// without a new start of the postmaster. It does begin its statistics anew.
const OBSERVE: &str = "\
SELECT (SELECT system_identifier FROM pg_control_system()), standby, \
CASE WHEN standby THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END, \
CASE WHEN standby THEN NULL ELSE pg_walfile_name(pg_current_wal_lsn()) END, \
CASE WHEN standby THEN greatest(\
(SELECT received_tli FROM pg_stat_wal_receiver), \
(SELECT timeline_id FROM pg_control_checkpoint()), \
(SELECT min_recovery_end_timeline FROM pg_control_recovery())) END, \
(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::int8, \
(extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time()) * 1000000)::int8, \
current_setting('wal_block_size'), current_setting('wal_segment_size'), \
has_function_privilege('pg_read_file(text,bigint,bigint,boolean)', 'execute') \
FROM (SELECT pg_is_in_recovery() AS standby OFFSET 0) AS node";

/// Longer than any history that a cluster lives to have.
const READ_HISTORY: &str = "SELECT pg_read_file($1, 0, 1048576, true)";

/// What is on its way to replicas with everything this session has committed: what is flushed, or
/// if the session does not wait for that, what is inserted.
const WRITTEN: &str = "SELECT CASE current_setting('synchronous_commit') \
WHEN 'off' THEN pg_current_wal_insert_lsn() ELSE pg_current_wal_flush_lsn() END";

const READABLE: &str = "SELECT pg_current_wal_insert_lsn()";

/// After a promotion it stays where replay ended, which is what the node has for certain of the
/// timeline that the question is about.
const REPLAYED: &str = "SELECT pg_last_wal_replay_lsn()";

macro_rules! facts {
    () => {
        "pg_walfile_name(pg_current_wal_lsn()), \
         current_setting('wal_block_size'), current_setting('wal_segment_size')"
    };
}

const FACTS: &str = concat!("SELECT ", facts!());

/// The first statement fails in a transaction that has failed before, for which a commit would say
/// that all went well. It also says whether this commit waits for the disk: that may be set for one
/// transaction alone.
pub(super) const COMMIT: &str = "SHOW synchronous_commit;COMMIT";
pub(super) const COMMIT_AND_LOCATE: &str = concat!(
    "SHOW synchronous_commit;COMMIT;",
    "SELECT pg_current_wal_flush_lsn(), pg_current_wal_insert_lsn(), ",
    facts!()
);

/// What does not change on a primary as long as a session lasts.
#[derive(Clone, Copy, Debug)]
struct Facts {
    timeline: u32,
    layout: Layout,
}

impl Facts {
    fn read(
        walfile: Option<&str>,
        page: Option<&str>,
        segment: Option<&str>,
    ) -> Result<Self, PgError> {
        let timeline = walfile.and_then(lsn::timeline);
        Ok(Self {
            timeline: timeline.ok_or(PgError::Unintelligible("name of a WAL file"))?,
            layout: Layout::new(page.unwrap_or_default(), segment.unwrap_or_default())?,
        })
    }

    fn position(self, insert: u64) -> Position {
        Position::new(self.timeline, self.layout.reachable(insert))
    }
}

/// A statement that asks a primary how far it is, with what is needed to understand the answer.
pub(super) struct Locate {
    statement: Statement,
    facts: Facts,
}

impl Locate {
    pub(super) async fn ask(&self, client: &Client) -> Result<Position, PgError> {
        let row = client.query_one(&self.statement, &[]).await;
        Ok(self.facts.position(lsn_in(&row.map_err(PgError::asking_a_primary)?, 0)?))
    }
}

/// What is kept of it per connection: prepared statements, and what stays true.
#[derive(Default)]
pub(super) struct Own {
    /// The connection has asked once.
    observed: bool,
    observe: Option<Statement>,
    written: Option<Statement>,
    readable: Option<Statement>,
    replayed: Option<Statement>,
    facts: Option<Facts>,
    history: Option<(u32, Option<History>)>,
}

impl Own {
    /// The statement that asks what has been written.
    pub(super) async fn written(&mut self, client: &Client) -> Result<Locate, PgError> {
        locate(client, &mut self.written, &mut self.facts, WRITTEN).await
    }

    /// The statement that asks what can be read.
    pub(super) async fn readable(&mut self, client: &Client) -> Result<Locate, PgError> {
        locate(client, &mut self.readable, &mut self.facts, READABLE).await
    }

    /// The statement that asks what has been replayed.
    pub(super) async fn replayed(&mut self, client: &Client) -> Result<Statement, PgError> {
        prepared(client, &mut self.replayed, REPLAYED).await
    }

    /// What a commit says about the position, in its third statement.
    pub(super) fn committed(
        &mut self,
        row: &SimpleQueryRow,
        asynchronous: bool,
    ) -> Result<Position, PgError> {
        let column = |index| row.try_get(index).ok().flatten();
        let facts = match self.facts {
            Some(facts) => facts,
            None => *self.facts.insert(Facts::read(column(2), column(3), column(4))?),
        };
        let end = column(usize::from(asynchronous)).and_then(lsn::parse);
        Ok(facts.position(end.ok_or(PgError::Unintelligible("WAL position"))?))
    }

    pub(super) async fn observe(&mut self, client: &Client) -> Result<Observation, PgError> {
        let row = if self.observed {
            let statement = prepared(client, &mut self.observe, OBSERVE).await?;
            client.query_one(&statement, &[]).await?
        } else {
            // Most connections ask only once, when they are made: preparing were a round trip more.
            self.observed = true;
            client.query_typed_one(OBSERVE, &[]).await?
        };
        let system: i64 = row.try_get(0)?;
        let system = SystemId(system.cast_unsigned());
        let started: i64 = row.try_get(5)?;
        let recovered: Option<i64> = row.try_get(6)?;
        let incarnation = incarnation(system, started, recovered);
        if row.try_get(1)? {
            let timeline: Option<i32> = row.try_get(4)?;
            let timeline = timeline.and_then(|timeline| u32::try_from(timeline).ok());
            let timeline = timeline.ok_or(PgError::Unintelligible("timeline"))?;
            let position = Position::new(timeline, lsn_in(&row, 2)?);
            let role = Role::Replica;
            return Ok(Observation { system, role, position, incarnation, history: None });
        }
        let facts = Facts::read(row.try_get(3)?, row.try_get(7)?, row.try_get(8)?)?;
        self.facts = Some(facts);
        let may_read: bool = row.try_get(9)?;
        Ok(Observation {
            system,
            role: Role::Primary,
            position: facts.position(lsn_in(&row, 2)?),
            incarnation,
            history: self.history(client, facts.timeline, may_read).await?,
        })
    }

    /// The ancestors of the timeline; `None` if the server does not let us know.
    ///
    /// Asked once per timeline: they do not change.
    async fn history(
        &mut self,
        client: &Client,
        timeline: u32,
        may_read: bool,
    ) -> Result<Option<History>, PgError> {
        if let Some((of, history)) = &self.history
            && *of == timeline
        {
            return Ok(history.clone());
        }
        let history = if timeline == 1 {
            Some(History::default())
        } else if may_read {
            read_history(client, timeline).await?
        } else {
            None
        };
        self.history = Some((timeline, history.clone()));
        Ok(history)
    }
}

async fn read_history(client: &Client, timeline: u32) -> Result<Option<History>, PgError> {
    let file = format!("pg_wal/{timeline:08X}.history");
    let row = match client.query_one(READ_HISTORY, &[&file]).await {
        Ok(row) => row,
        // Whatever is wrong with the file is no reason to call the node dead.
        Err(error) if error.as_db_error().is_some() && !client.is_closed() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let content: Option<&str> = row.try_get(0)?;
    Ok(content.and_then(|content| history::parse(content, timeline).ok()))
}

/// Another one after each start and each recovery of the server; of another server, another one.
fn incarnation(system: SystemId, started: i64, recovered: Option<i64>) -> u64 {
    // All processes must find the same, whichever compiler built them.
    let mut hash = Sha256::new();
    hash.update(system.0.to_be_bytes());
    hash.update(started.to_be_bytes());
    hash.update(recovered.unwrap_or(i64::MIN).to_be_bytes());
    let (first, _) = hash.finalize().into_iter().fold((0_u64, 0), |(sum, n), byte| {
        if n < 8 { (sum << 8 | u64::from(byte), n + 1) } else { (sum, n) }
    });
    first
}

pub(super) fn lsn_in(row: &Row, column: usize) -> Result<u64, PgError> {
    // NULL is a standby that has not replayed anything yet.
    let lsn: Option<PgLsn> = row.try_get(column)?;
    Ok(lsn.map_or(0, u64::from))
}

async fn prepared(
    client: &Client,
    kept: &mut Option<Statement>,
    sql: &str,
) -> Result<Statement, PgError> {
    match kept {
        Some(statement) => Ok(statement.clone()),
        None => Ok(kept.insert(client.prepare(sql).await?).clone()),
    }
}

async fn locate(
    client: &Client,
    kept: &mut Option<Statement>,
    facts: &mut Option<Facts>,
    sql: &str,
) -> Result<Locate, PgError> {
    let (statement, facts) = match *facts {
        Some(facts) => (prepared(client, kept, sql).await?, facts),
        None => {
            let (statement, found) = join(prepared(client, kept, sql), ask_facts(client)).await;
            (statement?, *facts.insert(found?))
        }
    };
    Ok(Locate { statement, facts })
}

async fn ask_facts(client: &Client) -> Result<Facts, PgError> {
    let answer = client.simple_query(FACTS).await.map_err(PgError::asking_a_primary)?;
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let row = row.ok_or(PgError::Unintelligible("name of a WAL file"))?;
    Facts::read(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)
}
