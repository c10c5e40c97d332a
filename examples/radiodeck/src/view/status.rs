//! The page for whoever looks after the site.

use super::markup::{Markup, html};
use super::parts::thousands;
use crate::api::Status;
use crate::edge::EdgeState;
use crate::http::visit::{Show, Site};
use crate::servers::{Member, Roll};
use crate::storage::{Nodes, Saved};

impl Show for Status {
    const NAME: &'static str = "status";

    fn page(&self, _: &Site<'_>) -> (String, Markup) {
        let Nodes { reads, nodes } = &self.database;
        let app = self.app.as_deref().map(|app| html!("<p>This page comes from " (app) ".</p>"));
        let rows: Vec<_> = nodes
            .iter()
            .map(|node| {
                let answers = reads.as_ref() == Some(&node.name);
                let lag = node.lag_ms.map(|lag| format!("at most {lag} ms behind"));
                html!(
                    "<tr><td>" (node.name) "</td><td>"
                    "<span class=\"title\">" (node.state) "</span> <span class=\"artist\">"
                    (if answers { "answers this page " } else { "" }) (node.error.as_deref().unwrap_or(""))
                    "</span></td><td>" (lag) "</td><td>" (node.position.as_deref().unwrap_or("")) "</td></tr>"
                )
            })
            .collect();
        let database = if nodes.is_empty() {
            html!("<p>The database is in one place.</p>")
        } else {
            html!("<table class=\"tracks\"><tbody>" (rows) "</tbody></table>")
        };
        let servers = self.servers.as_ref().map(app_servers);
        let cache = self.cache.as_ref().map(saved);
        let edge = self.edge.as_ref().map(at_the_edge);
        let main = html!(
            "<div class=\"heading\"><h1>Status</h1>" (app) "</div>" (database) (servers) (cache) (edge)
        );
        ("Status".to_owned(), main)
    }
}

/// Which app servers there are, in the form of the other tables.
fn app_servers(roll: &Roll) -> Markup {
    let rows: Vec<_> = roll
        .members
        .iter()
        .map(|server| {
            let state = match server {
                Member { leaving: true, .. } => "answers its last requests",
                Member { pid: 0, .. } => "is started again",
                Member { .. } => "serves",
            };
            html!(
                "<tr><td>" (server.name) "</td><td>" (state) "</td><td>pid " (server.pid) "</td></tr>"
            )
        })
        .collect();
    let least = roll.at_least;
    let range = if let Some(fixed) = roll.fixed {
        html!((fixed) " wanted by the operator")
    } else if least == roll.at_most {
        html!((least) " wanted")
    } else {
        html!("by their load, from " (least) " to " (roll.at_most))
    };
    html!(
        "<div class=\"heading after\"><h2>App servers</h2><p>" (roll.serving) " serving, " (range)
        "</p></div><table class=\"tracks\"><tbody>" (rows) "</tbody></table>"
    )
}

/// What a cache has saved, as a table in the form of the one for nodes.
fn saved(saved: &Saved) -> Markup {
    let number = |number: u64| thousands(i64::try_from(number).unwrap_or(i64::MAX));
    let per_mille = saved.per_mille();
    let row = |from: &'static str, answered: u64| {
        (answered > 0).then(|| html!("<tr><td>" (number(answered)) "</td><td>" (from) "</td></tr>"))
    };
    let servers: Vec<_> = saved
        .servers
        .iter()
        .map(|server| {
            let state = if server.answering { "answers" } else { "does not answer" };
            html!("<tr><td>" (server.name) "</td><td>" (state) "</td></tr>")
        })
        .collect();
    let servers = (!servers.is_empty()).then(|| {
        html!(
            "<div class=\"heading after\"><h2>Cache servers</h2></div>\
             <table class=\"tracks named\"><tbody>" (servers) "</tbody></table>"
        )
    });
    html!(
        "<div class=\"heading after\"><h2>Cache</h2><p>" (number(saved.questions)) " questions, "
        (number(saved.queries)) " queries: " (per_mille / 10) "." (per_mille % 10) " % saved</p></div>\
         <table class=\"tracks named\"><tbody>"
        (row("answered from this app server's memory", saved.memory))
        (row("answered by a cache server", saved.shared))
        (row("waited for a query that was under way", saved.waited))
        (row("asked the database", saved.database))
        "</tbody></table>" (servers)
    )
}

/// What an edge has saved, in the same form.
fn at_the_edge(edge: &EdgeState) -> Markup {
    let heading =
        |text: Markup| html!("<div class=\"heading after\"><h2>Edge</h2><p>" (text) "</p></div>");
    let Some(counts) = &edge.counts else {
        return heading(html!("It does not answer: pictures come from here."));
    };
    let number = |number: u64| thousands(i64::try_from(number).unwrap_or(i64::MAX));
    let row = |number: String, what: &'static str| html!("<tr><td>" (number) "</td><td>" (what) "</td></tr>");
    let per_mille = counts.hits_per_mille;
    let rows = [
        row(number(counts.hits), "answered without the site"),
        row(number(counts.misses), "passed on to the site"),
        row(number(counts.objects), "objects in memory"),
        row(number(counts.bytes), "bytes that they take"),
        row(number(counts.saved_bytes), "bytes that the site did not have to send"),
        row(number(counts.origin_bytes), "bytes that it sent to be kept"),
    ];
    html!(
        (heading(html!((number(counts.hits + counts.misses)) " answers: " (per_mille / 10) "."
            (per_mille % 10) " % hits")))
        "<table class=\"tracks named\"><tbody>" (rows.to_vec()) "</tbody></table>"
    )
}
