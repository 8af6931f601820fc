//! Densities over the bins of cosine: quantiles, smoothing, and the nearest rising curve.

use super::pairs::{BINS, Histogram, cosine_of};

/// Scaled to sum to 1.
pub(super) fn normal(histogram: &[f64]) -> Histogram {
    let sum: f64 = histogram.iter().sum();
    histogram.iter().map(|count| count / sum.max(f64::MIN_POSITIVE)).collect()
}

/// How much lies at or above a cosine; a bin that holds it counts in part.
pub(super) fn tail(histogram: &[f64], cosine: f64) -> f64 {
    let place = ((cosine + 1.0) * (BINS as f64 / 2.0)).clamp(0.0, BINS as f64);
    let bin = (place as usize).min(BINS - 1);
    histogram[bin + 1..].iter().sum::<f64>() + histogram[bin] * (bin as f64 + 1.0 - place)
}

/// The cosine below which the part `q` lies.
pub(super) fn quantile(density: &[f64], q: f64) -> f64 {
    let mut below = 0.0;
    for (bin, part) in density.iter().enumerate() {
        if below + part >= q && *part > 0.0 {
            return (bin as f64 + (q - below) / part) * 2.0 / BINS as f64 - 1.0;
        }
        below += part;
    }
    1.0
}

/// Silverman's width, in bins: Density estimation for statistics and data analysis, 1986, (3.31), without the standard
/// deviation, which wrong labels would widen. The part `wrong`, the lowest, does not count.
pub(super) fn width(density: &[f64], wrong: f64, n: f64) -> f64 {
    let right = |q: f64| quantile(density, wrong + (1.0 - wrong) * q);
    let spread = (right(0.75) - right(0.25)) / 1.34;
    0.9 * spread * n.max(2.0).powf(-0.2) * BINS as f64 / 2.0
}

/// Convolved with a Gaussian of this width in bins; what would leave the ends stays in the outermost bins.
pub(super) fn smooth(density: &[f64], width: f64) -> Histogram {
    let reach = (width * 4.0).ceil().min(BINS as f64 / 2.0) as usize;
    if reach == 0 {
        return density.to_vec();
    }
    let kernel: Vec<f64> =
        (0..=2 * reach).map(|k| (-0.5 * ((k as f64 - reach as f64) / width).powi(2)).exp()).collect();
    let sum: f64 = kernel.iter().sum();
    let mut out = vec![0.0; BINS];
    for (bin, &part) in density.iter().enumerate().filter(|(_, part)| **part > 0.0) {
        for (k, weight) in kernel.iter().enumerate() {
            out[(bin + k).saturating_sub(reach).min(BINS - 1)] += part * weight / sum;
        }
    }
    out
}

/// The rising curve nearest to the shares (part of whole) by squares weighted with the wholes: pool adjacent violators
/// (Ayer, Brunk, Ewing, Reid, Silverman 1955).
pub(super) fn rising(shares: impl Iterator<Item = (f64, f64)>) -> Histogram {
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for (part, whole) in shares {
        let mut pool = (part, whole, 1);
        // compared crosswise, so that empty bins join what is before them
        while let Some(&(p, w, n)) = pools.last() {
            if p * pool.1 < pool.0 * w {
                break;
            }
            pool = (p + pool.0, w + pool.1, n + pool.2);
            pools.pop();
        }
        pools.push(pool);
    }
    let share =
        |(part, whole, n): (f64, f64, usize)| std::iter::repeat_n(if whole > 0.0 { part / whole } else { 0.0 }, n);
    pools.into_iter().flat_map(share).collect()
}

/// Where a rising curve over the bins passes `level`, linear between their middles.
pub(super) fn crossing(curve: &[f64], level: f64) -> Option<f64> {
    let above = curve.partition_point(|&value| value < level);
    if above == 0 || above == curve.len() {
        return None;
    }
    let (low, high) = (curve[above - 1], curve[above]);
    let part = if high > low { (level - low) / (high - low) } else { 0.5 };
    Some(cosine_of(above - 1) + part * 2.0 / BINS as f64)
}
