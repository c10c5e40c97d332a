//! Pieces that several pages share.

use super::markup::{Markup, html};
use super::pictures::Pictures;
use crate::api::{AirView, StationView};
use crate::cover;
use crate::http::params::encode;
use crate::http::visit::Site;

/// 2400 as `2,400`.
pub(super) fn thousands(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::from(if number < 0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// 205 seconds as `3:25`.
pub(super) fn length(seconds: i64) -> String {
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// The time of day, in UTC until the page's script knows better.
pub(super) fn clock(at: i64) -> Markup {
    let minutes = at.rem_euclid(86_400) / 60;
    html!(
        "<time data-at=\"" (at) "\">" (format!("{:02}:{:02} UTC", minutes / 60, minutes % 60))
        "</time>"
    )
}

/// How long ago something was, roughly.
pub(super) fn ago(seconds: i64) -> String {
    match seconds {
        ..60 => "just now".to_owned(),
        60..3_600 => format!("{} ago", count(seconds / 60, "minute", "minutes")),
        3_600..86_400 => format!("{} ago", count(seconds / 3_600, "hour", "hours")),
        _ => format!("{} ago", count(seconds / 86_400, "day", "days")),
    }
}

pub(super) fn count(number: i64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(number), if number == 1 { one } else { many })
}

pub(super) fn picture(station: &StationView, size: u32, pictures: &Pictures) -> Markup {
    html!(
        "<img class=\"cover\" src=\"" (pictures.url(&station.cover)) "\" alt=\"\" width=\"" (size)
        "\" height=\"" (size) "\" loading=\"lazy\"" (pictures.second_chance(&station.cover)) ">"
    )
}

pub(super) fn progress(air: &AirView, now: i64) -> Markup {
    html!(
        "<progress max=\"" (air.ends - air.started) "\" value=\"" (now - air.started)
        "\" data-started=\"" (air.started) "\" data-ends=\"" (air.ends)
        "\" aria-label=\"Played so far\"></progress>"
    )
}

/// The heart: a form that works without scripts; the script sends the same without leaving the page.
pub(super) fn heart(station: &StationView) -> Markup {
    let keeps = station.favourite == Some(true);
    let (value, label) =
        if keeps { ("no", "Remove from favourites") } else { ("yes", "Add to favourites") };
    html!(
        "<form class=\"heart\" method=\"post\" action=\"/favourites/" (station.id.get())
        "\"><button name=\"keep\" value=\"" (value) "\" aria-pressed=\""
        (if keeps { "true" } else { "false" }) "\" title=\"" (label) "\" aria-label=\"" (label) ": "
        (station.name) "\">\
         <svg viewBox=\"0 0 24 24\" aria-hidden=\"true\"><path d=\"M12 20.3 4.9 13a4.8 4.8 0 0 1 0-6.8 \
         4.7 4.7 0 0 1 6.7 0l.4.5.4-.5a4.7 4.7 0 0 1 6.7 0 4.8 4.8 0 0 1 0 6.8z\"/></svg>\
         <span class=\"number\">" (thousands(station.favourites)) "</span></button></form>"
    )
}

pub(super) fn card(station: &StationView, site: &Site<'_>) -> Markup {
    let air = station.now.as_ref().map(|air| {
        html!(
            "<p class=\"track\"><span class=\"title\">" (air.track.title) "</span> <span class=\"artist\">"
            (air.track.artist) "</span></p>" (progress(air, site.now))
        )
    });
    html!(
        "<article class=\"card\"><a class=\"picture\" href=\"/stations/" (station.id.get())
        "\" tabindex=\"-1\" aria-hidden=\"true\">" (picture(station, 320, site.pictures))
        "<span class=\"dial\">" (station.frequency) "</span></a>"
        (heart(station))
        "<h3><a href=\"/stations/" (station.id.get()) "\">" (station.name) "</a></h3>\
         <p class=\"place\">" (station.genre.name()) " · " (station.city) "</p>" (air) "</article>"
    )
}

pub(super) fn grid(stations: &[StationView], site: &Site<'_>) -> Markup {
    let cards: Vec<_> = stations.iter().map(|station| card(station, site)).collect();
    html!("<div class=\"grid\">" (cards) "</div>")
}

/// Links to the pages around this one. `address` ends where the page number goes.
pub(super) fn pager(page: u32, pages: u32, address: &str) -> Markup {
    if pages <= 1 && page <= 1 {
        return Markup::default();
    }
    let link = |target: u32, text: &str, rel: &str| html!("<a class=\"button\" rel=\"" (rel) "\" href=\"" (address) (target) "\">" (text) "</a>");
    let before = (page > 1).then(|| link((page - 1).min(pages.max(1)), "← Previous", "prev"));
    let after = (page < pages).then(|| link(page + 1, "Next →", "next"));
    html!(
        "<nav class=\"pager\" aria-label=\"Pages\">" (before) "<span>Page " (page) " of " (pages)
        "</span>" (after) "</nav>"
    )
}

/// The address of a list, up to the number of its page.
pub(super) fn list_address(search: Option<&str>, genre: Option<&str>, by_name: bool) -> String {
    let mut address = String::from("/stations?");
    if let Some(search) = search {
        address.push_str(&format!("q={}&", encode(search)));
    }
    if let Some(genre) = genre {
        address.push_str(&format!("genre={genre}&"));
    }
    if by_name {
        address.push_str("sort=name&");
    }
    address.push_str("page=");
    address
}

/// A tuner's scale with the stations of a list on it.
pub(super) fn dial(stations: &[StationView]) -> Markup {
    // 87.5 to 108 MHz over 1000 units with a margin of 20.
    let x = |frequency: i64| 20 + (frequency - 875) * 960 / 205;
    let ticks: Vec<_> = (875..=1_080)
        .step_by(5)
        .map(|frequency| {
            let whole = frequency % 10 == 0;
            let label = (frequency % 20 == 0).then(|| {
                html!("<text x=\"" (x(frequency)) "\" y=\"78\">" (frequency / 10) "</text>")
            });
            html!(
                "<path d=\"M" (x(frequency)) " 56v" (if whole { "-14" } else { "-8" }) "\"/>" (label)
            )
        })
        .collect();
    let marks: Vec<_> = stations
        .iter()
        .filter_map(|station| {
            let frequency: i64 = station.frequency.replace('.', "").parse().ok()?;
            Some(html!(
                "<a href=\"/stations/" (station.id.get()) "\"><title>" (station.name) " · "
                (station.frequency) "</title><rect class=\"hit\" x=\"" (x(frequency) - 9)
                "\" y=\"0\" width=\"18\" height=\"60\"/><circle cx=\"" (x(frequency))
                "\" cy=\"24\" r=\"5\" fill=\"" (format!("oklch(64% 0.17 {})", cover::hue(station.id)))
                "\"/></a>"
            ))
        })
        .collect();
    let needle = stations
        .first()
        .and_then(|station| station.frequency.replace('.', "").parse().ok())
        .map(|frequency: i64| html!("<path class=\"needle\" d=\"M" (x(frequency)) " 2v62\"/>"));
    html!(
        "<svg class=\"scale\" viewBox=\"0 0 1000 84\" role=\"group\" \
         aria-label=\"Popular stations on the dial\"><path class=\"line\" d=\"M10 56h980\"/>\
         <g class=\"ticks\">" (ticks) "</g>" (needle) (marks) "</svg>"
    )
}

/// A picture of nothing, for empty and broken pages.
pub(super) fn static_noise() -> Markup {
    html!(
        "<svg class=\"noise\" viewBox=\"0 0 240 60\" aria-hidden=\"true\"><path d=\"M0 30h40l6-12 8 26 \
         7-38 9 46 8-30 6 16 7-8h18l5-14 7 30 8-40 9 44 7-26 6 10h89\"/></svg>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (2_400, "2,400"), (-1_234_567, "-1,234,567")]
        {
            assert_eq!(thousands(number), text);
        }
        for (seconds, text) in
            [(-5, "just now"), (119, "1 minute ago"), (7_200, "2 hours ago"), (86_400, "1 day ago")]
        {
            assert_eq!(ago(seconds), text);
        }
        assert_eq!(length(205), "3:25");
        assert_eq!(clock(-60).into_string(), "<time data-at=\"-60\">23:59 UTC</time>");
    }
}
