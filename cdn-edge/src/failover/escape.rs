//! Paths in URLs, and URLs in HTML.

use std::fmt::Write;

/// Appends a path, with its query and fragment, so that it stays a path on this host.
///
/// Whatever may not stand in a URL is percent-encoded, what is encoded already stays. Browsers drop
/// tabs and line breaks, take `\` for `/`, and read what begins with two slashes as another host: so
/// there is one at the beginning, whatever there was, and none of the others is left.
pub(super) fn push_path(url: &mut String, path: &str) {
    url.push('/');
    for byte in path.trim_start_matches(['/', '\\']).bytes() {
        match byte {
            b'"'
            | b'<'
            | b'>'
            | b'\\'
            | b'^'
            | b'`'
            | b'{'
            | b'|'
            | b'}'
            | b'\''
            | 0..=b' '
            | 0x7f.. => {
                // Writing to a string does not fail.
                let _ = write!(url, "%{byte:02X}");
            }
            _ => url.push(char::from(byte)),
        }
    }
}

/// Appends a text as it stands in an attribute between double quotes.
pub(super) fn push_attribute(html: &mut String, text: &str) {
    for char in text.chars() {
        match char {
            '&' => html.push_str("&amp;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            other => html.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Uri;
    use proptest::prelude::*;

    use super::*;

    fn path(path: &str) -> String {
        let mut url = String::new();
        push_path(&mut url, path);
        url
    }

    #[test]
    fn a_path_stays_as_it_is_if_it_may() {
        for plain in ["/static/app.css?v=3", "/a%20b.png", "/sprite.svg#icon", "/a;b@c:d(e)!$&*+,="]
        {
            assert_eq!(path(plain), plain);
        }
        assert_eq!(path("no/slash.png"), "/no/slash.png");
        assert_eq!(path(""), "/");
        assert_eq!(path("/cover ü.png"), "/cover%20%C3%BC.png");
    }

    /// Whether some browser reads this, in a page of this host, as a URL of another one.
    fn leaves(url: &str) -> bool {
        let read = url.replace(['\t', '\r', '\n'], "").replace('\\', "/");
        !read.starts_with('/') || read.starts_with("//")
    }

    #[test]
    fn a_path_cannot_become_another_host() {
        for evil in [
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n\\evil",
        ] {
            // The control: as it is, it would.
            assert!(leaves(evil), "{evil:?}");
            assert!(!leaves(&path(evil)), "{evil:?}");
        }
    }

    /// What a browser makes of the value of an attribute.
    fn read_attribute(html: &str) -> String {
        // The ampersand last: it must not make new ones.
        let html = html.replace("&quot;", "\"").replace("&#39;", "'");
        html.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    }

    proptest! {
        #[test]
        fn any_text_makes_a_path_of_a_uri_on_this_host(text in any::<String>()) {
            let path = path(&text);
            prop_assert!(path.bytes().all(|byte| (0x21..0x7f).contains(&byte)));
            prop_assert!(!leaves(&path));
            let uri: Uri = format!("https://host{path}").parse().unwrap();
            prop_assert_eq!(uri.host(), Some("host"));
        }

        #[test]
        fn encoding_a_path_twice_changes_nothing(text in any::<String>()) {
            let once = path(&text);
            prop_assert_eq!(path(&once), once);
        }

        #[test]
        fn a_text_in_an_attribute_cannot_end_it_and_is_read_as_it_was(text in any::<String>()) {
            let mut html = String::new();
            push_attribute(&mut html, &text);
            prop_assert!(!html.contains(['"', '\'', '<', '>']));
            prop_assert_eq!(read_attribute(&html), text);
        }
    }
}
