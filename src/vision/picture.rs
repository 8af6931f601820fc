//! Pixels in memory, upright, three bytes each, and how they are sampled.

/// A picture of 8-bit red, green and blue, row by row from the top left; at least one pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
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

    /// The pixel in this column and row, which are in the picture.
    fn pixel(&self, column: usize, row: usize) -> [f32; 3] {
        let at = 3 * (row * self.width + column);
        [0, 1, 2].map(|channel| f32::from(self.rgb[at + channel]))
    }

    /// The colour at a point between pixels, bilinear; pixel (0, 0) has its centre at the origin. Beyond the edge the
    /// picture goes on as `beyond` says.
    pub(super) fn sample(&self, x: f32, y: f32, beyond: Beyond) -> [f32; 3] {
        let (left, top) = (x.floor(), y.floor());
        let (right_share, lower_share) = (x - left, y - top);
        let (left, top) = (left as i64, top as i64); // saturates; nothing is near such a point
        let corner = |column: i64, row: i64| -> [f32; 3] {
            let (last_column, last_row) = (self.width as i64 - 1, self.height as i64 - 1);
            let (inner_column, inner_row) = (column.clamp(0, last_column), row.clamp(0, last_row));
            match beyond {
                Beyond::Black if (inner_column, inner_row) != (column, row) => [0.0; 3],
                _ => self.pixel(inner_column as usize, inner_row as usize),
            }
        };
        let (right, bottom) = (left.saturating_add(1), top.saturating_add(1));
        let (a, b, c, d) = (corner(left, top), corner(right, top), corner(left, bottom), corner(right, bottom));
        [0, 1, 2].map(|i| {
            let upper = a[i] + (b[i] - a[i]) * right_share;
            let lower = c[i] + (d[i] - c[i]) * right_share;
            upper + (lower - upper) * lower_share
        })
    }

    /// The picture scaled down until its long side has at most `longest` pixels, and never up.
    ///
    /// Bilinear; from a half on the mean of several samples a pixel, so that fine patterns do not turn into coarse ones.
    pub(super) fn shrunk(&self, longest: usize) -> Self {
        let long_side = self.width.max(self.height);
        if long_side <= longest {
            return self.clone();
        }
        let scaled = |side: usize| ((side as f64 * longest as f64 / long_side as f64).round() as usize).max(1);
        let (width, height) = (scaled(self.width), scaled(self.height));
        let (step_x, step_y) = (self.width as f32 / width as f32, self.height as f32 / height as f32);
        let n_samples = (long_side / longest).max(1);
        let mut rgb = Vec::with_capacity(3 * width * height);
        for row in 0..height {
            for column in 0..width {
                let sum = self.mean(column as f32 * step_x, row as f32 * step_y, (step_x, step_y), n_samples);
                rgb.extend(sum.map(to_byte));
            }
        }
        Self::new(width, height, rgb)
    }

    /// The mean colour of a rectangle with its upper left corner at (x, y), of `n` x `n` samples spread evenly.
    fn mean(&self, x: f32, y: f32, (width, height): (f32, f32), n: usize) -> [f32; 3] {
        let mut sum = [0.0; 3];
        for part_y in 0..n {
            for part_x in 0..n {
                let inside = |part: usize| (part as f32 + 0.5) / n as f32;
                // corners of pixels to their centres: half a pixel less
                let (x, y) = (x + inside(part_x) * width - 0.5, y + inside(part_y) * height - 0.5);
                let colour = self.sample(x, y, Beyond::Edge);
                (0..3).for_each(|channel| sum[channel] += colour[channel]);
            }
        }
        sum.map(|channel| channel / (n * n) as f32)
    }
}

/// What is beyond the edge of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beyond {
    /// Its outermost pixels.
    Edge,
    /// Nothing.
    Black,
}

/// A channel as a byte, rounded.
pub(super) fn to_byte(channel: f32) -> u8 {
    (channel + 0.5) as u8 // saturates at both ends
}

#[cfg(test)]
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
        assert_eq!(picture.sample(1.25, 0.5, Beyond::Edge), [1.25, 0.5, 7.0]);
        assert_eq!(picture.sample(-5.0, 9.0, Beyond::Edge), [0.0, 2.0, 7.0]);
        assert_eq!(picture.sample(-5.0, 9.0, Beyond::Black), [0.0; 3]);
        assert_eq!(picture.sample(3.5, 0.0, Beyond::Black), [1.5, 0.0, 3.5], "half of the last pixel");
        for far in [f32::MAX, f32::MIN, f32::INFINITY, f32::NAN] {
            let _ = picture.sample(far, far, Beyond::Edge); // answers something
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
