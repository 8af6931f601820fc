//! `faceclique calibrate`: the confidence scale of a model, fitted from labelled faces.
//!
//! What is printed is a piece of a configuration file: everything but the knots stands behind `#`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use plotters::prelude::SeriesLabelPosition;
use serde_json::{Value, json};

use super::cluster::write_whole;
use super::labelled::{Labelled, LabelledFaces};
use super::plot::{self, Axis, Curve, Look, Mark, Panel, Scale};
use super::progress::Counter;
use super::{Failure, LogArguments};
use crate::calibrate::{Fit, Pairs, Point, Prior, fit};
use crate::engine::Done;

/// The distance of two rows of the printed curve, in cosine.
const STEP: f64 = 0.05;

/// Fit the confidence scale of a model from labelled faces, so that 50 is where a pair is as likely the same person as
/// not.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
All pairs of images are compared: those under one identifier against those under two. Some wrong labels do no harm. From
50 on, every 12.5 points are a factor of ten in the odds of one person against two, as far as there are pairs to tell.

Examples:
  faceclique calibrate faces.npz --plot curve.svg
  faceclique calibrate --database people --data /var/lib/faceclique >> faceclique.toml
  faceclique calibrate faces.npz --prior 0.5 --json")]
pub struct Calibrate {
    #[command(flatten)]
    faces: Labelled,
    /// How likely a pair shows one person before its cosine is known, above 0 and below 1: 0.5 for pairs of which every
    /// second does, less for a larger database; by default the share among all pairs of these faces.
    #[arg(long, value_name = "P", value_parser = prior)]
    prior: Option<Prior>,
    /// The name of the model in the printed configuration; by default that of the database's model, or of the file.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// A picture of the pairs and the curve.
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn prior(text: &str) -> Result<Prior, String> {
    let prior = text.parse().ok().and_then(Prior::new);
    prior.ok_or_else(|| "it is a number above 0 and below 1".to_owned())
}

/// What was measured, with what it is called.
struct Measured {
    name: String,
    shape: (usize, usize),
    pairs: Pairs,
    fit: Fit,
    took: Duration,
}

impl Calibrate {
    pub(super) fn run(self, log: &LogArguments) -> Result<(), Failure> {
        if let Some(path) = self.plot.as_deref().filter(|path| path.extension().is_none_or(|ending| ending != "svg")) {
            return Err(format!("--plot {}: the ending must be .svg", path.display()).into());
        }
        let LabelledFaces { faces, name, .. } = self.faces.read(log)?;
        let begun = Instant::now();
        let counter = Mutex::new(Counter::new("comparing", "pairs"));
        let pairs = Pairs::count_watched(&faces, self.faces.threads(), &|n, total| {
            let mut counter = counter.lock().unwrap_or_else(PoisonError::into_inner);
            counter.show(Done { n, total: Some(total) });
        });
        drop(counter);
        let fit = fit(&pairs, self.prior)?;
        let took = begun.elapsed();
        let name = self.model.unwrap_or(name);
        let measured = Measured { name, shape: (faces.len(), faces.dimension()), pairs, fit, took };
        if let Some(path) = &self.plot {
            let svg = plot::svg(&format!("Confidence of {}", measured.name), &panels(&measured))?;
            write_whole(path, |out| Ok(out.write_all(svg.as_bytes())?))?;
        }
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{:#}", measured.json())?;
        } else {
            measured.report(&mut out)?;
            measured.curve(&mut out)?;
            measured.snippet(&mut out)?;
        }
        Ok(())
    }
}

impl Measured {
    fn report(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { pairs, fit, shape: (n, d), .. } = self;
        let took = self.took.as_secs_f64();
        writeln!(
            out,
            "# faces        {n} x {d} of {} identities, {} of several images",
            pairs.n_identities, pairs.n_several
        )?;
        writeln!(
            out,
            "# pairs        {} of one identifier, {} of two, compared in {took:.2} s",
            pairs.n_same, pairs.n_different
        )?;
        let one_of = |prior: Prior| format!("1 pair of {:.0}", 1.0 / prior.probability());
        writeln!(
            out,
            "# 50           at cosine {:.4} +- {:.4} (standard error over identities), where {} is of one person",
            fit.even,
            fit.even_error,
            one_of(fit.prior)
        )?;
        let even = fit.even_densities.map_or("nowhere".to_owned(), |even| format!("at cosine {even:.4}"));
        writeln!(
            out,
            "# prior        {} here; with equal chances beforehand 50 would be {even}",
            one_of(fit.prior_of_pairs)
        )?;
        let (rates, labels) = (fit.at(fit.even).rates, fit.rates_by_labels);
        writeln!(
            out,
            "# errors at 50 {} of the pairs of two people match, {} of the pairs of one do not",
            percent(rates.false_match),
            percent(rates.false_non_match)
        )?;
        writeln!(
            out,
            "#              by the labels as they are: {} and {}",
            percent(labels.false_match),
            percent(labels.false_non_match)
        )?;
        let (rate, at) = fit.equal_error;
        writeln!(out, "# equal errors {} at cosine {at:.4}", percent(rate))?;
        writeln!(
            out,
            "# wrong labels {} of the pairs of one identifier look like two people, {} of those of two like one",
            percent(fit.wrong_same),
            percent(fit.wrong_different)
        )
    }

