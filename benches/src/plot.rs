//! Small bar charts as SVG, without fonts or libraries: text stays text, and a diff stays readable.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use crate::results::Provenance;
use crate::rounds::Series;

const WIDTH: f64 = 760.0;
/// Where the bars begin; names stand to the left.
const LEFT: f64 = 210.0;
/// Where the longest bar ends; its number stands to the right.
const RIGHT: f64 = 590.0;
const ROW: f64 = 30.0;
const TOP: f64 = 56.0;

/// One bar: the median, with a line from the lowest to the highest round.
#[derive(Debug, Clone)]
struct Bar {
    name: String,
    median: f64,
    low: f64,
    high: f64,
    note: String,
    ours: bool,
}

/// A chart of horizontal bars that all begin at zero, with their spread.
#[derive(Debug, Clone)]
pub struct Chart {
    title: String,
    unit: &'static str,
    groups: Vec<(String, Vec<Bar>)>,
}

impl Chart {
    /// An empty chart; `unit` stands behind each number.
    #[must_use]
    pub fn new(title: impl Into<String>, unit: &'static str) -> Self {
        Self { title: title.into(), unit, groups: Vec::new() }
    }

    /// Adds a group of bars under a heading. Names that begin with `terrace` are ours and have
    /// their own colour; each bar shows its ratio to `reference`.
    pub fn group(&mut self, heading: impl Into<String>, series: &[Series], reference: &Series) {
        let bars = series.iter().map(|one| {
            let (low, high) = one.spread();
            Bar {
                name: one.name.clone(),
                median: one.median(),
                low,
                high,
                note: format!("{:.2}×", one.ratio_to(reference)),
                ours: one.name.starts_with("terrace"),
            }
        });
        self.groups.push((heading.into(), bars.collect()));
    }

    /// The chart as SVG, with its provenance below.
    #[must_use]
    pub fn to_svg(&self, provenance: &Provenance) -> String {
        let highest = self.bars().map(|bar| bar.high).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
        let x = |value: f64| LEFT + (RIGHT - LEFT) * value / highest;
        let mut body = String::new();
        let mut y = TOP;
        for (heading, bars) in &self.groups {
            text(&mut body, 16.0, y + 4.0, "heading", heading);
            y += 14.0;
            for bar in bars {
                let class = if bar.ours { "ours" } else { "rival" };
                let middle = y + ROW / 2.0;
                text(&mut body, LEFT - 10.0, middle + 4.0, "name", &bar.name);
                // Writing to a String cannot fail, here and below.
                let _ = writeln!(
                    body,
                    r#"<rect class="{class}" x="{LEFT}" y="{:.1}" width="{:.1}" height="18" rx="2"/>"#,
                    middle - 9.0,
                    x(bar.median) - LEFT
                );
                let _ = writeln!(
                    body,
                    r#"<path class="spread" d="M{:.1} {middle:.1}H{:.1}m0 -4v8M{:.1} {:.1}v8"/>"#,
                    x(bar.low),
                    x(bar.high),
                    x(bar.low),
                    middle - 4.0,
                );
                let label = format!("{} {} ({})", number(bar.median), self.unit, bar.note);
                text(&mut body, x(bar.high.max(bar.median)) + 8.0, middle + 4.0, "value", &label);
                y += ROW;
            }
            y += 16.0;
        }
        text(
            &mut body,
            16.0,
            y + 6.0,
            "small",
            "bar: median of the rounds; line: lowest to highest round",
        );
        y += 20.0;
        for (name, value) in provenance.facts() {
            text(&mut body, 16.0, y + 6.0, "small", &format!("{name}: {value}"));
            y += 15.0;
        }
        let height = y + 10.0;
        let title = escape(&self.title);
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-label="{title}">
<style>
svg {{ font-family: system-ui, "DejaVu Sans", sans-serif; font-size: 13px; background: #fff }}
text {{ fill: #222 }} .title {{ font-size: 17px; font-weight: 600 }} .heading {{ font-weight: 600 }}
.name {{ text-anchor: end }} .small {{ font-size: 11px; fill: #666 }}
.ours {{ fill: #2a6f97 }} .rival {{ fill: #b8c4cc }} .spread {{ stroke: #222; stroke-width: 1.2; fill: none }}
</style>
<rect width="100%" height="100%" fill="#fff"/>
<text class="title" x="16" y="28">{title}</text>
{body}</svg>
"##
        )
    }

    /// Writes the chart as SVG.
    ///
    /// # Errors
    ///
    /// As the file system says.
    pub fn write(&self, path: &Path, provenance: &Provenance) -> io::Result<()> {
        std::fs::write(path, self.to_svg(provenance))
    }

    fn bars(&self) -> impl Iterator<Item = &Bar> {
        self.groups.iter().flat_map(|(_, bars)| bars)
    }
}

fn text(svg: &mut String, x: f64, y: f64, class: &str, content: &str) {
    let _ =
        writeln!(svg, r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{}</text>"#, escape(content));
}

fn number(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_median_and_names_are_escaped() {
        let ours = Series { name: "terrace <b>".to_owned(), values: vec![10.0, 10.0, 20.0] };
        let rival = Series { name: "rival".to_owned(), values: vec![40.0, 40.0, 40.0] };
        let mut chart = Chart::new("a & b", "ns");
        chart.group("100 endpoints", &[ours, rival.clone()], &rival);
        let svg = chart.to_svg(&Provenance::here("x"));
        // 380 wide at 40: the median of 10 is 95 wide.
        assert!(svg.contains(r#"class="ours" x="210" y="76.0" width="95.0""#), "{svg}");
        assert!(svg.contains(r#"class="rival" x="210" y="106.0" width="380.0""#), "{svg}");
        assert!(svg.contains("a &amp; b") && svg.contains("terrace &lt;b&gt;"));
        assert!(svg.contains("10.0 ns (0.25×)") && svg.contains("40.0 ns (1.00×)"), "{svg}");
        assert!(svg.contains("command: x"));
    }
}
