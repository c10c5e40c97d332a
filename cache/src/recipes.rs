//! Two ways to cache without ever guessing a ttl.
//!
//! A ttl is a guess at how long a value will not change. Where all writes pass through code of your
//! own, nothing has to be guessed:
//!
//! | | for ever, deleted on write | the version in the key |
//! |---|---|---|
//! | a write | says which rows it changed, after its commit | changes a version in its own transaction |
//! | a read | costs nothing | has to learn the version first |
//! | who must be told | this process, the store, the bus | nobody |
//! | a write that tells nobody | leaves the old value | cannot be: the version is part of it |
//! | memory | one entry for each value | old versions too, until they are pushed out |
//! | good for | rows that are read far more often than written | what is dear to make and cheap to date: pages, feeds, reports |
//!
//! # For ever, deleted on write
//!
//! Values have no ttl. Each carries a tag for every row it was made of, and whoever writes a row bumps
//! its tag **after the commit**. Sent before, the bump would be too early: a reader in between loads
//! the old row, and now keeps it for ever. A load that is under way at the commit is no danger: the
//! bump makes its value old, too.
//!
//! As it comes, one key for one row:
//!
//! ```
//! use std::collections::HashMap;
//! use std::convert::Infallible;
//! use std::sync::{Arc, Mutex};
//! use terrace_cache::freshness::{Freshness, Ttl};
//! use terrace_cache::{Cache, Invalidations};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // In place of a database.
//! let names = Arc::new(Mutex::new(HashMap::from([(7, "Ann".to_owned())])));
//! let users: Cache<u64, String> = Cache::builder("users")
//!     .freshness(Freshness::default().ttl(Ttl::ForEver))
//!     .loader(Arc::clone(&names), |names, id, _| async move {
//!         Ok::<_, Infallible>(names.lock().unwrap().get(&id).cloned())
//!     })
//!     .build()?;
//! assert_eq!(users.get(&7).await?.as_deref(), Some("Ann"));
//!
//! let mut changes = Invalidations::new();
//! // begin; update users set name = 'Anna' where id = 7;
//! changes.key(&users, &7);
//! names.lock().unwrap().insert(7, "Anna".to_owned()); // commit;
//! changes.send().await?;
//! assert_eq!(users.get(&7).await?.as_deref(), Some("Anna"));
//! # Ok(())
//! # }
//! ```
//!
//! Adjusted, for what is made of many rows: a list carries each row's tag, and one of its own for the
//! rows that are not in it yet.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::convert::Infallible;
//! use std::sync::{Arc, Mutex};
//! use terrace_cache::freshness::{Freshness, Ttl};
//! use terrace_cache::tag::{Tag, row};
//! use terrace_cache::{Cache, Invalidations, LoadCx};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let stations = Arc::new(Mutex::new(BTreeMap::from([(1, "Jazz"), (2, "Rock")])));
//! let pages: Cache<&'static str, String> = Cache::builder("pages")
//!     .freshness(Freshness::default().ttl(Ttl::ForEver))
//!     .loader(Arc::clone(&stations), |stations, _, cx: LoadCx<String>| async move {
//!         let stations = stations.lock().unwrap().clone();
//!         cx.tag(Tag::new("list of stations"));
//!         stations.keys().for_each(|id| cx.tag(row("stations", id)));
//!         let names: Vec<_> = stations.into_values().collect();
//!         Ok::<_, Infallible>(Some(names.join(", ")))
//!     })
//!     .build()?;
//! assert_eq!(pages.get(&"front").await?.as_deref(), Some("Jazz, Rock"));
//!
//! // update stations set name = 'Punk' where id = 2;
//! stations.lock().unwrap().insert(2, "Punk");
//! let mut changes = Invalidations::new();
//! changes.tag(&pages, row("stations", 2));
//! changes.send().await?;
//! assert_eq!(pages.get(&"front").await?.as_deref(), Some("Jazz, Punk"));
//!
//! // insert into stations values (3, 'Soul'); no list has its row
//! stations.lock().unwrap().insert(3, "Soul");
//! let mut changes = Invalidations::new();
//! changes.tag(&pages, Tag::new("list of stations"));
//! changes.send().await?;
//! assert_eq!(pages.get(&"front").await?.as_deref(), Some("Jazz, Punk, Soul"));
//! # Ok(())
//! # }
//! ```
//!
//! What to know:
//!
//! - A value carries at most [`MAX_TAGS`](crate::envelope::MAX_TAGS) tags; one with more is served and
//!   not kept. What is made of more rows gets one tag for the whole table.
//! - A process that dies between the commit and [`send`](crate::Invalidations::send) leaves the old
//!   value behind. Where that must not last, give a ttl of a day: it is a net, and no guess.
//! - An error of `send` means that the shared store could not be told. Send again.
//! - A loader that reads from a replica may read the old row after the bump, and would keep it. Let it
//!   read where the commit is visible.
//! - Writes that bypass the application, an import or a hand at the database's console, bump nothing;
//!   [`clear`](crate::Cache::clear) afterwards.
//! - With a shared store or a bus, other processes' memory is bounded by
//!   [`l1_max_age`](crate::freshness::Freshness::l1_max_age) all the same.
//!
//! # The version in the key
//!
//! The key is the name and the time of the last change, `news_<time of last change>`. A new version is a
//! new key: who knows it can not get the old value, in no process and at no level, and there is
//! nothing to invalidate. The old entry is asked for no more, and is pushed out in time.
//!
//! As it comes. What tells the version is one cheap query; what is made of it is dear:
//!
//! ```
//! use std::convert::Infallible;
//! use std::sync::{Arc, Mutex};
//! use terrace_cache::freshness::{Freshness, Ttl};
//! use terrace_cache::Cache;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // In place of a table: when it last changed, and what is in it.
//! let news = Arc::new(Mutex::new((1_u64, "peace")));
//! let pages: Cache<(&'static str, u64), String> = Cache::builder("news")
//!     .freshness(Freshness::default().ttl(Ttl::ForEver))
//!     .loader(Arc::clone(&news), |news, _, _| async move {
//!         Ok::<_, Infallible>(Some(format!("<h1>{}</h1>", news.lock().unwrap().1)))
//!     })
//!     .build()?;
//!
//! let changed = news.lock().unwrap().0; // select max(changed) from news
//! assert_eq!(pages.get(&("news", changed)).await?.as_deref(), Some("<h1>peace</h1>"));
//!
//! *news.lock().unwrap() = (2, "rain"); // the write, and its version with it
//! let changed = news.lock().unwrap().0;
//! assert_eq!(pages.get(&("news", changed)).await?.as_deref(), Some("<h1>rain</h1>"));
//! # Ok(())
//! # }
//! ```
//!
//! Adjusted, for loaders that read from a replica: it may be behind the version that the reader knows.
//! What is older than its key is served once, and not kept.
//!
//! ```
//! use std::convert::Infallible;
//! use std::sync::{Arc, Mutex};
//! use std::time::Duration;
//! use terrace_cache::freshness::Freshness;
//! use terrace_cache::{Cache, LoadCx};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let replica = Arc::new(Mutex::new((1_u64, "peace")));
//! let pages: Cache<(&'static str, u64), &'static str> = Cache::builder("news")
//!     .capacity(1_000)
//!     .freshness(Freshness::default().ttl(Duration::from_secs(24 * 3600)))
//!     .loader(Arc::clone(&replica), |replica, (_, version), cx: LoadCx<_>| async move {
//!         let (changed, page) = *replica.lock().unwrap();
//!         if changed < version {
//!             cx.do_not_store();
//!         }
//!         Ok::<_, Infallible>(Some(page))
//!     })
//!     .build()?;
//!
//! // The primary is at version 2 already.
//! assert_eq!(*pages.get(&("news", 2)).await?, Some("peace"));
//! *replica.lock().unwrap() = (2, "rain");
//! assert_eq!(*pages.get(&("news", 2)).await?, Some("rain"));
//! # Ok(())
//! # }
//! ```
//!
//! What to know:
//!
//! - The version must change with every change, in the same transaction. A time does so only if it is
//!   finer than two writes can be apart; a counter always does.
//! - Read the version before the value, never after: a value that is newer than its key harms
//!   nobody, one that is older is kept.
//! - Each change leaves one dead entry behind. Memory has its [capacity](crate::Builder::capacity),
//!   and nobody asks for the dead. A shared store has none of its own: with one, set a ttl as above,
//!   and what is dead leaves it in a day.
//! - Not with the policy [`tiny-lfu`](crate::engine::Policy::TinyLfu): a new version was asked for less
//!   than the dead one that it would replace, and is refused at first.
//! - Whoever can choose the version can fill the cache. Take it from the database, not from the request.
