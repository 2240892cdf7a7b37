//! Plots as SVG: bars from zero, and lines on logarithmic axes, on a white page of their own.

use std::fmt::Write;

use crate::statistics::Spread;

/// A line of a plot.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 720.0;
const COLOURS: [&str; 3] = ["#0b6e4f", "#c8553d", "#3a5a98"];

/// One bar a row, from zero, with a line from the least to the greatest value.
pub(crate) fn bars(title: &str, rows: &[(String, Spread)]) -> String {
    const LEFT: f64 = 100.0;
    const RIGHT: f64 = 90.0;
    const ROW: f64 = 34.0;
    const TOP: f64 = 48.0;
    let height = TOP + ROW * rows.len() as f64 + 16.0;
    let greatest = rows.iter().map(|(_, spread)| spread.greatest).fold(0.0, f64::max);
    let place =
        |value: f64| LEFT + (WIDTH - LEFT - RIGHT) * value / greatest.max(f64::MIN_POSITIVE);
    let mut svg = begin(title, height);
    let mut top = TOP;
    for (name, spread) in rows {
        let (from, to) = (LEFT, place(spread.median));
        let middle = top + ROW / 2.0;
        let colour = if name == "authorizer" { COLOURS[0] } else { "#8a8f98" };
        let _ = writeln!(
            svg,
            r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{}</text>
<rect x="{from:.1}" y="{:.1}" width="{:.1}" height="20" fill="{colour}"/>
<line x1="{:.1}" y1="{middle:.1}" x2="{:.1}" y2="{middle:.1}" stroke="black"/>
<text x="{:.1}" y="{:.1}">{}</text>"#,
            LEFT - 8.0,
            middle + 5.0,
            escaped(name),
            top + 7.0,
            (to - from).max(1.0),
            place(spread.least),
            place(spread.greatest),
            place(spread.greatest) + 6.0,
            middle + 5.0,
            label(spread.median),
        );
        top += ROW;
    }
    svg.push_str("</svg>\n");
    svg
}

