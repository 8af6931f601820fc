//! Curves as an SVG picture: panels one below the other, each with axes, a legend and marks.
//!
//! **Why SVG alone.** Every browser shows it and it scales; a PNG would need fonts and a rasteriser in the program.

use std::ops::Range;

use plotters::prelude::*;

use super::Failure;

const WIDTH: u32 = 900;
const PANEL_HEIGHT: u32 = 340;
const TITLE_HEIGHT: u32 = 36;
/// Lines that are not data.
const GREY: RGBColor = RGBColor(150, 150, 150);

/// Colours that are told apart by people who see red and green alike (Okabe, Ito: Color universal design, 2008).
pub(super) const BLUE: RGBColor = RGBColor(0, 114, 178);
pub(super) const ORANGE: RGBColor = RGBColor(213, 94, 0);
pub(super) const GREEN: RGBColor = RGBColor(0, 158, 115);
pub(super) const PURPLE: RGBColor = RGBColor(148, 72, 130);

/// One curve.
pub(super) struct Curve {
    pub(super) name: String,
    pub(super) colour: RGBColor,
    pub(super) points: Vec<(f64, f64)>,
    pub(super) look: Look,
}

/// How a curve is drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Line,
    /// The area below it too.
    Area,
    /// A dot at each point too.
    Dots,
}

/// What an axis counts and how far it goes.
pub(super) struct Axis {
    pub(super) name: &'static str,
    pub(super) range: Range<f64>,
}

/// How values are placed on the vertical axis.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    Linear,
    /// By powers of ten; what is less than the axis has is drawn at its lower end.
    Logarithmic,
}

/// A vertical line with a text at its upper end.
pub(super) struct Mark {
    pub(super) x: f64,
    pub(super) text: String,
}

/// One coordinate system.
pub(super) struct Panel {
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) scale: Scale,
    pub(super) curves: Vec<Curve>,
    pub(super) marks: Vec<Mark>,
    pub(super) legend: SeriesLabelPosition,
}

/// The picture, as the text of an SVG file.
pub(super) fn svg(title: &str, panels: &[Panel]) -> Result<String, Failure> {
    let mut text = String::new();
    {
        let size = (WIDTH, TITLE_HEIGHT + PANEL_HEIGHT * panels.len() as u32);
        let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
        root.fill(&WHITE)?;
        let below = root.titled(title, ("sans-serif", 18))?;
        for (area, panel) in below.split_evenly((panels.len(), 1)).iter().zip(panels) {
            draw(area, panel)?;
        }
        root.present()?;
    }
    Ok(text)
}

fn draw(area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>, panel: &Panel) -> Result<(), Failure> {
    let place = |y: f64| if panel.scale == Scale::Logarithmic { y.log10() } else { y };
    let y = place(panel.y.range.start)..place(panel.y.range.end);
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .margin_right(24)
        .x_label_area_size(42)
        .y_label_area_size(70)
        .build_cartesian_2d(panel.x.range.clone(), y.clone())?;
    let shown = |value: &f64| match panel.scale {
        Scale::Logarithmic => power(*value),
        Scale::Linear => number(*value, &panel.y.range),
    };
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(228, 228, 228))
        .axis_style(GREY)
        .x_desc(panel.x.name)
        .y_desc(panel.y.name)
        .x_label_formatter(&|value| number(*value, &panel.x.range))
        .y_label_formatter(&shown)
        .label_style(("sans-serif", 13))
        .axis_desc_style(("sans-serif", 14))
        .draw()?;
    for curve in &panel.curves {
        let is_inside = |x: f64| x >= panel.x.range.start && x <= panel.x.range.end;
        let points = curve.points.iter().filter(|(x, _)| is_inside(*x));
        let shown = |v: f64| place(v.clamp(panel.y.range.start, panel.y.range.end));
        let points: Vec<_> = points.map(|&(x, v)| (x, shown(v))).collect();
        let style = curve.colour.stroke_width(2);
        if curve.look == Look::Area {
            chart.draw_series(AreaSeries::new(points.iter().copied(), y.start, curve.colour.mix(0.15)))?;
        }
        if curve.look == Look::Dots {
            chart.draw_series(points.iter().map(|&at| Circle::new(at, 3, curve.colour.filled())))?;
        }
        chart
            .draw_series(LineSeries::new(points, style))?
            .label(curve.name.clone())
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 20, y)], style));
    }
    for Mark { x, text } in &panel.marks {
        chart.draw_series([PathElement::new(vec![(*x, y.start), (*x, y.end)], GREY.stroke_width(1))])?;
        let at = (*x, y.end - (y.end - y.start) * 0.02);
        let label = EmptyElement::at(at) + Text::new(text.clone(), (5, 0), ("sans-serif", 13));
        chart.draw_series([label])?;
    }
    chart
        .configure_series_labels()
        .position(panel.legend.clone())
        .background_style(WHITE.mix(0.9))
        .border_style(GREY)
        .label_font(("sans-serif", 13))
        .margin(8)
        .draw()?;
    Ok(())
}

/// A tick of an axis: no more decimals than its range needs.
fn number(value: f64, range: &Range<f64>) -> String {
    let wide = (range.end - range.start).abs();
    let decimals = if wide > 20.0 {
        0
    } else if wide > 0.9 {
        1
    } else {
        2
    };
    let value = if value.abs() < 1e-9 { 0.0 } else { value };
    format!("{value:.decimals$}")
}

/// A tick of a logarithmic axis: 1000, 10, 0.1 or 1e-5; what is no whole power stays without.
fn power(exponent: f64) -> String {
    let whole = exponent.round();
    if (exponent - whole).abs() > 1e-6 {
        String::new()
    } else if (-3.0..=5.0).contains(&whole) {
        format!("{}", 10f64.powf(whole))
    } else {
        format!("1e{whole:.0}")
    }
}
