use crate::model::Genre;

/// Which part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// At most this many rows.
    pub limit: u32,
    /// After leaving out this many.
    pub offset: u32,
}

impl Window {
    /// The rows of a page, counted from 1.
    #[must_use]
    pub fn page(page: u32, per_page: u32) -> Self {
        Self { limit: per_page, offset: page.saturating_sub(1).saturating_mul(per_page) }
    }
}

/// In which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Most kept first.
    #[default]
    Popular,
    /// By name.
    Name,
}

/// Which stations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StationQuery {
    /// Only those whose name, city or country contains this.
    pub search: Option<String>,
    /// Only those of this genre.
    pub genre: Option<Genre>,
    /// In which order.
    pub order: Order,
    /// Which part of them.
    pub window: Window,
}

impl StationQuery {
    /// All stations, most kept first.
    #[must_use]
    pub fn all(window: Window) -> Self {
        Self { search: None, genre: None, order: Order::default(), window }
    }

    /// The search as a LIKE pattern with `\` as its escape character.
    pub(super) fn pattern(&self) -> Option<String> {
        let search = self.search.as_deref()?;
        let mut pattern = String::with_capacity(search.len() + 2);
        pattern.push('%');
        for letter in search.to_lowercase().chars() {
            if matches!(letter, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(letter);
        }
        pattern.push('%');
        Some(pattern)
    }
}

/// What a search looks through: lower-cased here, so that every database folds the same letters.
pub(super) fn searchable(name: &str, city: &str, country: &str) -> String {
    format!("{name} {city} {country}").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_in_a_search_are_plain_letters() {
        let mut query = StationQuery::all(Window::page(1, 24));
        query.search = Some("50%_Ä\\".to_owned());
        assert_eq!(query.pattern().as_deref(), Some("%50\\%\\_ä\\\\%"));
    }

    #[test]
    fn a_page_far_behind_the_end_does_not_overflow() {
        assert_eq!(Window::page(u32::MAX, 100), Window { limit: 100, offset: u32::MAX });
        assert_eq!(Window::page(0, 100).offset, 0);
    }
}