/// Lines over a logarithmic axis; a point at zero stands at the axis's beginning.
pub(crate) fn lines(title: &str, x_label: &str, y_label: &str, series: &[Series]) -> String {
    const LEFT: f64 = 70.0;
    const RIGHT: f64 = 32.0;
    const TOP: f64 = 72.0;
    const BOTTOM: f64 = 330.0;
    const HEIGHT: f64 = 390.0;
    let points = || series.iter().flat_map(|series| &series.points);
    let positive = points().map(|(x, _)| *x).filter(|x| *x > 0.0).fold(f64::INFINITY, f64::min);
    let has_zero = points().any(|(x, _)| *x <= 0.0);
    let least_x = if has_zero { positive / 10.0 } else { positive };
    let greatest_x = points().map(|(x, _)| *x).fold(least_x, f64::max);
    let x_axis = Axis::logarithmic(least_x, greatest_x, LEFT + 12.0, WIDTH - RIGHT);
    let least_y = points().map(|(_, y)| *y).fold(1.0, f64::min);
    let greatest_y = points().map(|(_, y)| *y).fold(2.0, f64::max);
    let y_axis = Axis::logarithmic(least_y, greatest_y * 1.1, BOTTOM - 8.0, TOP);

    let mut svg = begin(title, HEIGHT);
    let _ = writeln!(
        svg,
        r#"<path d="M{LEFT} {TOP} V{BOTTOM} H{:.1}" fill="none" stroke="black"/>
<text x="{:.1}" y="{:.1}" text-anchor="middle">{}</text>
<text x="{LEFT}" y="{:.1}">{}</text>"#,
        WIDTH - RIGHT,
        f64::midpoint(LEFT, WIDTH),
        BOTTOM + 44.0,
        escaped(x_label),
        TOP - 10.0,
        escaped(y_label),
    );
    let mut ticks: Vec<f64> = points().map(|(x, _)| *x).collect();
    ticks.sort_by(f64::total_cmp);
    ticks.dedup();
    for tick in ticks {
        let x = x_axis.at(tick.max(least_x));
        let _ = writeln!(
            svg,
            r#"<path d="M{x:.1} {BOTTOM} v5" stroke="black"/><text x="{x:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            BOTTOM + 20.0,
            count(tick),
        );
    }
    for tick in [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 10_000.0] {
        if (least_y..=greatest_y * 1.1).contains(&tick) {
            let y = y_axis.at(tick);
            let _ = writeln!(
                svg,
                r##"<path d="M{LEFT} {y:.1} H{:.1}" stroke="#d0d0d0"/><text x="{:.1}" y="{:.1}" text-anchor="end">{tick}×</text>"##,
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 5.0,
            );
        }
    }
    let mut legend = 200.0;
    for (series, colour) in series.iter().zip(COLOURS.iter().cycle()) {
        let place = |(x, y): &(f64, f64)| (x_axis.at(x.max(least_x)), y_axis.at(*y));
        let path: String =
            series.points.iter().map(place).map(|(x, y)| format!("{x:.1},{y:.1} ")).collect();
        let _ = writeln!(
            svg,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#,
            path.trim_end()
        );
        for (x, y) in series.points.iter().map(place) {
            let _ = writeln!(svg, r#"<circle cx="{x:.1}" cy="{y:.1}" r="3.5" fill="{colour}"/>"#);
        }
        let _ = writeln!(
            svg,
            r#"<rect x="{legend:.1}" y="{:.1}" width="12" height="12" fill="{colour}"/><text x="{:.1}" y="{:.1}">{}</text>"#,
            TOP - 21.0,
            legend + 18.0,
            TOP - 10.0,
            escaped(series.name),
        );
        legend += 50.0 + 7.5 * series.name.chars().count() as f64;
    }
    svg.push_str("</svg>\n");
    svg
}

/// A logarithmic axis, from values to places on the page.
struct Axis {
    least: f64,
    decades: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn logarithmic(least: f64, greatest: f64, from: f64, to: f64) -> Self {
        let decades = (greatest / least).log10();
        Self { least, decades: if decades > 0.0 { decades } else { 1.0 }, from, to }
    }

    fn at(&self, value: f64) -> f64 {
        self.from + (self.to - self.from) * (value / self.least).log10() / self.decades
    }
}

fn begin(title: &str, height: f64) -> String {
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="14" role="img" aria-label="{title}">
<rect width="100%" height="100%" fill="white"/>
<text x="16" y="28" font-size="16" font-weight="bold">{title}</text>
"##,
        title = escaped(title)
    )
}

/// A count on an axis, as short as it goes.
fn count(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{}M", value / 1e6),
        value if value >= 1e4 => format!("{}k", value / 1e3),
        value => value.to_string(),
    }
}

fn label(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_runs_from_its_least_to_its_greatest_value() {
        let axis = Axis::logarithmic(1.0, 1000.0, 100.0, 400.0);
        assert!((axis.at(1.0) - 100.0).abs() < 1e-9);
        assert!((axis.at(10.0) - 200.0).abs() < 1e-9);
        assert!((axis.at(1000.0) - 400.0).abs() < 1e-9);
    }

    #[test]
    fn a_flat_curve_and_one_from_zero_stay_on_the_page() {
        let series = [
            Series { name: "flat", points: vec![(0.0, 1.0), (1000.0, 1.0), (1e6, 1.0)] },
            Series { name: "steep", points: vec![(0.0, 1.0), (1000.0, 3.0), (1e6, 400.0)] },
        ];
        let svg = lines("Cost over <things>", "things", "× the first point", &series);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(svg.contains("&lt;things>"), "{svg}");
        let places = svg.split("cx=\"").skip(1).filter_map(|rest| rest.split('"').next());
        for place in places {
            let x: f64 = place.parse().unwrap_or(f64::NAN);
            assert!((0.0..=WIDTH).contains(&x), "{place}");
        }
    }
}
