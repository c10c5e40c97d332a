//! One page for each answer of [`crate::api`].

use super::markup::{Markup, html};
use super::parts::{
    clock, count, dial, grid, heart, length, list_address, pager, picture, progress, static_noise,
    thousands,
};
use crate::api::{
    AirView, Favourites, Home, ListenerView, OnAir, Programme, SignIn, StationDetail, StationList,
    TrackDetail,
};
use crate::http::visit::{Show, Site};
use crate::model::Genre;

impl Show for Home {
    const NAME: &'static str = "radiodeck";

    fn page(&self, site: &Site<'_>) -> (String, Markup) {
        let main = html!(
            "<section class=\"hero\"><h1>" (thousands(self.total)) " small stations,<br>one dial.</h1>\
             <p>Independent radio from kitchens, cellars and rooftops. Tune in to what people play for \
             each other.</p>" (dial(&self.stations)) "</section>"
            (genres(None, None, false))
            "<div class=\"heading\"><h2>Most kept</h2><a href=\"/stations\">All stations</a></div>"
            (grid(&self.stations, site))
        );
        ("Small stations, one dial".to_owned(), main)
    }
}

impl Show for StationList {
    const NAME: &'static str = "list";

    fn page(&self, site: &Site<'_>) -> (String, Markup) {
        let filter = &self.filter;
        let genre = filter.genre.map(Genre::slug);
        let title = match (&filter.search, filter.genre) {
            (Some(search), _) => format!("“{search}”"),
            (None, Some(genre)) => genre.name().to_owned(),
            (None, None) => "Stations".to_owned(),
        };
        let sort = |by_name: bool, text: &'static str| {
            let mut address = list_address(filter.search.as_deref(), genre, by_name);
            address.push('1');
            let current = (by_name == filter.by_name).then(|| html!(" aria-current=\"true\""));
            html!("<a href=\"" (address) "\"" (current) ">" (text) "</a>")
        };
        let address = list_address(filter.search.as_deref(), genre, filter.by_name);
        let content = if self.stations.is_empty() {
            nothing(
                "Nothing on this frequency",
                if self.total > 0 {
                    "The list ends before this page."
                } else {
                    "No station matches. Try a shorter word, a city, or another genre."
                },
                "All stations",
            )
        } else {
            grid(&self.stations, site)
        };
        let content = html!((content)(pager(self.page, self.pages, &address)));
        let main = html!(
            "<div class=\"heading\"><h1>" (title) "</h1><p>" (count(self.total, "station", "stations"))
            "</p><p class=\"sort\">" (sort(false, "Most kept")) (sort(true, "A to Z")) "</p></div>"
            (genres(filter.genre, filter.search.as_deref(), filter.by_name)) (content)
        );
        (title, main)
    }
}

impl Show for StationDetail {
    const NAME: &'static str = "station";

    fn page(&self, site: &Site<'_>) -> (String, Markup) {
        let station = &self.station;
        let air = station.now.as_ref().map(|air| {
            html!(
                "<div class=\"onair\" data-next=\"" (air.ends) "\"><p class=\"live\">On air</p>\
                 <p class=\"title\">" (air.track.title) "</p><p class=\"artist\">" (air.track.artist)
                " · <i>" (air.track.album) "</i></p>" (progress(air, site.now))
                "<p class=\"fine\">" (clock(air.started)) " to " (clock(air.ends)) "</p></div>"
            )
        });
        let silence =
            station.now.is_none().then(|| html!("<p class=\"onair\">Off air right now.</p>"));
        let main = html!(
            "<section class=\"station\">" (picture(station, 400, site.pictures)) "<div>\
             <p class=\"place\"><a href=\"/stations?genre=" (station.genre.slug()) "\">"
            (station.genre.name()) "</a> · " (station.city) ", " (station.country) "</p>\
             <h1>" (station.name) " <span class=\"dial\">" (station.frequency) "</span></h1>\
             <p class=\"tagline\">" (station.tagline) "</p>" (air) (silence)
            (heart(station)) "</div></section>"
            (coming_up(&self.next))
        );
        (station.name.clone(), main)
    }
}

impl Show for Programme {
    const NAME: &'static str = "programme";

    fn page(&self, _: &Site<'_>) -> (String, Markup) {
        let rows: Vec<_> = self
            .tracks
            .iter()
            .map(|track| {
                html!(
                    "<tr><td><a href=\"/tracks/" (track.id.get()) "\">" (track.title) "</a></td><td>"
                    (track.artist) "</td><td>" (length(track.seconds)) "</td></tr>"
                )
            })
            .collect();
        let main = html!(
            "<div class=\"heading\"><h1>" (self.station.name) "</h1><p>"
            (count(self.tracks.len() as i64, "track", "tracks")) "</p></div>\
             <table class=\"tracks\"><tbody>" (rows) "</tbody></table>"
        );
        (format!("{}: all tracks", self.station.name), main)
    }
}

