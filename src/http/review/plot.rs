//! Curves over thresholds as an SVG within a page: no style of its own, colours and dashes come from the style sheet.

use maud::{Markup, html};

use super::parts::thousands;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 230.0;
/// Room for the numbers of the axes, and at the other two sides.
const LEFT: f64 = 72.0;
const BELOW: f64 = 24.0;
const MARGIN: f64 = 10.0;

/// A line: what it is, and its points.
pub(super) struct Curve {
    pub(super) name: &'static str,
    pub(super) points: Vec<(f64, f64)>,
}

/// How values are placed on the vertical axis.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// Counts, from 0.
    Counts,
    /// The same by powers of ten; none is drawn as one.
    Powers,
    /// From 0 to 1.
    Shares,
}

/// One coordinate system.
pub(super) struct Panel {
    pub(super) title: &'static str,
    pub(super) scale: Scale,
    pub(super) curves: Vec<Curve>,
    /// The ends of the horizontal axis.
    pub(super) range: (f64, f64),
    /// Where a line stands upright.
    pub(super) mark: Option<f64>,
}

impl Scale {
    fn place(self, value: f64) -> f64 {
        if self == Self::Powers { value.max(1.0).log10() } else { value }
    }

    /// The upper end of the axis, and where numbers stand at it.
    fn ticks(self, most: f64) -> (f64, Vec<(f64, String)>) {
        match self {
            Self::Shares => (1.0, [0.0, 0.25, 0.5, 0.75, 1.0].map(|at| (at, format!("{at}"))).into()),
            Self::Powers => {
                let top = self.place(most).ceil().max(1.0);
                let step = (top / 5.0).ceil().max(1.0) as usize;
                let tick = |power: usize| (power as f64, thousands(10u64.saturating_pow(power as u32)));
                (top, (0..=top as usize).step_by(step).map(tick).collect())
            }
            Self::Counts => {
                let rough = (most / 4.0).max(1.0);
                let power = 10f64.powf(rough.log10().floor());
                let step = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power).into_iter().find(|step| *step >= rough);
                let step = step.unwrap_or(rough);
                let n = (most / step).ceil().max(1.0) as u64;
                let tick = |at: u64| (at as f64 * step, thousands((at as f64 * step) as u64));
                (n as f64 * step, (0..=n).map(tick).collect())
            }
        }
    }
}

/// The panel as a figure, with its legend.
pub(super) fn panel(panel: &Panel) -> Markup {
    let Panel { title, scale, curves, range: (first, last), mark } = panel;
    let values = curves.iter().flat_map(|curve| curve.points.iter().map(|&(_, value)| value));
    let (top, ticks) = scale.ticks(values.fold(0.0, f64::max));
    let wide = if last > first { last - first } else { 1.0 };
    let x = |at: f64| LEFT + (at - first) / wide * (WIDTH - LEFT - MARGIN);
    let y = |placed: f64| HEIGHT - BELOW - placed / top * (HEIGHT - BELOW - MARGIN);
    let place = |&(at, value): &(f64, f64)| format!("{:.1},{:.1} ", x(at), y(scale.place(value).clamp(0.0, top)));
    let number = |value: f64| format!("{value:.1}");
    let below: Vec<f64> = (0..=5).map(|at| first + (last - first) * f64::from(at) / 5.0).collect();
    let named: Vec<&str> = curves.iter().map(|curve| curve.name).collect();
    html! {
        figure.curves {
            figcaption { (title) }
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(format!("{title} over thresholds: {}; the table has the numbers", named.join(", "))) {
                @for (at, text) in &ticks {
                    line.grid x1=(number(LEFT)) x2=(number(WIDTH - MARGIN)) y1=(number(y(*at))) y2=(number(y(*at))) {}
                    text.tick x=(number(LEFT - 6.0)) y=(number(y(*at) + 4.0)) text-anchor="end" { (text) }
                }
                @for at in &below { text.tick x=(number(x(*at))) y=(number(HEIGHT - 6.0)) text-anchor="middle" { (format!("{at:.1}")) } }
                @if let Some(mark) = mark { line.now x1=(number(x(*mark))) x2=(number(x(*mark))) y1=(number(MARGIN)) y2=(number(HEIGHT - BELOW)) {} }
                @for (at, curve) in curves.iter().enumerate() {
                    polyline class=(format!("curve k{at}")) points=(curve.points.iter().map(place).collect::<String>()) fill="none" {}
                }
            }
            p.legend { @for (at, curve) in curves.iter().enumerate() { span class=(format!("k{at}")) { (curve.name) } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_within_the_axis_and_its_numbers_are_round() {
        for most in [0.0, 1.0, 3.0, 7.0, 99.0, 101.0, 5_749.0, 1e9] {
            for scale in [Scale::Counts, Scale::Powers] {
                let (top, ticks) = scale.ticks(most);
                assert!(top >= scale.place(most) && (2..=7).contains(&ticks.len()), "{most}: {top} {ticks:?}");
                assert!(ticks.iter().all(|&(at, _)| (0.0..=top).contains(&at)), "{most}: {ticks:?}");
            }
        }
        let texts = |(_, ticks): (f64, Vec<(f64, String)>)| ticks.into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(texts(Scale::Counts.ticks(5_749.0)), ["0", "2,000", "4,000", "6,000"]);
        assert_eq!(texts(Scale::Powers.ticks(900.0)), ["1", "10", "100", "1,000"]);
    }

    #[test]
    fn one_point_alone_is_drawn() {
        let curves = vec![Curve { name: "clusters", points: vec![(70.0, 0.0)] }];
        let one = Panel { title: "Clusters", scale: Scale::Counts, curves, range: (70.0, 70.0), mark: Some(70.0) };
        let drawn = panel(&one).into_string();
        assert!(drawn.contains("points=\"72.0,206.0 \"") && !drawn.contains("NaN"), "{drawn}");
    }
}
