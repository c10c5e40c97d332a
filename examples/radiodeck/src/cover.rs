//! Cover photos, drawn.
//!
//! A cover follows from the station's id and the cover's version alone, so it costs no query, every
//! app server draws the same, and its address may be cached for ever: a new cover is a new version.

use std::fmt::Write;

use crate::model::StationId;

/// Where the cover of a station is.
pub(crate) fn address(station: StationId, version: i32) -> String {
    format!("/covers/{station}.svg?v={version}")
}

/// The hue of a station's first cover, in degrees.
pub(crate) fn hue(station: StationId) -> u32 {
    let mut draw = Draw::new(station, 1);
    draw.below(360)
}

/// Draws a cover: 400 by 400, four colours of one family, one of six patterns.
pub(crate) fn svg(station: StationId, version: i32) -> String {
    let mut draw = Draw::new(station, version);
    let hue = draw.below(360);
    let near = (hue + 24 + draw.below(30)) % 360;
    let far = (hue + 150 + draw.below(80)) % 360;
    // In OKLCH, equal lightness looks equally light in every hue: no cover shouts.
    let dark = format!("oklch(25% 0.05 {hue})");
    let deep = format!("oklch(43% 0.1 {hue})");
    let warm = format!("oklch(68% 0.15 {near})");
    let light = format!("oklch(87% 0.08 {far})");
    let mut out = String::with_capacity(4_096);
    out.push_str("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 400 400\">");
    let _ = write!(out, "<rect width=\"400\" height=\"400\" fill=\"{dark}\"/>");
    let colours = [deep.as_str(), &warm, &light];
    match draw.below(6) {
        0 => rings(&mut out, &mut draw, colours),
        1 => horizon(&mut out, &mut draw, colours),
        2 => dots(&mut out, &mut draw, colours),
        3 => waves(&mut out, &mut draw, colours),
        4 => quarters(&mut out, &mut draw, colours),
        _ => bars(&mut out, &mut draw, colours),
    }
    out.push_str("</svg>");
    out
}

fn rings(out: &mut String, draw: &mut Draw, [deep, warm, light]: [&str; 3]) {
    let (x, y) = (80 + draw.below(240), 80 + draw.below(240));
    for (index, radius) in (24..480).step_by(38).enumerate().collect::<Vec<_>>().into_iter().rev() {
        let (colour, width) = match index % 3 {
            0 => (warm, 16),
            1 => (deep, 22),
            _ => (light, 4),
        };
        let _ = write!(
            out,
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" fill=\"none\" stroke=\"{colour}\" \
             stroke-width=\"{width}\"/>"
        );
    }
    let _ = write!(out, "<circle cx=\"{x}\" cy=\"{y}\" r=\"12\" fill=\"{light}\"/>");
}

fn horizon(out: &mut String, draw: &mut Draw, [deep, warm, light]: [&str; 3]) {
    let line = 220 + draw.below(70);
    let (x, radius) = (110 + draw.below(180), 66 + draw.below(50));
    let _ = write!(out, "<rect width=\"400\" height=\"{line}\" fill=\"{deep}\"/>");
    let _ = write!(
        out,
        "<circle cx=\"{x}\" cy=\"{}\" r=\"{radius}\" fill=\"{light}\"/>",
        line - radius / 3
    );
    for step in 0..6 {
        let y = line + step * step * 5;
        let _ = write!(
            out,
            "<rect y=\"{y}\" width=\"400\" height=\"{}\" fill=\"{}\"/>",
            5 + step * 6,
            if step % 2 == 0 { warm } else { deep }
        );
    }
}

