//! Parsers and writers of header fields.
//!
//! Each field has a module, and each parser has one promise: any bytes go in, and what comes out is
//! either what the field means or a value that says that it means nothing (`None`, `Invalid`).
//! Nothing panics and nothing fails loudly: what to do about a broken field is a decision, and those
//! are made in one place, not here. Where a choice remains between two readings, the one that serves
//! less from the cache is taken; each module says where.
//!
//! Values are read as bytes: a header may carry text that is not UTF-8, and a cache that drops it
//! changes other people's responses. All parsers take every line of a field, as
//! [`HeaderMap::get_all`](http::HeaderMap::get_all) gives them: whoever reads only the first line
//! serves the wrong variant.
//!
//! ```
//! use http::{HeaderMap, HeaderValue, header::CACHE_CONTROL};
//! use terrace_cdn_edge::field::directives::{ResponseDirectives, Seconds};
//!
//! let mut headers = HeaderMap::new();
//! headers.append(CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
//! headers.append(CACHE_CONTROL, HeaderValue::from_static("stale-if-error=600"));
//!
//! let directives = ResponseDirectives::parse(headers.get_all(CACHE_CONTROL));
//! assert!(directives.public);
//! assert_eq!(directives.max_age, Seconds::Valid(60));
//! assert_eq!(directives.stale_if_error, Some(600));
//! ```

pub mod age;
pub mod cache_status;
pub mod cdn_loop;
pub mod connection;
pub mod date;
pub mod delta;
pub mod directives;
pub mod etag;
pub mod groups;
pub mod list;
pub mod no_vary_search;
pub mod range;
mod structured;
pub mod tags;
pub mod targeted;
pub mod vary;

#[cfg(test)]
mod testing;
