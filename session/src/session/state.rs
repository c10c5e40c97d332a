//! What one request knows of its session. Pure: the handle asks the store, and this remembers what came of it.

use std::mem;
use std::sync::Arc;

use super::log::Log;
use crate::error::SessionError;
use crate::expiry::Remaining;
use crate::layer::Outage;
use crate::record::{Limits, Patch, Record, Values, apply};
use crate::store::Loaded;
use crate::token::{SessionKey, Token};

/// A token, and what the store knows it by.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) token: Token,
    pub(crate) key: SessionKey,
}

impl Held {
    pub(crate) fn new(token: Token) -> Self {
        let key = token.key();
        Self { token, key }
    }
}

/// Where the session of a request is.
#[derive(Debug, Default)]
pub(crate) enum Place {
    /// Nobody has looked at the cookie.
    #[default]
    Unread,
    /// The cookie has a token that we signed. The store was not asked.
    Token(Held),
    /// It is in the store.
    Here(Held, Loaded),
    /// The store is away, and this is how the session was not long ago.
    Copy(Held, Loaded, SessionError),
    /// There is none.
    Nowhere,
    /// There was one when the request began, and it has ended.
    Gone,
    /// The store is away.
    Away(Held, SessionError),
}

/// What the response tells the browser about the cookie.
#[derive(Clone, Debug, Default)]
pub(crate) enum Send {
    /// Nothing.
    #[default]
    Keep,
    /// This token, for so long.
    Set(Token, Remaining),
    /// To forget it.
    Remove,
}

/// What a store that is away could not do.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    pub(crate) values: Option<SessionError>,
    pub(crate) security: Option<SessionError>,
}

impl Trouble {
    pub(crate) fn any(&self) -> Option<SessionError> {
        self.security.as_ref().or(self.values.as_ref()).cloned()
    }
}

/// What a handler asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A change of values.
    Values,
    /// A login, a logout and their like.
    Security,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) place: Place,
    pub(crate) log: Log,
    pub(crate) send: Send,
    /// Whether the response may depend on the session.
    pub(crate) accessed: bool,
    /// Whether the request came without any token of ours.
    pub(crate) stranger: bool,
    /// Whether the store holds something new.
    pub(crate) written: bool,
    /// Whether the head of the response has left.
    pub(crate) closed: bool,
    /// Whether the last commit has begun: what is wished for now would be in none.
    pub(crate) sealed: bool,
    /// Whether the request brought several tokens of ours, of which none was taken.
    pub(crate) ambiguous: bool,
    /// What was asked for and could not be done, nor was done since.
    pub(crate) trouble: Trouble,
    /// A route's own policy.
    pub(crate) outage: Option<Outage>,
}

impl State {
    /// The session as it was loaded, none if there is none; nothing at all if the store has to be asked first.
    pub(crate) fn seen(&self, outage: Outage) -> Option<Result<Option<&Loaded>, SessionError>> {
        match &self.place {
            Place::Unread | Place::Token(_) => None,
            Place::Here(_, loaded) | Place::Copy(_, loaded, _) => Some(Ok(Some(loaded))),
            Place::Nowhere | Place::Gone => Some(Ok(None)),
            Place::Away(_, error) if outage == Outage::Anonymous && error.is_outage() => {
                Some(Ok(None))
            }
            Place::Away(_, error) => Some(Err(error.clone())),
        }
    }

    /// Whether changes may be asked for.
    pub(crate) fn writable(&self) -> Result<(), SessionError> {
        match &self.place {
            Place::Copy(_, _, error) | Place::Away(_, error) => Err(error.clone()),
            Place::Gone => Err(SessionError::Gone),
            Place::Unread | Place::Token(_) | Place::Here(..) | Place::Nowhere => Ok(()),
        }
    }

    /// Whether something can be wished for that comes with the response.
    pub(crate) fn open(&self) -> Result<(), SessionError> {
        if self.closed || self.sealed { Err(SessionError::Committed) } else { Ok(()) }
    }

