//! HTML that is safe by construction.
//!
//! A page is made with [`html!`]: string literals stand as they are, everything in parentheses is
//! escaped. There is no way to put a value into a literal, so there is no way to forget the escaping.

use std::fmt::Write;

/// A piece of HTML.
#[derive(Clone, Debug, Default)]
pub(crate) struct Markup(String);

impl Markup {
    pub(crate) fn into_string(self) -> String {
        self.0
    }

    /// Adds a literal. For [`html!`]; the `'static` keeps values out.
    pub(crate) fn literal(&mut self, text: &'static str) {
        self.0.push_str(text);
    }

    /// Adds a value, escaped unless it is markup already.
    pub(crate) fn value(&mut self, value: &(impl Render + ?Sized)) {
        value.render(&mut self.0);
    }
}

/// A value that knows how it looks in HTML, in text and in quoted attributes alike.
pub(crate) trait Render {
    fn render(&self, out: &mut String);
}

impl Render for Markup {
    fn render(&self, out: &mut String) {
        out.push_str(&self.0);
    }
}

impl Render for str {
    fn render(&self, out: &mut String) {
        for letter in self.chars() {
            match letter {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                '\'' => out.push_str("&#39;"),
                letter => out.push(letter),
            }
        }
    }
}

impl Render for String {
    fn render(&self, out: &mut String) {
        self.as_str().render(out);
    }
}

macro_rules! render_numbers {
    ($($number:ty)*) => {$(
        impl Render for $number {
            fn render(&self, out: &mut String) {
                // Writing to a String cannot fail.
                let _ = write!(out, "{self}");
            }
        }
    )*};
}

render_numbers!(u16 u32 u64 i32 i64 usize);

impl<T: Render + ?Sized> Render for &T {
    fn render(&self, out: &mut String) {
        (**self).render(out);
    }
}

impl<T: Render> Render for Option<T> {
    fn render(&self, out: &mut String) {
        if let Some(value) = self {
            value.render(out);
        }
    }
}

impl<T: Render> Render for Vec<T> {
    fn render(&self, out: &mut String) {
        for value in self {
            value.render(out);
        }
    }
}

/// Literals as they are, `(values)` escaped.
macro_rules! html {
    (@ $out:ident) => {};
    (@ $out:ident $text:literal $($rest:tt)*) => {
        $out.literal($text);
        html!(@ $out $($rest)*);
    };
    (@ $out:ident ($value:expr) $($rest:tt)*) => {
        $out.value(&$value);
        html!(@ $out $($rest)*);
    };
    ($($parts:tt)*) => {{
        #[allow(unused_mut)]
        let mut out = $crate::view::markup::Markup::default();
        html!(@ out $($parts)*);
        out
    }};
}

pub(crate) use html;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    #[test]
    fn values_are_escaped_and_literals_are_not() {
        let name = "<script>alert('1')</script> & \"co\"";
        let page = html!("<a title=\"" (name) "\">" (name) "</a>" (Some(7u32)) (None::<u32>));
        assert_eq!(
            page.into_string(),
            "<a title=\"&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;co&quot;\">\
             &lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;co&quot;</a>7"
        );
    }

    #[test]
    fn markup_inside_markup_is_not_escaped_again() {
        let inner = html!("<b>" ("&") "</b>");
        assert_eq!(html!("<p>" (inner) "</p>").into_string(), "<p><b>&amp;</b></p>");
    }

    proptest! {
        #[test]
        fn no_value_opens_a_tag_or_closes_an_attribute(value in any::<String>()) {
            let text = html!((value)).into_string();
            prop_assert!(!text.contains(['<', '>', '"', '\'']));
        }
    }
}
