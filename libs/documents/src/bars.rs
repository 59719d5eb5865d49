//! Charts of bars on a sheet: drawn of rectangles and texts, so that they stay sharp and their numbers can be searched.
use crate::{
    flow::Flow,
    layout::Style,
    lines::lines,
    model::{Chart, decimal},
    sheet::Ink,
};

/// The colours of the bars of a group, told apart in grey too.
pub const COLOURS: [(u8, u8, u8); 4] = [(38, 84, 148), (226, 142, 62), (110, 164, 120), (150, 156, 168)];

/// How high a chart is, with its title.
pub const HEIGHT: i32 = 218_000;

const TITLE: Style = Style { size: 10_500, leading: 18_000, bold: true, ink: Ink::Black };
const LABEL: Style = Style { size: 8_500, leading: 11_500, bold: false, ink: Ink::Black };
const SCALE: Style = Style { ink: Ink::Grey, ..LABEL };
const HAIR: i32 = 500;
const PLOT: i32 = 138_000;
// Room for the numbers of the scale.
const ASIDE: i32 = 46_000;

/// Sets a chart, whole on one page.
pub fn set(flow: &mut Flow<'_>, chart: &Chart, spell: &mut impl FnMut(&str) -> String) {
    if chart.categories.is_empty() || chart.series.is_empty() {
        return;
    }
    flow.room(HEIGHT);
    let start = flow.y;
    let unit = if chart.unit.is_empty() { String::new() } else { format!("（单位：{}）", chart.unit) };
    flow.centred(&spell(&format!("{}{unit}", chart.title)), TITLE);
    legend(flow, chart, spell);
    let (left, right) = (flow.layout.left + ASIDE, flow.layout.right);
    let (top, bottom) = (flow.y + 12_000, flow.y + 12_000 + PLOT);
    let (step, steps) = scale(most(chart));
    for number in 0..=steps {
        let y = bottom - height(i64::from(number) * step, step, steps);
        flow.fill(left, y, right - left, HAIR, if number == 0 { Ink::Grey } else { Ink::Line });
        let text = decimal(i64::from(number) * step, chart.places);
        let x = left - 5_000 - flow.face.width(&text, SCALE.size);
        flow.text(x, y + 3_000, &text, SCALE);
    }
    flow.fill(left, top, HAIR, bottom - top, Ink::Grey);
    let count = i32::try_from(chart.categories.len()).unwrap_or(1).max(1);
    let group = (right - left) / count;
    for (place, category) in (0..).zip(&chart.categories) {
        let from = left + group * place;
        bars(flow, chart, usize::try_from(place).unwrap_or_default(), (from, group, bottom), (step, steps));
        let room = (group - 2_000).max(LABEL.size);
        for (line, text) in (0..2).zip(lines(flow.face, &spell(category), LABEL.size, room)) {
            let x = from + (group - flow.face.width(&text, LABEL.size)) / 2;
            flow.text(x, bottom + 12_000 + line * LABEL.leading, &text, LABEL);
        }
    }
    flow.y = start + HEIGHT;
}

fn legend(flow: &mut Flow<'_>, chart: &Chart, spell: &mut impl FnMut(&str) -> String) {
    if chart.series.len() < 2 {
        return;
    }
    let names: Vec<String> = chart.series.iter().map(|series| spell(&series.name)).collect();
    let wide: i32 = names.iter().map(|name| flow.face.width(name, LABEL.size) + 26_000).sum();
    let mut x = flow.layout.left + (flow.layout.width() - wide).max(0) / 2;
    for (place, name) in names.iter().enumerate() {
        flow.fill(x, flow.y + 3_000, 8_000, 8_000, Ink::Series(place));
        flow.text(x + 12_000, flow.y + 10_000, name, LABEL);
        x += flow.face.width(name, LABEL.size) + 26_000;
    }
    flow.y += LABEL.leading;
}

// The bars of one category, each with its value above it where there is room.
fn bars(
    flow: &mut Flow<'_>,
    chart: &Chart,
    category: usize,
    (from, group, bottom): (i32, i32, i32),
    (step, steps): (i64, i32),
) {
    let count = i32::try_from(chart.series.len()).unwrap_or(1).max(1);
    let wide = (group * 7 / 10 / count).clamp(1_000, 42_000);
    // Numbers that would run into each other are left to the table.
    let widest = flow.face.width(&decimal(most(chart), chart.places), LABEL.size);
    let numbered = widest <= (group - 2_000) / count;
    let mut x = from + (group - wide * count) / 2;
    for (place, series) in chart.series.iter().enumerate() {
        let value = series.values.get(category).copied().unwrap_or_default().max(0);
        let tall = height(value, step, steps);
        if tall > 0 {
            flow.fill(x + wide / 12, bottom - tall, wide * 5 / 6, tall, Ink::Series(place));
        }
        let text = decimal(value, chart.places);
        let width = flow.face.width(&text, LABEL.size);
        if numbered {
            flow.text(x + (wide - width) / 2, bottom - tall - 3_000, &text, LABEL);
        }
        x += wide;
    }
}

fn height(value: i64, step: i64, steps: i32) -> i32 {
    let full = step.saturating_mul(i64::from(steps)).max(1);
    i32::try_from(i64::from(PLOT).saturating_mul(value) / full).unwrap_or(PLOT).min(PLOT)
}

fn most(chart: &Chart) -> i64 {
    chart.series.iter().flat_map(|series| &series.values).copied().max().unwrap_or_default().max(1)
}

// Steps of 1, 2 or 5 times a power of ten, at most six of them, that reach the greatest value.
fn scale(most: i64) -> (i64, i32) {
    let mut unit = 1_i64;
    loop {
        for factor in [1, 2, 5] {
            let step = unit.saturating_mul(factor);
            let steps = most / step + i64::from(most % step > 0);
            if steps <= 6 {
                return (step, i32::try_from(steps).unwrap_or(6).max(1));
            }
        }
        unit = unit.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_has_few_round_steps() {
        for (most, step, steps) in [
            (1, 1, 1),
            (6, 1, 6),
            (7, 2, 4),
            (30, 5, 6),
            (31, 10, 4),
            (1_000_000, 200_000, 5),
            (i64::MAX, i64::MAX, 1),
        ] {
            let (found, count) = scale(most);
            assert!(found.saturating_mul(i64::from(count)) >= most && count <= 6, "{most}");
            if most < i64::MAX {
                assert_eq!((found, count), (step, steps), "{most}");
            }
        }
    }

    #[test]
    fn numbers_have_their_places() {
        for (value, places, text) in [(1_234, 2, "12.34"), (5, 2, "0.05"), (-5, 1, "-0.5"), (7, 0, "7")] {
            assert_eq!(decimal(value, places), text);
        }
    }
}
