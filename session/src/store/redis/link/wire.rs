//! One server or a cluster, as the client library has them.

use std::time::Duration;

use ::redis::aio::{ConnectionLike, MultiplexedConnection};
use ::redis::cluster::ClusterClient;
use ::redis::cluster_async::ClusterConnection;
use ::redis::cluster_routing::SingleNodeRoutingInfo;
use ::redis::io::tcp::TcpSettings;
use ::redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, IntoConnectionInfo, Pipeline, ProtocolVersion,
    PushInfo, PushKind, RedisError, Value,
};
use tokio::time::timeout;

/// What to connect to.
pub(in super::super) enum Target {
    Server(Box<Client>),
    Cluster(Box<ClusterClient>),
}

#[derive(Clone)]
pub(super) enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Target {
    /// One server.
    ///
    /// By RESP3, because only with it the library tells that a connection broke at the moment it does.
    pub(in super::super) fn server(url: &str) -> Result<Self, RedisError> {
        let info = url.into_connection_info()?;
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let tcp = TcpSettings::default().set_nodelay(true);
        let client = Client::open(info.set_redis_settings(settings).set_tcp_settings(tcp))?;
        if is_tls(client.get_connection_info().addr()) {
            provide_crypto();
        }
        Ok(Self::Server(Box::new(client)))
    }

    /// A cluster, from some of its nodes.
    pub(in super::super) fn cluster(urls: &[String], limit: Duration) -> Result<Self, RedisError> {
        let infos = urls.iter().map(|url| url.as_str().into_connection_info());
        let infos = infos.collect::<Result<Vec<_>, _>>()?;
        if infos.iter().any(|info| is_tls(info.addr())) {
            provide_crypto();
        }
        let client = ClusterClient::builder(infos)
            // What was lost on the way may have been done: see the module above.
            .retries(0)
            .connection_timeout(limit)
            .response_timeout(limit)
            .overall_response_timeout(Some(limit))
            .tcp_settings(TcpSettings::default().set_nodelay(true))
            .build()?;
        Ok(Self::Cluster(Box::new(client)))
    }

    pub(in super::super) fn is_one_server(&self) -> bool {
        matches!(self, Self::Server(_))
    }

    /// Connects within `limit`. `lost` is called when the connection breaks, if that can be told.
    pub(super) async fn connect(
        &self,
        limit: Duration,
        lost: impl Fn() + Send + Sync + 'static,
    ) -> Result<Connection, RedisError> {
        let connecting = async {
            match self {
                Self::Server(client) => {
                    let told = move |push: PushInfo| {
                        if push.kind == PushKind::Disconnection {
                            lost();
                        }
                        Ok::<_, ::redis::aio::SendError>(())
                    };
                    let config = AsyncConnectionConfig::new()
                        .set_connection_timeout(Some(limit))
                        .set_response_timeout(Some(limit))
                        .set_push_sender(told);
                    let made = client.get_multiplexed_async_connection_with_config(&config).await?;
                    Ok(Connection::Server(made))
                }
                Self::Cluster(client) => {
                    Ok(Connection::Cluster(client.get_async_connection().await?))
                }
            }
        };
        let late = |elapsed| RedisError::from(std::io::Error::from(elapsed));
        timeout(limit, connecting).await.map_err(late)?
    }
}

impl Connection {
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    pub(super) async fn send(&mut self, command: &Cmd) -> Result<Value, RedisError> {
        match self {
            Self::Server(server) => server.req_packed_command(command).await,
            Self::Cluster(cluster) => cluster.req_packed_command(command).await,
        }?
        .extract_error()
    }

    /// Sends to a node that is just taking the slot over.
    pub(super) async fn send_to(&mut self, node: &str, command: &Cmd) -> Result<Value, RedisError> {
        let unreadable =
            || RedisError::from((ErrorKind::Client, "a redirection without an address"));
        let Self::Cluster(cluster) = self else { return Err(unreadable()) };
        let (host, port) = node.rsplit_once(':').ok_or_else(unreadable)?;
        let port = port.parse().map_err(|_| unreadable())?;
        let route = SingleNodeRoutingInfo::ByAddress { host: host.to_owned(), port };
        let mut both = Pipeline::new();
        both.cmd("ASKING").add_command(command.clone());
        let answers = cluster.route_pipeline(both, 0, 2, route).await?;
        answers.into_iter().nth(1).unwrap_or_default().extract_error()
    }
}

fn is_tls(addr: &::redis::ConnectionAddr) -> bool {
    matches!(addr, ::redis::ConnectionAddr::TcpTls { .. })
}

/// rustls panics where it has to choose between several providers, or has none.
#[cfg(feature = "tls-rustls")]
fn provide_crypto() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error means that another thread was faster.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

#[cfg(not(feature = "tls-rustls"))]
fn provide_crypto() {}
