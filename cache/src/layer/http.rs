//! What HTTP requests and responses say about sharing.

use http::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, PROXY_AUTHORIZATION, SET_COOKIE, VARY};
use http::{HeaderMap, Method, Request, Response, StatusCode};

use super::{Keep, Shareable, Sharing};

/// `GET` without credentials is for anyone, with them for its principal; every other method is for
/// nobody. A response is kept if it is a whole success that speaks of no single client.
impl<B, C> Shareable<Response<C>> for Request<B> {
    fn sharing(&self) -> Sharing {
        // A HEAD has a response without its body: under a key that forgets the method, the next GET
        // would get that.
        if self.method() != Method::GET {
            return Sharing::Nobody;
        }
        let credentials = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE];
        match credentials.iter().any(|name| self.headers().contains_key(name)) {
            true => Sharing::Principal,
            false => Sharing::Anyone,
        }
    }

    fn keep(response: &Response<C>) -> Keep {
        let status = response.status();
        // A part is what one client asked for.
        let whole = status.is_success() && status != StatusCode::PARTIAL_CONTENT;
        let headers = response.headers();
        // What it varies by the key may not name.
        let personal = headers.contains_key(SET_COOKIE) || headers.contains_key(VARY);
        match whole && !personal && !forbids(headers) {
            true => Keep::Store,
            false => Keep::DoNotStore,
        }
    }
}

/// Whether a `Cache-Control` speaks against keeping the response. `private="name"` counts as
/// `private`: too careful is the safe side.
fn forbids(headers: &HeaderMap) -> bool {
    let words = headers.get_all(CACHE_CONTROL).iter().flat_map(|value| {
        value.as_bytes().split(|byte| matches!(byte, b',' | b'=' | b' ' | b'\t' | b';' | b'"'))
    });
    let against: [&[u8]; 3] = [b"no-store", b"private", b"no-cache"];
    words.into_iter().any(|word| against.iter().any(|other| word.eq_ignore_ascii_case(other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sharing(method: &str, header: Option<&str>) -> Sharing {
        let mut request = Request::builder().method(method);
        if let Some(header) = header {
            request = request.header(header, "x");
        }
        Shareable::<Response<()>>::sharing(&request.body(()).unwrap())
    }

    fn keep(status: u16, headers: &[(&str, &str)]) -> Keep {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        <Request<()> as Shareable<_>>::keep(&response.body(()).unwrap())
    }

    #[test]
    fn a_get_is_for_anyone_and_one_with_credentials_for_its_principal() {
        assert_eq!(sharing("GET", None), Sharing::Anyone);
        assert_eq!(sharing("GET", Some("accept")), Sharing::Anyone);
        for header in ["authorization", "Proxy-Authorization", "cookie"] {
            assert_eq!(sharing("GET", Some(header)), Sharing::Principal, "{header}");
        }
    }

    #[test]
    fn every_other_method_is_for_nobody() {
        for method in ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "get", "X"] {
            assert_eq!(sharing(method, None), Sharing::Nobody, "{method}");
        }
    }

    #[test]
    fn a_whole_success_is_kept_and_no_other_status() {
        for status in 100..=999 {
            let kept = (200..300).contains(&status) && status != 206;
            assert_eq!(keep(status, &[]) == Keep::Store, kept, "{status}");
        }
    }

    #[test]
    fn a_response_that_speaks_of_one_client_is_not_kept() {
        let against = [
            ("set-cookie", "id=7"),
            ("vary", "accept-language"),
            ("cache-control", "no-store"),
            ("cache-control", "max-age=60, Private"),
            ("cache-control", "private=\"set-cookie\""),
            ("cache-control", "no-cache,max-age=0"),
        ];
        for header in against {
            assert_eq!(keep(200, &[header]), Keep::DoNotStore, "{header:?}");
        }
        let twice = [("cache-control", "public"), ("cache-control", "no-store")];
        assert_eq!(keep(200, &twice), Keep::DoNotStore);
        for value in ["public, max-age=60", "privateer", "", "\u{e9}"] {
            assert_eq!(keep(200, &[("cache-control", value)]), Keep::Store, "{value:?}");
        }
    }
}
