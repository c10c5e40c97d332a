//! Protocol upgrades: a tunnel of bytes, once both ends have agreed.
//!
//! A proxy that starts to pass bytes when the client asks, before the endpoint has said yes, lets
//! the client smuggle requests past it (pingora's CVE-2026-2833). Here nothing passes before the
//! endpoint's 101 with the very protocol that the client asked for and that the operator allows.

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use crate::completion::TunnelLease;

/// An upgrade that the client asked for and the proxy passed on.
pub(super) struct Asked {
    protocol: HeaderValue,
    client: OnUpgrade,
}

impl Asked {
    /// Takes over the client's wish if it is one that may be passed on, and writes it into the
    /// cleaned head again. What is not passed on is simply not there: the request goes on as the
    /// plain one it also is.
    pub(super) fn take<B>(
        request: &mut Request<B>,
        protocol: Option<HeaderValue>,
        allowed: &[String],
    ) -> Option<Self> {
        let protocol = protocol?;
        let known =
            allowed.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(protocol.as_bytes()));
        if !known || request.method() != Method::GET || request.version() != Version::HTTP_11 {
            return None;
        }
        let client = request.extensions_mut().remove::<OnUpgrade>()?;
        write_upgrade(request.headers_mut(), protocol.clone());
        Some(Self { protocol, client })
    }

    /// Starts the tunnel if the endpoint agreed to this protocol; tells whether it did.
    pub(super) fn accept<B>(
        self,
        response: &mut Response<B>,
        protocol: Option<HeaderValue>,
    ) -> bool {
        let agreed = protocol
            .is_some_and(|said| said.as_bytes().eq_ignore_ascii_case(self.protocol.as_bytes()));
        if !agreed {
            return false;
        }
        let Some(endpoint) = response.extensions_mut().remove::<OnUpgrade>() else {
            return false;
        };
        let lease = response.extensions_mut().remove::<TunnelLease>();
        write_upgrade(response.headers_mut(), self.protocol);
        tokio::spawn(tunnel(self.client, endpoint, lease));
        true
    }
}

fn write_upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, protocol);
}

pub(super) fn is_switch<B>(response: &Response<B>) -> bool {
    response.status() == StatusCode::SWITCHING_PROTOCOLS
}

/// Copies bytes both ways until both directions have closed. The endpoint's lease lives as long.
///
/// It needs no timeout of its own: it ends when either socket fails, and `serve` cuts the client's
/// at the end of a drain.
async fn tunnel(client: OnUpgrade, endpoint: OnUpgrade, lease: Option<TunnelLease>) {
    let (Ok(client), Ok(endpoint)) = tokio::join!(client, endpoint) else {
        return;
    };
    let (mut client, mut endpoint) = (TokioIo::new(client), TokioIo::new(endpoint));
    // How a tunnel ends is between its ends: an error here is one of them hanging up.
    let _ = tokio::io::copy_bidirectional(&mut client, &mut endpoint).await;
    drop(lease);
}
