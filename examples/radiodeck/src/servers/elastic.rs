//! App servers that come and go with their load.
//!
//! One that comes is added to the balancer when it is ready. One that leaves is asked nothing new, answers what it has
//! begun, and is stopped then: nobody notices but [`Roll`]. It keeps nothing that anybody would miss.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use terrace_lb::membership::{EndpointStatus, Members};
use terrace_lb::{Balance, Endpoint, MembershipError};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::running::wanted;
use super::scaling::{Decision, Scaling};
use super::{AppServer, AppServers, Kept, Member, Range, Roll, Wanted};
use crate::launch::{self, DRAIN_LIMIT, DataDir};

/// How often the load is looked at.
const TICK: Duration = Duration::from_millis(100);

/// After a server that did not start.
const LATER: Duration = Duration::from_secs(2);

/// App servers whose number changes.
///
/// Dropping it kills them; [`stop`](Self::stop) lets them finish their requests.
#[derive(Debug)]
pub struct Scaled {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Scaled {
    /// Lets them finish their requests and waits for their end.
    pub async fn stop(mut self) {
        let _gone = self.stop.send(true);
        let _panicked = (&mut self.task).await;
    }
}

impl Drop for Scaled {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl AppServers {
    /// Lets their number follow the load of this balancer, which has them as its endpoints, made by `endpoint`.
    ///
    /// The list of them is kept in the data directory.
    #[must_use]
    pub fn scale<S, Req, C, R>(
        self,
        range: Range,
        data: &DataDir,
        balance: &Balance<S, Req, C, R>,
        endpoint: impl Fn(&AppServer) -> Result<Endpoint<S>, launch::Error> + Send + Sync + 'static,
    ) -> Scaled
    where
        S: Clone + Send + Sync + 'static,
        Balance<S, Req, C, R>: Clone + Send + Sync + 'static,
    {
        let data = data.path().to_owned();
        Wanted::forget(&data);
        let members = balance.members();
        let balance = balance.clone();
        let pool = Pool { members, status: Arc::new(move || balance.status()) };
        let endpoint = Box::new(endpoint);
        let elastic = Elastic { servers: self, leaving: Vec::new(), range, data, pool, endpoint };
        let (stop, stopped) = watch::channel(false);
        Scaled { stop, task: tokio::spawn(elastic.run(stopped)) }
    }
}

type MakeEndpoint<S> = dyn Fn(&AppServer) -> Result<Endpoint<S>, launch::Error> + Send + Sync;

struct Elastic<S> {
    servers: AppServers,
    leaving: Vec<AppServer>,
    range: Range,
    data: PathBuf,
    pool: Pool<S>,
    endpoint: Box<MakeEndpoint<S>>,
}

impl<S: Clone + Send + Sync + 'static> Elastic<S> {
    async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let begun = Instant::now();
        let mut scaling = Scaling::new(self.range);
        let mut known = None;
        let mut leaving = JoinSet::new();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = wanted(&mut stop) => break,
            }
            while let Some(gone) = leaving.try_join_next() {
                let gone: String = gone.unwrap_or_default();
                self.leaving.retain(|server| server.name() != gone);
            }
            let wish = Wanted::read(&self.data);
            self.note(wish, &mut known);
            let (now, serving) = (begun.elapsed(), self.serving());
            let decision = match wish {
                Wanted::Auto => scaling.decide(now, serving, self.in_flight()),
                Wanted::Fixed(count) => scaling.follow(now, serving, count.get()),
            };
            match decision {
                Decision::Stay => {}
                Decision::Add => tokio::select! {
                    () = self.add() => {}
                    () = wanted(&mut stop) => break,
                },
                Decision::Remove => self.remove(&mut leaving).await,
            }
        }
        let the_rest = async { while leaving.join_next().await.is_some() {} };
        tokio::join!(self.servers.stop(), the_rest);
    }

    fn serving(&self) -> u16 {
        u16::try_from(self.servers.running.len()).unwrap_or(u16::MAX)
    }

    /// Requests at work on those who take new ones.
    fn in_flight(&self) -> u32 {
        let status = (self.pool.status)();
        let serving = status.iter().filter(|endpoint| endpoint.weight > 0);
        serving.map(|endpoint| endpoint.in_flight).sum()
    }

    async fn add(&mut self) {
        let added = async {
            let kept = self.servers.start_another().await?;
            let endpoint = (self.endpoint)(&kept.server)?;
            self.pool.members.add(endpoint).await?;
            let server = kept.server.clone();
            self.servers.running.push(kept);
            Ok::<_, launch::Error>(server)
        };
        match added.await {
            Ok(server) => launch::say(&format!(
                "{} joins, pid {}: {} app servers",
                server.name(),
                server.pid(),
                self.serving()
            )),
            Err(error) => {
                launch::say(&format!("no further app server: {error}"));
                sleep(LATER).await;
            }
        }
    }

    /// The one that came last leaves.
    async fn remove(&mut self, leaving: &mut JoinSet<String>) {
        let Some(kept) = self.servers.running.pop() else { return };
        let server = kept.server.clone();
        launch::say(&format!("{} leaves: {} app servers", server.name(), self.serving()));
        self.leaving.push(server);
        let pool = self.pool.clone();
        leaving.spawn(async move { pool.let_go(kept).await });
    }

    /// Writes down who is there, if that is news.
    fn note(&self, wish: Wanted, known: &mut Option<Roll>) {
        let member = |server: &AppServer, leaving| {
            let name = server.name().to_owned();
            Member { name, pid: server.pid(), leaving }
        };
        let serving = self.servers.iter().map(|server| member(server, false));
        let leaving = self.leaving.iter().map(|server| member(server, true));
        let roll = Roll {
            serving: self.serving(),
            at_least: self.range.least().get(),
            at_most: self.range.most().get(),
            fixed: match wish {
                Wanted::Auto => None,
                Wanted::Fixed(count) => Some(count.get()),
            },
            members: serving.chain(leaving).collect(),
        };
        // If it cannot be written, nobody is worse off but the page that shows it.
        if known.as_ref() != Some(&roll) && roll.write(&self.data).is_ok() {
            *known = Some(roll);
        }
    }
}

/// What of a balancer is needed here.
struct Pool<S> {
    members: Members<S>,
    status: Arc<dyn Fn() -> Vec<EndpointStatus> + Send + Sync>,
}

impl<S> Clone for Pool<S> {
    fn clone(&self) -> Self {
        Self { members: self.members.clone(), status: Arc::clone(&self.status) }
    }
}

impl<S: Clone + Send + Sync + 'static> Pool<S> {
    /// Lets a server answer what it has begun, and stops it then.
    async fn let_go(&self, kept: Kept) -> String {
        let name = kept.server.name().to_owned();
        if let Err(error) = self.drain(&name).await {
            launch::say(&format!("{name} leaves without a farewell: {error}"));
        }
        kept.stop().await;
        launch::say(&format!("{name} has left"));
        name
    }

    async fn drain(&self, name: &str) -> Result<(), MembershipError> {
        self.members.weight(name, 0).await?;
        let busy = || {
            let status = (self.status)();
            status.iter().any(|endpoint| &*endpoint.name == name && endpoint.in_flight > 0)
        };
        let idle = async {
            while busy() {
                sleep(TICK / 5).await;
            }
        };
        // Whoever is cut off then has been at it for longer than the site lets anything take.
        let _in_vain = timeout(DRAIN_LIMIT, idle).await;
        self.members.remove(name).await
    }
}
