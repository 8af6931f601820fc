//! Areas filled with colour: coverage of every pixel computed exactly from the edges of polygons, then blended.

use super::path::{Path, Point};

/// Red, green and blue from 0 to 1.
pub(super) type Colour = [f32; 3];

/// A colour as a stylesheet writes it.
pub(super) const fn hex(rgb: u32) -> Colour {
    [(rgb >> 16 & 255) as f32 / 255.0, (rgb >> 8 & 255) as f32 / 255.0, (rgb & 255) as f32 / 255.0]
}

/// The colour between two at `t`, beyond them for other `t`.
pub(super) fn blend(a: Colour, b: Colour, t: f32) -> Colour {
    [0, 1, 2].map(|i| (a[i] + (b[i] - a[i]) * t).clamp(0.0, 1.0))
}

/// Towards black for a share below 0, towards white above.
pub(super) fn shade(colour: Colour, share: f32) -> Colour {
    if share < 0.0 { blend(colour, [0.0; 3], -share) } else { blend(colour, [1.0; 3], share) }
}

/// Which share of every pixel of a rectangle an area covers.
#[derive(Debug, Clone)]
pub(super) struct Mask {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
    shares: Vec<f32>,
}

/// What an area is filled with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Paint {
    /// One colour.
    Plain(Colour),
    /// From one point with its colour to another.
    Linear(Point, Colour, Point, Colour),
    /// From a centre outwards to a radius.
    Radial(Point, f32, Colour, Colour),
}

impl Paint {
    fn at(&self, x: f32, y: f32) -> Colour {
        match *self {
            Self::Plain(colour) => colour,
            Self::Linear(from, a, to, b) => {
                let (dx, dy) = (to.0 - from.0, to.1 - from.1);
                let t = ((x - from.0) * dx + (y - from.1) * dy) / (dx * dx + dy * dy).max(1e-6);
                blend(a, b, t.clamp(0.0, 1.0))
            }
            Self::Radial(centre, radius, a, b) => {
                let (dx, dy) = (x - centre.0, y - centre.1);
                let t = ((dx * dx + dy * dy).sqrt() / radius.max(1e-6)).min(1.0);
                blend(a, b, t * t * (3.0 - 2.0 * t))
            }
        }
    }
}

/// A square picture that is drawn on.
#[derive(Debug, Clone)]
pub(super) struct Canvas {
    side: usize,
    pixels: Vec<Colour>,
}

impl Canvas {
    pub(super) fn new(side: usize) -> Self {
        Self { side, pixels: vec![[0.0; 3]; side * side] }
    }

    pub(super) fn side(&self) -> usize {
        self.side
    }

    /// What the area covers.
    pub(super) fn mask(&self, path: &Path) -> Mask {
        let side = self.side as f32;
        let points = || path.polygons.iter().flatten();
        let least = |axis: fn(&Point) -> f32| points().map(axis).fold(side, f32::min).clamp(0.0, side).floor() as usize;
        let most = |axis: fn(&Point) -> f32| points().map(axis).fold(0.0, f32::max).clamp(0.0, side).ceil() as usize;
        let (left, top) = (least(|p| p.0), least(|p| p.1));
        let (width, height) = (most(|p| p.0).saturating_sub(left), most(|p| p.1).saturating_sub(top));
        let mut mask = Mask { left, top, width, height, shares: vec![0.0; width * height] };
        for polygon in &path.polygons {
            mask.add(polygon);
        }
        mask
    }

    /// Everything.
    pub(super) fn whole(&self) -> Mask {
        let side = self.side;
        Mask { left: 0, top: 0, width: side, height: side, shares: vec![1.0; side * side] }
    }

    /// Lays paint over the pixels of the mask.
    pub(super) fn fill(&mut self, mask: &Mask, paint: Paint, opacity: f32) {
        for row in 0..mask.height.min(self.side.saturating_sub(mask.top)) {
            for column in 0..mask.width.min(self.side.saturating_sub(mask.left)) {
                let share = mask.shares[row * mask.width + column] * opacity;
                if share > 0.0 {
                    let (x, y) = (mask.left + column, mask.top + row);
                    let pixel = &mut self.pixels[y * self.side + x];
                    *pixel = blend(*pixel, paint.at(x as f32 + 0.5, y as f32 + 0.5), share);
                }
            }
        }
    }

    /// Changes every pixel; it is told where from -1 to 1.
    pub(super) fn change(&mut self, mut to: impl FnMut(Point, Colour) -> Colour) {
        let half = self.side as f32 / 2.0;
        for (i, pixel) in self.pixels.iter_mut().enumerate() {
            let (x, y) = ((i % self.side) as f32 + 0.5, (i / self.side) as f32 + 0.5);
            *pixel = to((x / half - 1.0, y / half - 1.0), *pixel);
        }
    }

    /// Out of focus by so many pixels.
    pub(super) fn blur(&mut self, radius: usize) {
        let side = self.side;
        for channel in 0..3 {
            let plane: Vec<f32> = self.pixels.iter().map(|pixel| pixel[channel]).collect();
            let plane = boxed(&boxed(&plane, side, side, (side, 1), radius), side, side, (1, side), radius);
            for (pixel, value) in self.pixels.iter_mut().zip(plane) {
                pixel[channel] = value;
            }
        }
    }

