//! Outlines: closed polygons made of smooth curves, ellipses and tapered strokes.

/// A point; x to the right, y down.
pub(super) type Point = (f32, f32);

/// An area with smooth edges; parts that overlap are one.
#[derive(Debug, Clone, Default)]
pub(super) struct Path {
    pub(super) polygons: Vec<Vec<Point>>,
}

/// How many pieces a curve between two points has.
const PIECES: usize = 8;

/// The point between two at `t`.
pub(super) fn mix(a: Point, b: Point, t: f32) -> Point {
    (a.0 + (b.0 - a.0) * t, a.1 + (b.1 - a.1) * t)
}

/// Cosine and sine of an angle in radians, without the platform's own: exact on the circle, the angle itself to a
/// thousandth within a quarter turn.
pub(super) fn turn(angle: f32) -> (f32, f32) {
    let half = angle / 2.0;
    let square = half * half;
    let t = half * (1.0 + square * (1.0 / 3.0 + square * (2.0 / 15.0 + square * (17.0 / 315.0))));
    let below = 1.0 + t * t;
    ((1.0 - t * t) / below, 2.0 * t / below)
}

/// A Catmull-Rom curve through the points; of an open one the ends are where it begins and stops.
fn curve(points: &[Point], closed: bool) -> Vec<Point> {
    let n = points.len();
    if n < 3 {
        return points.to_vec();
    }
    let at = |i: isize| {
        let i = if closed { i.rem_euclid(n as isize) } else { i.clamp(0, n as isize - 1) };
        points[i as usize]
    };
    let spans = if closed { n } else { n - 1 };
    let mut line = Vec::with_capacity(spans * PIECES + 1);
    for i in 0..spans as isize {
        let (a, b, c, d) = (at(i - 1), at(i), at(i + 1), at(i + 2));
        for piece in 0..PIECES {
            let t = piece as f32 / PIECES as f32;
            let along = |a: f32, b: f32, c: f32, d: f32| {
                0.5 * (2.0 * b
                    + (c - a) * t
                    + (2.0 * a - 5.0 * b + 4.0 * c - d) * t * t
                    + (3.0 * b - a - 3.0 * c + d) * t * t * t)
            };
            line.push((along(a.0, b.0, c.0, d.0), along(a.1, b.1, c.1, d.1)));
        }
    }
    if !closed {
        line.push(points[n - 1]);
    }
    line
}

impl Path {
    /// A closed smooth curve through the points.
    pub(super) fn smooth(points: &[Point]) -> Self {
        Self { polygons: vec![curve(points, true)] }
    }

    /// Straight edges.
    pub(super) fn polygon(points: &[Point]) -> Self {
        Self { polygons: vec![points.to_vec()] }
    }

    /// An ellipse turned by `angle`.
    pub(super) fn ellipse(centre: Point, radii: Point, angle: f32) -> Self {
        const CORNERS: usize = 40;
        let (cos, sin) = turn(angle);
        let (step_cos, step_sin) = turn(std::f32::consts::TAU / CORNERS as f32);
        let mut at = (1.0f32, 0.0f32);
        let mut polygon = Vec::with_capacity(CORNERS);
        for _ in 0..CORNERS {
            let (x, y) = (at.0 * radii.0, at.1 * radii.1);
            polygon.push((centre.0 + x * cos - y * sin, centre.1 + x * sin + y * cos));
            at = (at.0 * step_cos - at.1 * step_sin, at.0 * step_sin + at.1 * step_cos);
        }
        Self { polygons: vec![polygon] }
    }

    /// A stroke along a smooth curve, as wide at every point as `width` says of its way from 0 to 1.
    pub(super) fn stroke(points: &[Point], width: impl Fn(f32) -> f32) -> Self {
        let line = curve(points, false);
        let n = line.len();
        let (mut left, mut right) = (Vec::with_capacity(2 * n), Vec::with_capacity(n));
        for (i, &(x, y)) in line.iter().enumerate() {
            let (before, after) = (line[i.saturating_sub(1)], line[(i + 1).min(n - 1)]);
            let (dx, dy) = (after.0 - before.0, after.1 - before.1);
            let length = (dx * dx + dy * dy).sqrt().max(1e-6);
            let half = width(i as f32 / (n - 1).max(1) as f32) / 2.0;
            let (nx, ny) = (-dy / length * half, dx / length * half);
            left.push((x + nx, y + ny));
            right.push((x - nx, y - ny));
        }
        left.extend(right.into_iter().rev());
        Self { polygons: vec![left] }
    }

    /// A stroke that thins out at both ends.
    pub(super) fn tapered(points: &[Point], width: f32) -> Self {
        Self::stroke(points, |t| width * (0.15 + 3.4 * t * (1.0 - t)))
    }

    /// A stroke of one width.
    pub(super) fn line(points: &[Point], width: f32) -> Self {
        Self::stroke(points, |_| width)
    }

    /// Both areas.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.polygons.extend(other.polygons);
        self
    }

    /// The same with every point moved.
    pub(super) fn map(&self, to: impl Fn(Point) -> Point) -> Self {
        let moved = |polygon: &Vec<Point>| polygon.iter().map(|&point| to(point)).collect();
        Self { polygons: self.polygons.iter().map(moved).collect() }
    }
}