impl Show for OnAir {
    const NAME: &'static str = "air";

    fn page(&self, site: &Site<'_>) -> (String, Markup) {
        let track = &self.now.track;
        let main = html!(
            "<section class=\"empty\"><p class=\"live\">On air</p><h1>" (track.title) "</h1><p>"
            (track.artist) "</p>" (progress(&self.now, site.now)) "<a class=\"button\" href=\"/stations/"
            (self.station.get()) "\">To the station</a></section>"
        );
        (track.title.clone(), main)
    }
}

impl Show for TrackDetail {
    const NAME: &'static str = "track";

    fn page(&self, _: &Site<'_>) -> (String, Markup) {
        let track = &self.track;
        let main = html!(
            "<section class=\"empty\"><p class=\"place\">Track</p><h1>" (track.title) "</h1><p>"
            (track.artist) " · <i>" (track.album) "</i> · " (length(track.seconds)) "</p>\
             <a class=\"button\" href=\"/stations/" (track.station.get()) "\">To its station</a></section>"
        );
        (track.title.clone(), main)
    }
}

impl Show for Favourites {
    const NAME: &'static str = "favourites";

    fn page(&self, site: &Site<'_>) -> (String, Markup) {
        let content = if self.stations.is_empty() {
            nothing(
                "No favourites here",
                "Press the heart on a station and it stays with you.",
                "Browse stations",
            )
        } else {
            grid(&self.stations, site)
        };
        let content = html!((content)(pager(self.page, self.pages, "/favourites?page=")));
        let hint = (self.on_shelf && self.total > 0).then(|| {
            html!(
                "<p class=\"note\">These are kept in this browser. \
                 <a href=\"/sign-in?next=%2Ffavourites\">Sign in</a> and they are yours everywhere.</p>"
            )
        });
        let main = html!(
            "<div class=\"heading\"><h1>Favourites</h1><p>" (count(self.total, "station", "stations"))
            "</p></div>" (hint) (content)
        );
        ("Favourites".to_owned(), main)
    }
}

impl Show for ListenerView {
    const NAME: &'static str = "listener";

    fn page(&self, _: &Site<'_>) -> (String, Markup) {
        let main = html!(
            "<section class=\"empty\"><p class=\"place\">Listener</p><h1>" (self.name) "</h1><p>"
            (self.handle) "</p></section>"
        );
        (self.name.clone(), main)
    }
}

impl Show for SignIn {
    const NAME: &'static str = "sign-in";

    fn page(&self, _: &Site<'_>) -> (String, Markup) {
        let main = html!(
            "<section class=\"empty\"><h1>Who is listening?</h1>\
             <p>Every listener has a number. Any of the first 12,000 will do: this is a demonstration, \
             and there is no password.</p>\
             <form class=\"sign-in\" method=\"post\" action=\"/sign-in\">\
             <input type=\"hidden\" name=\"next\" value=\"" (self.next) "\">\
             <label for=\"listener\">Listener number</label>\
             <input id=\"listener\" name=\"listener\" type=\"number\" min=\"1\" value=\"7\" required>\
             <button class=\"button\">Sign in</button></form></section>"
        );
        ("Sign in".to_owned(), main)
    }
}

fn nothing(title: &'static str, advice: &'static str, button: &'static str) -> Markup {
    html!(
        "<section class=\"empty\">" (static_noise()) "<h2>" (title) "</h2><p>" (advice) "</p>\
         <a class=\"button\" href=\"/stations\">" (button) "</a></section>"
    )
}

fn genres(chosen: Option<Genre>, search: Option<&str>, by_name: bool) -> Markup {
    let chip = |genre: Option<Genre>, text: &'static str| {
        let mut address = list_address(search, genre.map(Genre::slug), by_name);
        address.push('1');
        let current = (genre == chosen).then(|| html!(" aria-current=\"true\""));
        html!("<a href=\"" (address) "\"" (current) ">" (text) "</a>")
    };
    let chips: Vec<_> = Genre::all().map(|genre| chip(Some(genre), genre.name())).collect();
    let all = chosen.map(|_| chip(None, "All"));
    html!("<nav class=\"chips\" aria-label=\"Genres\">" (all) (chips) "</nav>")
}

fn coming_up(next: &[AirView]) -> Markup {
    if next.is_empty() {
        return Markup::default();
    }
    let rows: Vec<_> = next
        .iter()
        .map(|air| {
            html!(
                "<tr><td>" (clock(air.started)) "</td><td><span class=\"title\">" (air.track.title)
                "</span> <span class=\"artist\">" (air.track.artist) "</span></td><td>"
                (length(air.track.seconds)) "</td></tr>"
            )
        })
        .collect();
    html!(
        "<div class=\"heading\"><h2>Coming up</h2></div><table class=\"tracks\"><tbody>" (rows)
        "</tbody></table>"
    )
}