    /// The bytes, three a pixel, row by row.
    pub(super) fn rgb(&self) -> Vec<u8> {
        self.pixels.iter().flatten().map(|value| (value * 255.0 + 0.5).clamp(0.0, 255.0) as u8).collect()
    }
}

impl Mask {
    /// Adds a polygon: signed areas left of its edges, summed along each row (as FreeType's and font-rs' rasterisers do).
    fn add(&mut self, polygon: &[Point]) {
        let mut cells = vec![0.0f32; (self.width + 2) * self.height];
        let (left, top) = (self.left as f32, self.top as f32);
        for (i, &(x, y)) in polygon.iter().enumerate() {
            let next = polygon[(i + 1) % polygon.len()];
            self.edge(&mut cells, (x - left, y - top), (next.0 - left, next.1 - top));
        }
        for row in 0..self.height {
            let mut sum = 0.0;
            for column in 0..self.width {
                sum += cells[row * (self.width + 2) + column];
                let share = &mut self.shares[row * self.width + column];
                *share = share.max(sum.abs().min(1.0));
            }
        }
    }

    /// One edge: in every row that it crosses, how much of each cell lies to its right.
    fn edge(&self, cells: &mut [f32], from: Point, to: Point) {
        if from.1.total_cmp(&to.1).is_eq() {
            return;
        }
        let (sign, a, b) = if from.1 < to.1 { (1.0, from, to) } else { (-1.0, to, from) };
        let slope = (b.0 - a.0) / (b.1 - a.1);
        let (first, last) = (a.1.max(0.0), b.1.min(self.height as f32));
        let mut y = first;
        while y < last {
            let row = (y as usize).min(self.height - 1);
            let below = last.min(row as f32 + 1.0);
            let height = below - y;
            if height <= 0.0 {
                break;
            }
            let limit = self.width as f32;
            let x = |y: f32| (a.0 + (y - a.1) * slope).clamp(0.0, limit);
            span(&mut cells[row * (self.width + 2)..], sign * height, x(y), x(below));
            y = below;
        }
    }

    /// What both cover.
    pub(super) fn within(mut self, other: &Self) -> Self {
        for row in 0..self.height {
            for column in 0..self.width {
                let (x, y) = ((self.left + column).wrapping_sub(other.left), (self.top + row).wrapping_sub(other.top));
                let there = if x < other.width && y < other.height { other.shares[y * other.width + x] } else { 0.0 };
                self.shares[row * self.width + column] *= there;
            }
        }
        self
    }

    /// With edges that fade over about `radius` pixels: two box filters, one after the other, in both directions.
    pub(super) fn soft(&self, radius: usize) -> Self {
        let grown = self.grown(2 * radius);
        let (w, h) = (grown.width, grown.height);
        let mut shares = grown.shares;
        for _ in 0..2 {
            shares = boxed(&shares, h, w, (w, 1), radius);
            shares = boxed(&shares, w, h, (1, w), radius);
        }
        Self { left: grown.left, top: grown.top, width: w, height: h, shares }
    }

    /// The same with room around it; what reaches beyond the picture is not filled.
    fn grown(&self, by: usize) -> Self {
        let (left, top) = (self.left.saturating_sub(by), self.top.saturating_sub(by));
        let (dx, dy) = (self.left - left, self.top - top);
        let (width, height) = (self.width + dx + by, self.height + dy + by);
        let mut shares = vec![0.0; width * height];
        for row in 0..self.height {
            let to = (row + dy) * width + dx;
            shares[to..to + self.width].copy_from_slice(&self.shares[row * self.width..(row + 1) * self.width]);
        }
        Self { left, top, width, height, shares }
    }
}

/// Spreads `area`, a height, over the cells between `x` and `other` of one row.
fn span(row: &mut [f32], area: f32, x: f32, other: f32) {
    let (low, high) = (x.min(other), x.max(other));
    let first = low as usize;
    let last = (high.ceil() as usize).max(first + 1);
    if last == first + 1 {
        let middle = (low + high) / 2.0 - first as f32;
        row[first] += area * (1.0 - middle);
        row[first + 1] += area * middle;
        return;
    }
    let a_cell = area / (high - low);
    let mut before = 0.0; // what the cells so far have of the area right of the edge
    for (cell, share) in row.iter_mut().enumerate().take(last).skip(first) {
        let (from, to) = (low.max(cell as f32), high.min(cell as f32 + 1.0));
        let passed = a_cell * (from - low); // edges that lie wholly to the left
        let middle = (from + to) / 2.0 - cell as f32;
        let covered = passed + a_cell * (to - from) * (1.0 - middle);
        *share += covered - before;
        before = covered;
    }
    row[last] += area - before;
}

/// Running means of lines: `lines` of them, each of `n` values, with these strides from line to line and on a line.
fn boxed(values: &[f32], lines: usize, n: usize, (line, step): (usize, usize), radius: usize) -> Vec<f32> {
    let mut means = vec![0.0; values.len()];
    let size = (2 * radius + 1) as f32;
    for start in (0..lines).map(|i| i * line) {
        let at = |i: isize| values[start + i.clamp(0, n as isize - 1) as usize * step];
        let mut sum: f32 = (-(radius as isize)..=radius as isize).map(at).sum();
        for i in 0..n {
            means[start + i * step] = sum / size;
            sum += at((i + radius + 1) as isize) - at(i as isize - radius as isize);
        }
    }
    means
}