fn dots(out: &mut String, draw: &mut Draw, [deep, warm, light]: [&str; 3]) {
    let (fx, fy) = (draw.below(8), draw.below(8));
    for row in 0..8u32 {
        for column in 0..8u32 {
            let distance = row.abs_diff(fy) + column.abs_diff(fx);
            let radius = 21u32.saturating_sub(distance * 2).max(3);
            let colour = match distance {
                0..=1 => light,
                2..=5 => warm,
                _ => deep,
            };
            let _ = write!(
                out,
                "<circle cx=\"{}\" cy=\"{}\" r=\"{radius}\" fill=\"{colour}\"/>",
                25 + column * 50,
                25 + row * 50
            );
        }
    }
}

fn waves(out: &mut String, draw: &mut Draw, [deep, warm, light]: [&str; 3]) {
    let lift = 16 + draw.below(44);
    for band in 0..8u32 {
        let y = 40 + band * 46;
        let colour = [deep, warm, deep, light][band as usize % 4];
        let up = y.saturating_sub(lift);
        let _ = write!(
            out,
            "<path d=\"M0 {y} Q 50 {up} 100 {y} T 200 {y} T 300 {y} T 400 {y}\" fill=\"none\" \
             stroke=\"{colour}\" stroke-width=\"{}\"/>",
            8 + draw.below(14)
        );
    }
}

fn quarters(out: &mut String, draw: &mut Draw, colours: [&str; 3]) {
    for row in 0..4 {
        for column in 0..4 {
            let (x, y) = (column * 100, row * 100);
            let ground = colours[draw.below(3) as usize];
            let (sweep_x, sweep_y) = (x + 100 * draw.below(2), y + 100 * draw.below(2));
            let shape = colours[draw.below(3) as usize];
            let _ = write!(
                out,
                "<svg x=\"{x}\" y=\"{y}\" width=\"100\" height=\"100\" viewBox=\"{x} {y} 100 100\">\
                 <rect x=\"{x}\" y=\"{y}\" width=\"100\" height=\"100\" fill=\"{ground}\"/>\
                 <circle cx=\"{sweep_x}\" cy=\"{sweep_y}\" r=\"100\" fill=\"{shape}\"/></svg>"
            );
        }
    }
}

fn bars(out: &mut String, draw: &mut Draw, [deep, warm, light]: [&str; 3]) {
    for bar in 0..13 {
        let height = 40 + draw.below(280);
        let colour = match draw.below(5) {
            0 => light,
            1 | 2 => warm,
            _ => deep,
        };
        let _ = write!(
            out,
            "<rect x=\"{}\" y=\"{}\" width=\"18\" height=\"{height}\" rx=\"9\" fill=\"{colour}\"/>",
            11 + bar * 30,
            200 - height / 2
        );
    }
}

/// Numbers that follow from a station and a version (xorshift on a mixed start).
struct Draw(u64);

impl Draw {
    fn new(station: StationId, version: i32) -> Self {
        let start = station.get().cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ u64::from(version.cast_unsigned()).wrapping_mul(0xd6e8_feb8_6659_fd93);
        // SplitMix64's last step: neighbours in number are strangers in colour.
        let mixed = (start ^ (start >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // Zero is the one number that xorshift never leaves.
        Self((mixed ^ (mixed >> 31)) | 1)
    }

    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(((self.0 >> 32) * u64::from(bound)) >> 32).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: i64) -> StationId {
        StationId::try_from(number).unwrap()
    }

    #[test]
    fn a_cover_is_the_same_every_time_and_another_for_another_version() {
        for station in 1..200 {
            assert_eq!(svg(id(station), 1), svg(id(station), 1));
            assert_ne!(svg(id(station), 1), svg(id(station), 2));
        }
    }

    #[test]
    fn a_cover_is_well_formed_and_small() {
        for station in (1..2_000).chain([i64::MAX]) {
            let text = svg(id(station), i32::MAX);
            assert!(text.len() < 8_192, "station {station}: {} bytes", text.len());
            let mut reader = quick_xml::Reader::from_str(&text);
            loop {
                match reader.read_event() {
                    Ok(quick_xml::events::Event::Eof) => break,
                    Ok(_) => {}
                    Err(error) => panic!("station {station}: {error}"),
                }
            }
        }
    }
}
