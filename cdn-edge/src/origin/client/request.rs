//! The request as it goes out. Pure.

use http::header::HOST;
use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderMap, Method, Uri, Version};

use crate::origin::OriginError;
use crate::origin::rule::{Rule, on};
use crate::origin::url::{OriginUrl, host_of};

/// Whose name the `Host` field of a request says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HostField {
    /// The one that the visitor asked for: the authority of the target, or else the field as it is,
    /// or else the origin's.
    #[default]
    Visitor,
    /// The origin's own.
    Origin,
}

/// Turns a visitor's request into one for the origin.
pub(super) fn direct(
    parts: &mut Parts,
    origin: &OriginUrl,
    host: HostField,
) -> Result<(), OriginError> {
    if parts.method == Method::CONNECT {
        return Err(OriginError::Request("CONNECT is not for origins".into()));
    }
    if parts.headers.get_all(HOST).iter().nth(1).is_some() {
        return Err(OriginError::Request("there is more than one Host field".into()));
    }
    let uri = origin.rewrite(&parts.uri);
    let uri =
        uri.ok_or_else(|| OriginError::Request("the target is no path, or too long".into()))?;
    set_host(&mut parts.headers, &parts.uri, origin, host);
    parts.uri = uri;
    parts.version = Version::HTTP_11;
    Ok(())
}

fn set_host(headers: &mut HeaderMap, target: &Uri, origin: &OriginUrl, host: HostField) {
    let own = match (host, target.authority()) {
        (HostField::Visitor, Some(asked)) => {
            host_of(asked, target.scheme().unwrap_or(&Scheme::HTTP))
        }
        (HostField::Visitor, None) if headers.contains_key(HOST) => return,
        (HostField::Origin, _) | (HostField::Visitor, None) => origin.host(),
    };
    if let Some(own) = own {
        headers.insert(HOST, own);
    }
}

/// What is needed to send a request again, if it may be.
pub(super) fn to_repeat(parts: &Parts, has_body: bool) -> Option<Parts> {
    let idempotent = parts.method.is_idempotent() || !on(Rule::OnlyIdempotent);
    (idempotent && !has_body).then(|| parts.clone())
}

#[cfg(test)]
mod tests {
    use http::Request;
    use proptest::prelude::*;

    use super::*;

    /// Target and host field of what goes out.
    fn sent(host: HostField, request: http::request::Builder) -> (String, String) {
        let origin = OriginUrl::parse("http://origin:81/base").unwrap();
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        direct(&mut parts, &origin, host).unwrap();
        assert_eq!(parts.version, Version::HTTP_11);
        let field = parts.headers.get(HOST).unwrap().to_str().unwrap().to_owned();
        (parts.uri.to_string(), field)
    }

    #[test]
    fn the_visitors_host_is_kept_unless_the_origins_is_wanted() {
        let own = || Request::get("/x").header(HOST, "shop.example");
        let at = "http://origin:81/base/x".to_owned();
        assert_eq!(sent(HostField::Visitor, own()), (at.clone(), "shop.example".into()));
        assert_eq!(sent(HostField::Origin, own()), (at.clone(), "origin:81".into()));
        assert_eq!(sent(HostField::Visitor, Request::get("/x")), (at, "origin:81".into()));
    }

    #[test]
    fn a_target_with_an_authority_is_worth_more_than_a_host_field() {
        let request = Request::get("https://shop.example:443/x").header(HOST, "other.example");
        let request = request.version(Version::HTTP_2);
        let expected = ("http://origin:81/base/x".to_owned(), "shop.example".to_owned());
        assert_eq!(sent(HostField::Visitor, request), expected);
    }

    #[test]
    fn what_cannot_be_sent_is_the_requests_fault() {
        let origin = OriginUrl::parse("http://origin").unwrap();
        for request in [
            Request::connect("other:443"),
            Request::get("/").header(HOST, "a").header(HOST, "b"),
            Request::get("other:443"),
        ] {
            let (mut parts, ()) = request.body(()).unwrap().into_parts();
            let error = direct(&mut parts, &origin, HostField::Visitor).unwrap_err();
            assert!(matches!(error, OriginError::Request(_)), "{error:?}");
        }
    }

    #[test]
    fn only_what_is_idempotent_and_has_no_body_is_repeated() {
        let repeats = |method: Method, has_body| {
            let (parts, ()) = Request::builder().method(method).body(()).unwrap().into_parts();
            to_repeat(&parts, has_body).is_some()
        };
        assert!(repeats(Method::GET, false) && repeats(Method::HEAD, false));
        assert!(!repeats(Method::POST, false) && !repeats(Method::PATCH, false));
        assert!(!repeats(Method::PUT, true));
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_the_origin_is_asked(
            target in "(https?://[a-z.]{1,9}(:[0-9]{1,4})?)?/[a-z0-9/?.%-]{0,20}",
        ) {
            let origin = OriginUrl::parse("http://origin:81").unwrap();
            let (mut parts, ()) = Request::get(target).body(()).unwrap().into_parts();
            direct(&mut parts, &origin, HostField::Visitor).unwrap();
            prop_assert_eq!(parts.uri.authority(), Some(origin.authority()));
        }
    }
}
