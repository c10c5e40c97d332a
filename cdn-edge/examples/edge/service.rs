//! What answers behind the listener: everything that the command line says, put together.

use std::convert::Infallible;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use terrace_cdn_edge::admin::Control;
use terrace_cdn_edge::origin::{
    BreakerSettings, CapSettings, Client, Guard, Phases, ServerErrors, TimedLayer,
};
use terrace_cdn_edge::{EdgeBody, EdgeLayer, Profile};
use tower::{Layer, Service, service_fn};

use super::{AnyError, Args};

/// The edge in front of the origin, and what operators have of it.
pub(crate) fn service(
    args: &Args,
) -> Result<
    (
        impl Service<Request<Incoming>, Response = Response<EdgeBody>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
        impl Control,
    ),
    AnyError,
> {
    let profile = match args.profile {
        super::Profile::Default => Profile::Secure,
        super::Profile::Rfc => Profile::Rfc,
    };
    let layer =
        EdgeLayer::builder().profile(profile).memory(u64::from(args.memory_mib) << 20).build()?;
    let client = Client::to(&args.origin).map_err(|error| format!("--origin: {error}"))?;
    // Of one origin, an answer is an answer; only one that hardly answers any more counts as down.
    let breaker = BreakerSettings::default().failures(100).ratio(0.9, 100, Duration::from_secs(10));
    let guard = Guard::new(breaker, CapSettings::default())?.server_errors(ServerErrors::none());
    let origin = guard.layer(TimedLayer::new(Phases::default())?.layer(client));
    let edge = layer.layer(origin);
    // There is one origin, whatever the host.
    let control = edge.control::<Incoming>().with_any_host();
    let answered = service_fn(move |request: Request<Incoming>| {
        // An edge is always ready.
        let answer = edge.clone().call(request);
        async move { Ok(answer.await.unwrap_or_else(|_| plain(StatusCode::BAD_GATEWAY))) }
    });
    Ok((answered, control))
}

fn plain(status: StatusCode) -> Response<EdgeBody> {
    let mut response = Response::new(EdgeBody::from(format!("{status}\n")));
    *response.status_mut() = status;
    response
}
