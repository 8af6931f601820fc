//! How hair is worn before the head: one function a style.

use super::super::super::canvas::{Paint, shade};
use super::super::super::path::{Path, mix};
use super::super::super::person::Hair;
use super::super::{Artist, Point, mirrored};

impl Artist<'_> {
    pub(super) fn gleam(&mut self) {
        let x = self.shot.light * 0.3;
        self.soft_on_head(&Path::ellipse((x, -0.76), (0.20, 0.09), 0.0), 0.06, [1.0; 3], 0.28);
        if self.person.hair == Hair::Thinning {
            let t = self.person.temple;
            for side in [-1.0f32, 1.0] {
                let tuft = [
                    (t - 0.05, -0.50),
                    (t + 0.05, -0.40),
                    (t + 0.09, -0.14),
                    (t + 0.06, 0.06),
                    (t - 0.03, 0.14),
                    (t - 0.07, -0.04),
                    (t - 0.10, -0.28),
                ];
                self.lay(&Path::smooth(&tuft.map(|(x, y)| (side * x, y))));
            }
        }
    }

    pub(super) fn side_part(&mut self) {
        let t = self.person.temple;
        let side = if self.person.seed.is_multiple_of(2) { 1.0 } else { -1.0 };
        let points = [
            (-t - 0.05, 0.02),
            (-t - 0.09, -0.30),
            (-t - 0.03, -0.74),
            (-0.45, -1.10),
            (0.05, -1.17),
            (0.48, -1.06),
            (t + 0.02, -0.70),
            (t + 0.05, -0.25),
            (t + 0.03, 0.02),
            (t - 0.05, 0.0),
            (t - 0.08, -0.30),
            (0.52, -0.60),
            (0.36, -0.74),
            (0.05, -0.60),
            (-0.35, -0.46),
            (-0.60, -0.34),
            (-t + 0.05, -0.12),
        ];
        let mask = self.lay(&Path::smooth(&points.map(|(x, y)| (side * x, y))));
        self.strands(&mask, 12, |at| {
            let low = mix((0.30, -0.74), (-t, -0.25), (at + 1.0) / 2.0);
            vec![(side * 0.38, -0.95), (side * (low.0 + 0.1), low.1 - 0.30), (side * low.0, low.1)]
        });
    }

    pub(super) fn quiff(&mut self) {
        let t = self.person.temple;
        let points = [
            (-t - 0.03, 0.0),
            (-t - 0.05, -0.40),
            (-t + 0.02, -0.82),
            (-0.50, -1.16),
            (-0.10, -1.34),
            (0.34, -1.34),
            (0.60, -1.14),
            (t + 0.02, -0.80),
            (t + 0.05, -0.40),
            (t + 0.03, 0.0),
            (t - 0.05, -0.02),
            (t - 0.07, -0.38),
            (0.52, -0.66),
            (0.10, -0.76),
            (-0.35, -0.68),
            (-0.56, -0.52),
            (-t + 0.07, -0.30),
            (-t + 0.05, -0.02),
        ];
        let mask = self.lay(&Path::smooth(&points));
        self.strands(&mask, 13, |at| vec![(at * 0.55, -0.66), (at * 0.6 - 0.08, -1.0), (at * 0.5 + 0.2, -1.36)]);
    }

    pub(super) fn curls(&mut self, line: f32, size: f32, radius: f32) {
        let t = self.person.temple;
        let colour = self.person.hair_colour;
        let cap = Path::smooth(&self.cap(radius, line - 0.06, 0.0, 0.06));
        self.lay(&cap);
        for row in 0..4 {
            let n = 9;
            for i in 0..n {
                let at = i as f32 / (n - 1) as f32 * 2.0 - 1.0;
                let high = line - 0.02 - row as f32 * size * 0.95 * (1.0 - 0.25 * at * at);
                let (x, y) = (at * (t + 0.02) * (1.0 - 0.07 * row as f32), high + 0.52 * at * at * at * at);
                let (dx, dy) = (self.random.within(-0.02, 0.02), self.random.within(-0.02, 0.02));
                let radius = size * self.random.within(0.50, 0.66);
                let tint = self.random.within(-0.20, 0.16);
                let centre = (x + dx, y + dy);
                let paint = self.radial(
                    (centre.0 - 0.03, centre.1 - 0.04),
                    radius * 1.2,
                    shade(colour, tint + 0.12),
                    shade(colour, tint - 0.18),
                );
                self.face(&Path::ellipse(centre, (radius, radius), 0.0), paint, 1.0);
            }
        }
    }

    pub(super) fn bob(&mut self) {
        let t = self.person.temple.max(self.person.cheek - 0.03);
        let half = [
            (0.0, -1.17),
            (t * 0.8, -1.02),
            (t + 0.17, -0.45),
            (t + 0.23, 0.2),
            (t + 0.21, 0.74),
            (t + 0.02, 0.82),
            (t - 0.10, 0.62),
            (t - 0.06, 0.1),
            (t - 0.05, -0.24),
            (t * 0.55, -0.30),
            (0.0, -0.27),
        ];
        let mask = self.lay(&Path::smooth(&mirrored(&half)));
        self.strands(&mask, 13, |at| vec![(at * 0.25, -1.12), (at * t * 0.8, -0.75), (at * t * 0.95, -0.28)]);
        for side in [-1.0f32, 1.0] {
            self.strands(&mask, 4, |at| {
                vec![
                    (side * (t + 0.02), -0.4),
                    (side * (t + 0.06 + 0.07 * at), 0.2),
                    (side * (t + 0.05 + 0.08 * at), 0.76),
                ]
            });
        }
    }

    /// Parted at `part`, falling to both sides and along the cheeks to `low`.
    pub(super) fn curtain(&mut self, part: f32, low: f32) {
        let t = self.person.temple.max(self.person.cheek - 0.03);
        let wavy = self.person.hair == Hair::Waves;
        for side in [-1.0f32, 1.0] {
            let part = part * if self.person.seed.is_multiple_of(2) { 1.0 } else { -1.0 };
            let bulge = if wavy { 0.10 } else { 0.0 };
            let outer = [
                (part, -1.18),
                (side * t * 0.7, -1.08),
                (side * (t + 0.14), -0.55),
                (side * (t + 0.16 + bulge), 0.1),
                (side * (t + 0.18), low * 0.7),
                (side * (t + 0.22 + bulge), low + 0.3),
            ];
            let inner = [
                (side * (t + 0.02 - bulge), low + 0.3),
                (side * (t - 0.02), low * 0.5),
                (side * (t - 0.03), -0.05),
                (side * t * 0.72, -0.50),
                (part + side * 0.06, -0.80),
            ];
            let points: Vec<Point> = outer.into_iter().chain(inner).collect();
            let mask = self.lay(&Path::smooth(&points));
            self.strands(&mask, 8, |at| {
                let wide = t + 0.06 + 0.10 * at;
                vec![
                    (part + side * 0.06, -1.05),
                    (side * wide * 0.85, -0.62),
                    (side * (wide + bulge * 0.5), 0.1),
                    (side * wide, low + 0.2),
                ]
            });
        }
    }

    pub(super) fn pixie(&mut self) {
        let t = self.person.temple;
        let side = if self.person.seed.is_multiple_of(2) { 1.0 } else { -1.0 };
        let points = [
            (-t - 0.06, 0.14),
            (-t - 0.10, -0.30),
            (-t - 0.02, -0.76),
            (-0.42, -1.10),
            (0.08, -1.16),
            (0.50, -1.04),
            (t + 0.06, -0.66),
            (t + 0.08, -0.2),
            (t + 0.04, 0.20),
            (t - 0.06, 0.12),
            (t - 0.07, -0.22),
            (0.42, -0.50),
            (0.05, -0.36),
            (-0.30, -0.18),
            (-0.58, -0.14),
            (-t + 0.10, -0.05),
            (-t + 0.03, 0.16),
        ];
        let mask = self.lay(&Path::smooth(&points.map(|(x, y)| (side * x, y))));
        self.strands(&mask, 14, |at| {
            let end = mix((t * 0.9, -0.3), (-t * 0.95, -0.10), (at + 1.0) / 2.0);
            vec![(side * 0.30, -1.12), (side * (end.0 * 0.6 + 0.15), -0.72), (side * end.0, end.1)]
        });
    }

    pub(super) fn braids(&mut self) {
        let t = self.person.temple;
        let colour = self.person.hair_colour;
        let mask = self.lay(&Path::smooth(&self.cap(1.12, -0.66, 0.10, 0.07)));
        self.strands(&mask, 12, |at| vec![(at * 0.06, -1.1), (at * t * 0.6, -0.85), (at * (t + 0.04), -0.2)]);
        for side in [-1.0f32, 1.0] {
            for i in (0..8).rev() {
                let down = i as f32 / 7.0;
                let at = (side * (t + 0.12 + 0.10 * down), 0.24 + 1.25 * down);
                let lean = side * if i % 2 == 0 { 0.5 } else { -0.5 };
                let paint = self.radial((at.0 - 0.03, at.1 - 0.05), 0.18, shade(colour, 0.16), shade(colour, -0.22));
                self.face(&Path::ellipse(at, (0.12 - 0.03 * down, 0.13), lean), paint, 1.0);
            }
            let tie = Path::ellipse((side * (t + 0.22), 1.60), (0.07, 0.04), 0.0);
            self.face(&tie, Paint::Plain(self.person.cloth), 1.0);
        }
    }

    pub(super) fn spikes(&mut self) {
        let t = self.person.temple;
        let cap = self.cap(1.06, -0.60, 0.0, 0.03);
        let mut path = Path::smooth(&cap);
        for i in 0..9 {
            let at = i as f32 / 4.0 - 1.0;
            let root = (at * t * 0.85, -0.98 + 0.42 * at * at);
            let tip = (
                at * (t + 0.14) + self.random.within(-0.05, 0.05),
                -1.36 + 0.46 * at * at + self.random.within(-0.05, 0.05),
            );
            path = path.and(Path::polygon(&[(root.0 - 0.15, root.1 + 0.05), tip, (root.0 + 0.15, root.1 + 0.05)]));
        }
        let mask = self.lay(&path);
        self.strands(&mask, 12, |at| {
            vec![(at * t * 0.7, -0.62), (at * t * 0.8, -0.95), (at * (t + 0.10), -1.28 + 0.4 * at * at)]
        });
    }

    pub(super) fn locks(&mut self) {
        let t = self.person.temple;
        let colour = self.person.hair_colour;
        self.lay(&Path::smooth(&self.cap(1.12, -0.66, -0.05, 0.06)));
        for i in 0..14 {
            let at = i as f32 / 6.5 - 1.0;
            let edge = at.abs() > 0.62;
            let low = if edge { 0.62 + self.random.within(-0.1, 0.15) } else { -0.55 + 0.15 * at * at };
            let points = [
                (at * 0.35, -1.08),
                (at * (t * 0.85), -0.78),
                (at * (t + 0.12), if edge { -0.15 } else { low }),
                (at * (t + 0.14), low),
            ];
            let tint = if i % 2 == 0 { 0.12 } else { -0.22 };
            self.face(&Path::line(&points[..if edge { 4 } else { 3 }], 0.11), Paint::Plain(shade(colour, tint)), 1.0);
        }
    }

    pub(super) fn scarf(&mut self) {
        let t = self.person.temple.max(self.person.cheek - 0.02);
        let low = self.person.chin_y + 0.06;
        let colour = self.person.cloth;
        // a ring: outside one way round, the face left open the other
        let ring = [
            (0.0, -1.17),
            (t * 0.85, -1.0),
            (t + 0.16, -0.4),
            (t + 0.14, 0.4),
            (t - 0.02, 1.0),
            (0.42, 1.52),
            (0.0, 1.62),
            (-0.42, 1.52),
            (-t + 0.02, 1.0),
            (-t - 0.14, 0.4),
            (-t - 0.16, -0.4),
            (-t * 0.85, -1.0),
            (-0.01, -1.17),
            (-0.01, -0.66),
            (-t * 0.55, -0.58),
            (-t + 0.05, -0.25),
            (-t + 0.03, 0.2),
            (-t + 0.12, 0.62),
            (-0.32, low - 0.06),
            (0.0, low),
            (0.32, low - 0.06),
            (t - 0.12, 0.62),
            (t - 0.03, 0.2),
            (t - 0.05, -0.25),
            (t * 0.55, -0.58),
            (0.0, -0.66),
        ];
        let mask = self.mask(&Path::smooth(&ring));
        let x = self.shot.light * 0.6;
        let paint = self.linear((x, -1.1), shade(colour, 0.14), (-x, 1.3), shade(colour, -0.16));
        self.canvas.fill(&mask, paint, 1.0);
        let folds: [&[Point]; 5] = [
            &[(-t + 0.02, -0.5), (0.0, -0.86), (t - 0.02, -0.5)],
            &[(t + 0.06, -0.2), (t + 0.04, 0.5), (0.30, 1.30)],
            &[(-t - 0.06, -0.2), (-t - 0.04, 0.5), (-0.30, 1.30)],
            &[(-t + 0.05, 0.95), (0.0, 1.30), (t - 0.1, 0.85)],
            &[(-0.4, 1.15), (0.05, 1.45), (0.4, 1.20)],
        ];
        for fold in folds {
            let fold = self.mask(&Path::tapered(fold, 0.045)).within(&mask);
            self.canvas.fill(&fold, Paint::Plain(shade(colour, -0.35)), 0.45);
        }
    }

    pub(super) fn turban(&mut self) {
        let t = self.person.temple;
        let colour = self.person.cloth;
        let half = [
            (0.0, -1.40),
            (0.5, -1.34),
            (t + 0.16, -1.0),
            (t + 0.22, -0.55),
            (t + 0.06, -0.16),
            (t - 0.12, -0.36),
            (0.0, -0.70),
        ];
        let mask = self.mask(&Path::smooth(&mirrored(&half)));
        let paint = self.linear((-0.5, -1.3), shade(colour, 0.16), (0.6, -0.2), shade(colour, -0.22));
        self.canvas.fill(&mask, paint, 1.0);
        for i in 0..6 {
            let up = i as f32 * 0.13;
            let right = [(0.02, -0.70 - up), (t * 0.6, -0.62 - up), (t + 0.2, -0.24 - up)];
            let left = right.map(|(x, y)| (-x, y - 0.03));
            for fold in [&right, &left] {
                let fold = self.mask(&Path::tapered(fold, 0.04)).within(&mask);
                self.canvas.fill(&fold, Paint::Plain(shade(colour, -0.38)), 0.5);
            }
        }
    }
}
