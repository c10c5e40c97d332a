//! Where a listener is signed in.

use super::markup::{Markup, html};
use super::parts::{ago, count};
use crate::api::{DeviceView, Devices};
use crate::http::visit::{Show, Site};

impl Show for Devices {
    const NAME: &'static str = "devices";

    fn page(&self, site: &Site<'_>) -> (String, Markup) {
        let rows: Vec<_> = self.devices.iter().map(|device| signed_in(device, site.now)).collect();
        let others = (self.devices.len() > 1).then(|| {
            html!(
                "<form method=\"post\" action=\"/devices/others/sign-out\">\
                 <button class=\"button\">Sign out everywhere else</button></form>"
            )
        });
        let main = html!(
            "<div class=\"heading\"><h1>Your devices</h1><p>"
            (count(self.devices.len() as i64, "device is", "devices are")) " signed in</p></div>\
             <ul class=\"devices\">" (rows) "</ul>" (others)
        );
        ("Your devices".to_owned(), main)
    }
}

/// One sign-in, with a way to end it.
fn signed_in(device: &DeviceView, now: i64) -> Markup {
    let agent = device.agent.as_deref().unwrap_or("A program");
    let from = device.network.as_deref().map(|network| html!(" · from "(network)));
    let action = if device.current {
        html!("<span class=\"live\">This one</span>")
    } else {
        html!(
            "<form method=\"post\" action=\"/devices/" (device.id) "/sign-out\">\
             <button class=\"quiet\" aria-label=\"Sign out " (agent) "\">Sign out</button></form>"
        )
    };
    html!(
        "<li><div><p class=\"title\">" (agent) "</p><p class=\"fine\">Signed in "
        (ago(now - device.signed_in)) (from) " · last seen " (ago(now - device.last_seen))
        "</p></div>" (action) "</li>"
    )
}
