//! What a connection learns without asking, and the task that listens.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::{AsyncMessage, Connection};

use super::PgError;
use crate::backend::Role;

const UNKNOWN: u8 = 0;
const PRIMARY: u8 = 1;
const REPLICA: u8 = 2;

const NONE: u8 = 0;
const UNCONFIRMED: u8 = 1;
const ENDED: u8 = 2;

/// What the listener has heard; shared between it and the connection.
///
/// The listener stores before it passes on the answer that came after, so whoever has the answer
/// finds what came before it.
#[derive(Debug, Default)]
pub(super) struct Signals {
    closed: AtomicBool,
    role: AtomicU8,
    doubt: AtomicU8,
    /// Counts changes of what stands here, except of the doubt.
    changes: AtomicU32,
    /// The count that `changed` has last spoken of.
    told: AtomicU32,
    notify: Notify,
}

impl Signals {
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn role(&self) -> Option<Role> {
        match self.role.load(Ordering::Acquire) {
            PRIMARY => Some(Role::Primary),
            REPLICA => Some(Role::Replica),
            _ => None,
        }
    }

    pub(super) fn learn(&self, role: Role) {
        let role = match role {
            Role::Primary => PRIMARY,
            Role::Replica => REPLICA,
        };
        if self.role.load(Ordering::Relaxed) == role {
            return;
        }
        // The first time is no change.
        if self.role.swap(role, Ordering::AcqRel) != UNKNOWN {
            self.tell();
        }
    }

    /// The parameter `in_hot_standby`, which servers before 14 do not report.
    pub(super) fn hot_standby(&self, parameter: Option<&str>) {
        match parameter {
            Some("off") => self.learn(Role::Primary),
            Some("on") => self.learn(Role::Replica),
            _ => {}
        }
    }

    pub(super) fn notice(&self, notice: &DbError) {
        // By the place in the server's source: the text may be in any language.
        let doubt = match notice.routine() {
            Some("SyncRepWaitForLSN") => UNCONFIRMED,
            _ if *notice.code() == SqlState::NO_ACTIVE_SQL_TRANSACTION => ENDED,
            _ => return,
        };
        self.doubt.store(doubt, Ordering::Release);
    }

    /// The doubt about what was answered since the last call.
    pub(super) fn doubt(&self) -> Option<PgError> {
        // Nearly always there is none, and nothing is written.
        if self.doubt.load(Ordering::Acquire) == NONE {
            return None;
        }
        match self.doubt.swap(NONE, Ordering::AcqRel) {
            UNCONFIRMED => Some(PgError::Unconfirmed),
            ENDED => Some(PgError::Ended),
            _ => None,
        }
    }

    /// Returns at once if something has changed since it last returned.
    pub(super) async fn changed(&self) {
        let mut notified = std::pin::pin!(self.notify.notified());
        notified.as_mut().enable();
        if self.is_closed() || self.take_change() {
            return;
        }
        notified.await;
        self.take_change();
    }

    fn take_change(&self) -> bool {
        let changes = self.changes.load(Ordering::Acquire);
        self.told.swap(changes, Ordering::AcqRel) != changes
    }

    fn tell(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.notify.notify_waiters();
    }
}

/// Marks the connection as closed, however the listener ends.
struct Closing(Arc<Signals>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.tell();
    }
}

/// Carries data between the client and the server until one of them goes, and listens meanwhile.
pub(super) async fn listen<S, T>(mut connection: Connection<S, T>, signals: Arc<Signals>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let closing = Closing(signals);
    let signals = &closing.0;
    poll_fn(|cx| {
        loop {
            let polled = connection.poll_message(cx);
            // A change of a parameter is no message of its own. A primary stays one as long as its
            // sessions last.
            if signals.role() != Some(Role::Primary) {
                signals.hot_standby(connection.parameter("in_hot_standby"));
            }
            match polled {
                Poll::Ready(Some(Ok(AsyncMessage::Notice(notice)))) => signals.notice(&notice),
                Poll::Ready(Some(Ok(_))) => {}
                // Why it ended, whoever waits for an answer learns from the client.
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn the_first_role_is_no_change_and_the_second_is() {
        let signals = Signals::default();
        assert_eq!(signals.role(), None);
        signals.hot_standby(None);
        assert_eq!(signals.role(), None);
        signals.hot_standby(Some("on"));
        assert_eq!(signals.role(), Some(Role::Replica));
        assert_eq!(signals.changed().now_or_never(), None);
        signals.hot_standby(Some("off"));
        assert_eq!(signals.role(), Some(Role::Primary));
        assert_eq!(signals.changed().now_or_never(), Some(()));
        assert_eq!(signals.changed().now_or_never(), None);
    }

    #[test]
    fn a_change_wakes_who_waits_for_it_already() {
        let signals = Signals::default();
        signals.learn(Role::Replica);
        let mut waiting = Box::pin(signals.changed());
        assert_eq!((&mut waiting).now_or_never(), None);
        signals.learn(Role::Primary);
        assert_eq!((&mut waiting).now_or_never(), Some(()));
        assert_eq!(signals.changed().now_or_never(), None);
    }

    #[test]
    fn a_closed_connection_has_changed_for_ever() {
        let signals = Arc::new(Signals::default());
        drop(Closing(Arc::clone(&signals)));
        assert!(signals.is_closed());
        assert_eq!(signals.changed().now_or_never(), Some(()));
        assert_eq!(signals.changed().now_or_never(), Some(()));
    }
}