    fn curve(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "#\n# cosine  confidence  P(same)  false match  false non-match")?;
        for Point { cosine, probability, rates, .. } in self.rows() {
            let confidence = self.fit.scale.confidence(cosine).to_string();
            let (matched, missed) = (percent(rates.false_match), percent(rates.false_non_match));
            writeln!(out, "# {cosine:>6.2}  {confidence:>10}  {probability:>7.4}  {matched:>11}  {missed:>15}")?;
        }
        writeln!(out)
    }

    /// The curve where it is of interest, at round cosines.
    fn rows(&self) -> impl Iterator<Item = Point> {
        let curve = &self.fit.curve;
        let first = curve.iter().find(|point| point.rates.false_match < 0.5);
        let last = curve.iter().rfind(|point| point.rates.false_non_match < 0.75);
        let step = |point: Option<&Point>| point.map_or(0, |point| (point.cosine / STEP).round() as i64);
        (step(first)..=step(last)).map(|k| Point { cosine: k as f64 * STEP, ..*self.fit.at(k as f64 * STEP) })
    }

    fn snippet(&self, out: &mut dyn Write) -> io::Result<()> {
        let knots = self.fit.scale.knots().iter().map(|(cosine, confidence)| format!("[{cosine}, {confidence}]"));
        let knots: Vec<_> = knots.collect();
        writeln!(out, "[[models]]")?;
        writeln!(out, "name = {}", json!(self.name))?; // what JSON quotes and escapes, TOML reads
        writeln!(out, "dimension = {}", self.shape.1)?;
        writeln!(out, "knots = [{}] # cosine and confidence", knots.join(", "))
    }

    fn json(&self) -> Value {
        let Self { pairs, fit, .. } = self;
        let rates = fit.at(fit.even).rates;
        let curve = self.rows().map(|Point { cosine, probability, same, different, rates }| {
            json!({
                "cosine": cosine, "confidence": f64::from(fit.scale.confidence(cosine).hundredths()) / 100.0,
                "probability": probability, "same_density": same, "different_density": different,
                "false_match": rates.false_match, "false_non_match": rates.false_non_match,
            })
        });
        json!({
            "model": self.name, "faces": self.shape.0, "dimension": self.shape.1,
            "identities": pairs.n_identities, "identities_of_several": pairs.n_several,
            "same_pairs": pairs.n_same, "different_pairs": pairs.n_different,
            "prior": fit.prior.probability(), "knots": fit.scale.knots(),
            "even": { "cosine": fit.even, "standard_error": fit.even_error,
                "false_match": rates.false_match, "false_non_match": rates.false_non_match,
                "false_match_by_labels": fit.rates_by_labels.false_match,
                "false_non_match_by_labels": fit.rates_by_labels.false_non_match },
            "prior_of_pairs": fit.prior_of_pairs.probability(), "even_densities": fit.even_densities,
            "equal_error": { "rate": fit.equal_error.0, "cosine": fit.equal_error.1 },
            "wrong_same": fit.wrong_same, "wrong_different": fit.wrong_different,
            "curve": curve.collect::<Vec<_>>(),
        })
    }
}

/// Three digits that count: rates span many powers of ten.
fn percent(rate: f64) -> String {
    let percent = rate * 100.0;
    if percent == 0.0 {
        return "0 %".to_owned();
    }
    let decimals = (2.0 - percent.log10().floor()).clamp(0.0, 7.0) as usize;
    format!("{percent:.decimals$} %")
}

/// The pairs above, the curve below.
fn panels(measured: &Measured) -> [Panel; 2] {
    let fit = &measured.fit;
    let curve = |name: &str, colour, look, value: &dyn Fn(&Point) -> f64| Curve {
        name: name.to_owned(),
        colour,
        look,
        points: fit.curve.iter().step_by(8).map(|point| (point.cosine, value(point))).collect(),
    };
    let seen = |point: &&Point| point.same + point.different > 1e-4;
    let (first, last) = (fit.curve.iter().find(seen), fit.curve.iter().rfind(seen));
    let low = first.map_or(-1.0, |point| (point.cosine * 10.0).floor() / 10.0);
    let high = last.map_or(1.0, |point| (point.cosine * 10.0).ceil() / 10.0).min(1.0);
    let axis = || Axis { name: "cosine", range: low..high };
    let mark = |x: f64, text: String| Mark { x, text };
    let densities = Panel {
        x: axis(),
        y: Axis { name: "share of pairs per unit of cosine", range: 1e-4..100.0 },
        scale: Scale::Logarithmic,
        curves: vec![
            curve("pairs of two people", plot::ORANGE, Look::Area, &|point| point.different),
            curve("pairs of one person", plot::BLUE, Look::Area, &|point| point.same),
        ],
        marks: vec![mark(fit.even, format!("50 at {:.3}", fit.even))],
        legend: SeriesLabelPosition::UpperRight,
    };
    let rate = |value: f64| value * 100.0;
    let curves = Panel {
        x: axis(),
        y: Axis { name: "percent, or confidence", range: 0.0..100.0 },
        scale: Scale::Linear,
        curves: vec![
            curve("P(one person)", plot::GREEN, Look::Line, &|point| rate(point.probability)),
            curve("confidence", plot::PURPLE, Look::Line, &|point| {
                f64::from(fit.scale.confidence(point.cosine).hundredths()) / 100.0
            }),
            curve("false matches", plot::ORANGE, Look::Line, &|point| rate(point.rates.false_match)),
            curve("missed matches", plot::BLUE, Look::Line, &|point| rate(point.rates.false_non_match)),
        ],
        marks: vec![mark(fit.even, String::new())], // a text would hide the curves
        legend: SeriesLabelPosition::MiddleRight,
    };
    [densities, curves]
}
