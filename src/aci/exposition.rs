//! The Prometheus text format 0.0.4, written family by family.
//!
//! **Promises.** A family has its HELP and TYPE once, in front of its samples. Values are written so that they read back
//! exactly; labels are escaped. Which labels there are is the caller's to bound.

use std::fmt::Write as _;

use crate::engine::Histogram;

/// What a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It only grows, and begins at 0 with the process.
    Counter,
    Gauge,
}

/// Metrics being written.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    text: String,
}

/// The labels of a sample: names and values.
pub(crate) type Labels<'a> = &'a [(&'a str, &'a str)];

impl Exposition {
    /// A family of counters or gauges. One without samples is left out.
    pub(crate) fn family<'l, L: AsRef<[(&'l str, &'l str)]>>(
        &mut self,
        kind: Kind,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, f64)>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        self.head(name, help, if kind == Kind::Counter { "counter" } else { "gauge" });
        for (labels, value) in samples {
            self.sample(name, labels.as_ref(), None, value);
        }
    }

    /// A family of one sample without labels; none is left out.
    pub(crate) fn single(&mut self, kind: Kind, name: &str, help: &str, value: impl Into<Option<f64>>) {
        let none: Labels<'_> = &[];
        self.family(kind, name, help, value.into().map(|value| (none, value)));
    }

    /// A family of histograms.
    pub(crate) fn histograms<'l, 'h>(
        &mut self,
        name: &str,
        help: &str,
        histograms: impl IntoIterator<Item = (Labels<'l>, &'h Histogram)>,
    ) {
        self.head(name, help, "histogram");
        for (labels, histogram) in histograms {
            let mut all = 0;
            let bounds = histogram.bounds.iter().copied().chain([f64::INFINITY]);
            for (bound, count) in bounds.zip(&histogram.counts) {
                all += count;
                self.sample(&format!("{name}_bucket"), labels, Some(bound), all as f64);
            }
            self.sample(&format!("{name}_sum"), labels, None, histogram.sum);
            self.sample(&format!("{name}_count"), labels, None, all as f64);
        }
    }

    /// What was written.
    pub(crate) fn finish(self) -> String {
        self.text
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}"); // a String takes everything
    }

    fn sample(&mut self, name: &str, labels: Labels<'_>, bound: Option<f64>, value: f64) {
        let labels = labels.iter().map(|&(name, value)| (name, escaped(value)));
        let bound = bound.map(|bound| ("le", number(bound)));
        let labels: Vec<String> = labels.chain(bound).map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.text, "{name}{labels} {}", number(value));
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// As the format wants it: shortest digits that read back, `+Inf`.
fn number(value: f64) -> String {
    if value.is_infinite() { if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned() } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_written_as_the_format_says() {
        let mut text = Exposition::default();
        let odd = [("queue", "a\"b\\c\nd")];
        text.family(Kind::Gauge, "x_jobs", "How many\njobs.", [(odd, 3.0), ([("queue", "b")], 0.5)]);
        text.family(Kind::Gauge, "left_out", "Nothing.", Vec::<(Labels<'_>, f64)>::new());
        text.single(Kind::Counter, "x_total", "All.", 1e18);
        text.single(Kind::Gauge, "unknown", "Nothing.", None);
        let mut histogram = Histogram::new(&[0.5, 10.0]);
        for value in [0.25, 0.5, 20.0] {
            histogram.add(value);
        }
        text.histograms("x_seconds", "Times.", [(&[("q", "f")][..], &histogram)]);
        let expected = "\
# HELP x_jobs How many\\njobs.
# TYPE x_jobs gauge
x_jobs{queue=\"a\\\"b\\\\c\\nd\"} 3
x_jobs{queue=\"b\"} 0.5
# HELP x_total All.
# TYPE x_total counter
x_total 1000000000000000000
# HELP x_seconds Times.
# TYPE x_seconds histogram
x_seconds_bucket{q=\"f\",le=\"0.5\"} 2
x_seconds_bucket{q=\"f\",le=\"10\"} 2
x_seconds_bucket{q=\"f\",le=\"+Inf\"} 3
x_seconds_sum{q=\"f\"} 20.75
x_seconds_count{q=\"f\"} 3
";
        assert_eq!(text.finish(), expected);
    }
}
