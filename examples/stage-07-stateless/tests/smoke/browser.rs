//! Somebody who keeps the cookies that they are given.

use std::collections::BTreeMap;
use std::io;

use crate::client::{Answer, ask, post};

#[derive(Clone, Default)]
pub(crate) struct Browser {
    cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(crate) fn headers(&self) -> String {
        if self.cookies.is_empty() {
            return String::new();
        }
        let pairs: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("cookie: {}\r\n", pairs.join("; "))
    }

    /// The session's cookie.
    pub(crate) fn session(&self) -> Option<&str> {
        self.cookies.get("id").map(String::as_str)
    }

    pub(crate) async fn ask(
        &mut self,
        address: &str,
        method: &str,
        path: &str,
        headers: &str,
    ) -> io::Result<Answer> {
        let headers = format!("{headers}{}", self.headers());
        let answer = ask(address, method, path, &headers).await?;
        self.keep(&answer);
        Ok(answer)
    }

    pub(crate) async fn get(&mut self, address: &str, path: &str) -> Answer {
        self.ask(address, "GET", path, "").await.unwrap()
    }

    pub(crate) async fn post(&mut self, address: &str, path: &str, form: &str) -> Answer {
        let answer = post(address, path, &self.headers(), form).await.unwrap();
        self.keep(&answer);
        answer
    }

    pub(crate) async fn sign_in(&mut self, address: &str, listener: u32) {
        let answer = self.post(address, "/sign-in", &format!("listener={listener}")).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        assert!(self.session().is_some(), "{}", answer.text);
    }

    /// Who the site says this is, and which app server says it.
    pub(crate) async fn who(&mut self, address: &str) -> io::Result<(Option<u32>, String)> {
        let answer = self.ask(address, "GET", "/whoami", "").await?;
        if answer.status != 200 {
            return Err(io::Error::other(answer.text));
        }
        let listener = answer.text.contains("\"listener\":null");
        let listener = (!listener).then(|| answer.number("listener"));
        Ok((listener, answer.header("x-served-by").unwrap_or_default().to_owned()))
    }

    fn keep(&mut self, answer: &Answer) {
        for (name, value) in answer.cookies() {
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}