    /// What was asked for could not be done.
    pub(crate) fn failed(&mut self, asked: Asked, error: &SessionError) {
        let trouble = match asked {
            Asked::Values => &mut self.trouble.values,
            Asked::Security => &mut self.trouble.security,
        };
        *trouble = Some(error.clone());
    }

    pub(crate) fn values(&self) -> Option<&Arc<Values>> {
        match &self.place {
            Place::Here(_, loaded) | Place::Copy(_, loaded, _) => Some(&loaded.record.values),
            _ => None,
        }
    }

    pub(crate) fn held(&self) -> Option<&Held> {
        match &self.place {
            Place::Token(held)
            | Place::Here(held, _)
            | Place::Copy(held, _, _)
            | Place::Away(held, _) => Some(held),
            Place::Unread | Place::Nowhere | Place::Gone => None,
        }
    }

    /// Whether what is wished for fits in.
    pub(crate) fn has_room(&self, limits: Limits) -> Result<(), SessionError> {
        let room = self.log.fits(self.values().map(|values| &**values), limits);
        if room { Ok(()) } else { Err(SessionError::Full) }
    }

    /// The store gave this for the token.
    pub(crate) fn loaded(&mut self, held: Held, loaded: Option<Loaded>, sent_again: bool) {
        self.place = match loaded {
            Some(loaded) => {
                // Who comes with the key from before a renewal may have the new one already: sending the old one
                // could take the place of it.
                if loaded.touched && sent_again && !loaded.moved {
                    self.send = Send::Set(held.token.clone(), lives(&loaded));
                }
                Place::Here(held, loaded)
            }
            None => Place::Nowhere,
        };
    }

    /// The session is under this token from now on.
    pub(crate) fn moved(&mut self, held: Held, loaded: Loaded) {
        self.send = Send::Set(held.token.clone(), lives(&loaded));
        self.place = Place::Here(held, loaded);
        self.written = true;
    }

    /// The session has ended while the request was at work. What was wished for it is void, and its cookie is left alone:
    /// whoever ended it has said what becomes of that.
    pub(crate) fn ended(&mut self) {
        self.place = Place::Gone;
        self.send = Send::Keep;
        self.log.clear();
    }

    /// Lets go of what was loaded, with the head of the response about to leave: a store in this process need not copy then
    /// what it changes. Whoever still asks is told what is there then.
    pub(crate) fn let_go(&mut self) {
        self.place = match mem::take(&mut self.place) {
            Place::Here(held, _) => Place::Token(held),
            other => other,
        };
    }

    /// Somebody else has moved the session on, and has its new token sent. Sending this one could take the place of it.
    pub(crate) fn overtaken(&mut self) {
        self.send = Send::Keep;
    }

    /// The store has taken these changes, and counts this version now.
    pub(crate) fn patched(&mut self, patch: &Patch, version: u64) {
        self.written = true;
        if let Place::Here(_, loaded) = &mut self.place {
            after(Arc::make_mut(&mut loaded.record), patch, version);
        }
    }
}

/// A record that was loaded, after changes of ours.
///
/// If the count says that there were others, what is known is of no version: a comparison with any will fail, and
/// bring what is there.
fn after(record: &mut Record, patch: &Patch, version: u64) {
    let alone = record.version.checked_add(1) == Some(version);
    record.version = if alone { version } else { 0 };
    // The store has looked at the limits.
    let no_limits = Limits { bytes: usize::MAX, values: usize::MAX, value: usize::MAX };
    let _ = apply(Arc::make_mut(&mut record.values), patch, no_limits);
}

/// How long a session lives from now on.
pub(crate) fn lives(loaded: &Loaded) -> Remaining {
    let Loaded { record, now, .. } = loaded;
    Remaining {
        unused: record.expires.min(record.absolute).since(*now),
        at_most: record.absolute.since(*now),
    }
}
