//! Pixels in memory, upright, three bytes each, and how they are sampled.

use std::fmt;
use std::ops::Range;

/// A picture of 8-bit red, green and blue, row by row from the top left; at least one pixel.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({} x {})", self.width, self.height)
    }
}

impl Picture {
    /// Of these bytes, three a pixel.
    ///
    /// # Panics
    ///
    /// If there are not `3 * width * height` of them, or none.
    pub fn new(width: usize, height: usize, rgb: Vec<u8>) -> Self {
        assert!(
            !rgb.is_empty() && rgb.len() == 3 * width * height,
            "{width} x {height} pixels are not the bytes given"
        );
        Self { width, height, rgb }
    }

    /// In pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// In pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The bytes, three a pixel.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// These columns and rows of it, which are in the picture and not none.
    pub(super) fn part(&self, columns: Range<usize>, rows: Range<usize>) -> Self {
        let line = |row: usize| &self.rgb[3 * (row * self.width + columns.start)..3 * (row * self.width + columns.end)];
        Self::new(columns.len(), rows.len(), rows.clone().flat_map(line).copied().collect())
    }

    /// The pixel in this column and row, which are in the picture.
    fn pixel(&self, column: usize, row: usize) -> [f32; 3] {
        let at = 3 * (row * self.width + column);
        [0, 1, 2].map(|channel| f32::from(self.rgb[at + channel]))
    }

    /// The colour at a point between pixels, bilinear; pixel (0, 0) has its centre at the origin, and beyond the
    /// edge all is black.
    pub(super) fn sample(&self, x: f32, y: f32) -> [f32; 3] {
        let (left, top) = (x.floor(), y.floor());
        let (right_share, lower_share) = (x - left, y - top);
        let (left, top) = (left as i64, top as i64); // saturates; nothing is near such a point
        let corner = |column: i64, row: i64| match (usize::try_from(column), usize::try_from(row)) {
            (Ok(column), Ok(row)) if column < self.width && row < self.height => self.pixel(column, row),
            _ => [0.0; 3],
        };
        let (right, bottom) = (left.saturating_add(1), top.saturating_add(1));
        let (a, b, c, d) = (corner(left, top), corner(right, top), corner(left, bottom), corner(right, bottom));
        [0, 1, 2].map(|i| {
            let upper = a[i] + (b[i] - a[i]) * right_share;
            let lower = c[i] + (d[i] - c[i]) * right_share;
            upper + (lower - upper) * lower_share
        })
    }

    /// The picture scaled down until its long side has at most `longest` pixels, and never up. A pixel is the mean of the
    /// area that it covers, so that fine patterns do not turn into coarse ones.
    pub(super) fn shrunk(&self, longest: usize) -> Self {
        let long_side = self.width.max(self.height);
        if long_side <= longest {
            return self.clone();
        }
        let scaled = |side: usize| ((side as f64 * longest as f64 / long_side as f64).round() as usize).max(1);
        let (width, height) = (scaled(self.width), scaled(self.height));
        let columns: Vec<Cover> = (0..width).map(|column| Cover::of(column, width, self.width)).collect();
        let mut rgb = Vec::with_capacity(3 * width * height);
        let mut line = vec![[0.0; 3]; width]; // of the small picture: the large one may be 100,000,000 pixels wide
        for row in 0..height {
            line.fill([0.0; 3]);
            Cover::of(row, height, self.height).each(|row, row_share| {
                let pixels = &self.rgb[3 * row * self.width..3 * (row + 1) * self.width];
                for (sum, cover) in line.iter_mut().zip(&columns) {
                    cover.each(|column, share| {
                        let share = row_share * share;
                        (0..3).for_each(|channel| sum[channel] += share * f32::from(pixels[3 * column + channel]));
                    });
                }
            });
            rgb.extend(line.iter().flat_map(|sum| sum.map(to_byte)));
        }
        Self::new(width, height, rgb)
    }
}

/// The stretch of a picture that one row or column of a smaller one covers, in pixels from the edge.
struct Cover {
    from: f64,
    to: f64,
}

impl Cover {
    /// The stretch of place `at` of `n` among `n_old`.
    fn of(at: usize, n: usize, n_old: usize) -> Self {
        let edge = |at: usize| at as f64 * n_old as f64 / n as f64;
        Self { from: edge(at), to: edge(at + 1).min(n_old as f64) }
    }

    /// Every old place that it covers, with its share of the whole.
    fn each(&self, mut with: impl FnMut(usize, f32)) {
        for place in self.from as usize..self.to.ceil() as usize {
            let covered = self.to.min((place + 1) as f64) - self.from.max(place as f64);
            with(place, (covered / (self.to - self.from)) as f32);
        }
    }
}

/// A channel as a byte, rounded.
pub(super) fn to_byte(channel: f32) -> u8 {
    (channel + 0.5) as u8 // saturates at both ends
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "exact by their arithmetic")]
mod tests {
    use super::*;

    /// Red is the column, green the row.
    fn ramp(width: usize, height: usize) -> Picture {
        let pixels = (0..height).flat_map(|row| (0..width).flat_map(move |column| [column as u8, row as u8, 7]));
        Picture::new(width, height, pixels.collect())
    }

    #[test]
    fn between_pixels_lies_their_mix() {
        let picture = ramp(4, 3);
        assert_eq!(picture.sample(1.25, 0.5), [1.25, 0.5, 7.0]);
        assert_eq!(picture.sample(-5.0, 9.0), [0.0; 3]);
        assert_eq!(picture.sample(3.5, 0.0), [1.5, 0.0, 3.5], "half of the last pixel");
        for far in [f32::MAX, f32::MIN, f32::INFINITY, f32::NAN] {
            let _ = picture.sample(far, far); // answers something
        }
    }

    #[test]
    fn a_picture_shrinks_to_its_long_side_and_never_grows() {
        let size = |picture: &Picture| (picture.width(), picture.height());
        assert_eq!(size(&ramp(200, 100).shrunk(50)), (50, 25));
        assert_eq!(size(&ramp(3, 200).shrunk(20)), (1, 20), "a side has at least a pixel");
        assert_eq!(ramp(20, 10).shrunk(20), ramp(20, 10));
        let quarter = ramp(80, 80).shrunk(20);
        assert_eq!(&quarter.rgb()[..6], [2, 2, 7, 6, 2, 7], "the means of 0 to 3 and 4 to 7, rounded");
    }
}
