use axum::response::Response;

use super::stations::dress;
use crate::api::Home;
use crate::http::error::Error;
use crate::http::visit::Visit;
use crate::model::Genre;
use crate::storage::{StationQuery, Window};

/// Rows of four, three and two on screens of every width.
const SHOWN: u32 = 12;

pub(super) async fn home(visit: Visit) -> Result<Response, Error> {
    let found = visit.app.store.stations(&StationQuery::all(Window::page(1, SHOWN))).await?;
    let total = found.total;
    let stations = dress(&visit, found.items).await?;
    visit.show(&Home { total, genres: Genre::all().collect(), stations }).await
}
