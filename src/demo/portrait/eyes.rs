//! Eyes, brows and glasses.

use super::super::canvas::{Paint, blend, hex, shade};
use super::super::path::{Path, turn};
use super::super::person::Glasses;
use super::{Artist, Person, Point};

impl Artist<'_> {
    /// A point of an eye, which is slanted: so far outwards and down from its middle, in its own half widths.
    fn of_eye(&self, side: f32, (out, down): Point) -> Point {
        let Person { eye, eye_x, eye_y, eye_slant, .. } = *self.person;
        let (cos, sin) = turn(eye_slant);
        let (x, y) = (out * eye, down * eye);
        (side * (eye_x + x * cos + y * sin), eye_y + y * cos - x * sin)
    }

    pub(super) fn eyes(&mut self) {
        for side in [-1.0f32, 1.0] {
            let open = self.person.eye_open * self.shot.lids * (1.0 - 0.22 * self.shot.smile.max(0.0));
            let socket = Path::smooth(&[(-1.35, 0.1), (-0.4, -1.0), (0.7, -0.95), (1.4, 0.0), (0.3, 0.95)]);
            let socket = socket.map(|point| self.of_eye(side, point));
            self.soft_on_head(&socket, 0.04, self.skin.dark, 0.55);
            if open < 0.12 {
                self.shut(side);
            } else {
                self.open_eye(side, open);
            }
        }
    }

    fn shut(&mut self, side: f32) {
        let lid = [(-1.0, 0.0), (-0.4, 0.34), (0.4, 0.34), (1.05, -0.05)].map(|point| self.of_eye(side, point));
        self.face(&Path::tapered(&lid, 0.045), Paint::Plain(shade(self.skin.line, -0.3)), 1.0);
    }

    fn open_eye(&mut self, side: f32, open: f32) {
        let upper = [(-1.0, 0.12), (-0.55, -0.62 * open), (0.1, -0.98 * open), (0.65, -0.72 * open), (1.08, -0.06)];
        let lower = [(0.55, 0.50 * open), (-0.1, 0.66 * open), (-0.65, 0.44 * open)];
        let place = |point: &Point| self.of_eye(side, *point);
        let white: Vec<Point> = upper.iter().chain(&lower).map(place).collect();
        let lid: Vec<Point> = upper.iter().map(place).collect();
        let crease: Vec<Point> = upper[..4].iter().map(|&(x, y)| place(&(x, y - 0.26))).collect();
        let below: Vec<Point> = [(0.9, 0.12), (0.2, 0.70 * open), (-0.7, 0.46 * open)].iter().map(place).collect();
        let white = self.mask(&Path::smooth(&white));
        self.canvas.fill(&white, Paint::Plain(hex(0xf7f2ec)), 1.0);
        self.iris(side, open, &white);
        self.face(&Path::tapered(&crease, 0.016), Paint::Plain(self.skin.line), 0.65);
        self.face(&Path::tapered(&below, 0.012), Paint::Plain(self.skin.line), 0.5);
        let dark = blend(self.skin.line, hex(0x1a0d08), 0.75);
        let soft = self.person.lipstick.is_some() || self.person.earrings;
        let thick = if soft { 0.048 } else { 0.034 };
        self.face(&Path::stroke(&lid, |t| thick * (0.35 + 0.9 * t)), Paint::Plain(dark), 1.0);
        if soft {
            let lash = [(0.75, -0.55 * open), (1.32, -0.42 - 0.2 * open)].map(|point| self.of_eye(side, point));
            self.face(&Path::tapered(&lash, 0.035), Paint::Plain(dark), 1.0);
        }
    }

    fn iris(&mut self, side: f32, open: f32, white: &super::Mask) {
        let eye = self.person.eye;
        let (x, y) = self.of_eye(side, (0.04, -0.10 * open));
        let at = (x + self.shot.gaze.0 * eye * 0.5, y + self.shot.gaze.1 * eye * 0.4);
        let radius = eye * 0.60;
        let iris = self.person.iris;
        let mask = self.mask(&Path::ellipse(at, (radius, radius), 0.0)).within(white);
        let paint = self.radial((at.0, at.1 + radius * 0.3), radius, shade(iris, 0.25), shade(iris, -0.35));
        self.canvas.fill(&mask, paint, 1.0);
        let pupil = self.mask(&Path::ellipse(at, (radius * 0.48, radius * 0.48), 0.0)).within(white);
        self.canvas.fill(&pupil, Paint::Plain(hex(0x0d0a09)), 1.0);
        let lit = if self.shot.light < 0.0 { -1.0 } else { 1.0 };
        let spark = (at.0 + lit * radius * 0.32, at.1 - radius * 0.36);
        let spark = self.mask(&Path::ellipse(spark, (radius * 0.22, radius * 0.22), 0.0)).within(white);
        self.canvas.fill(&spark, Paint::Plain([1.0; 3]), 0.95);
        // the shadow of the lid
        let shadow = Path::ellipse(self.of_eye(side, (0.05, -1.1 * open)), (eye * 1.2, eye * 0.50), 0.0);
        let shadow = self.mask(&shadow).soft(2).within(white);
        self.canvas.fill(&shadow, Paint::Plain(hex(0x3a241c)), 0.35);
    }

    pub(super) fn brows(&mut self) {
        let Person { eye, eye_x, eye_y, brow, brow_arch, brow_tilt, brow_y, hair_colour, .. } = *self.person;
        let natural = blend(hair_colour, hex(0x1c120c), if self.person.age > 0.5 { 0.25 } else { 0.5 });
        let cross = (-self.shot.smile).max(0.0);
        for side in [-1.0f32, 1.0] {
            let y = eye_y - brow_y - self.shot.brows - 0.02 * self.shot.smile;
            let inner = (side * (eye_x - eye * 1.05), y + 0.02 + brow_tilt * 0.4 + cross * 0.08);
            let middle = (side * (eye_x + eye * 0.25), y - brow_arch * 0.7 - 0.025);
            let outer = (side * (eye_x + eye * 1.35), y + 0.055 - brow_tilt * 0.3);
            let path = Path::stroke(&[inner, middle, outer], |t| brow * (0.75 + 0.9 * t - 1.45 * t * t));
            self.face(&path, Paint::Plain(natural), 0.92);
        }
    }

    pub(super) fn glasses(&mut self) {
        if self.shot.bare || self.person.glasses == Glasses::None {
            return;
        }
        let frame = Paint::Plain(self.person.frame);
        let Person { eye_x, eye_y, cheek, .. } = *self.person;
        for side in [-1.0f32, 1.0] {
            let lens = self.lens(side);
            let mask = self.mask(&Path::smooth(&lens));
            self.canvas.fill(&mask, Paint::Plain([0.88, 0.95, 1.0]), 0.13);
            let gleam = [(eye_x - 0.10, eye_y + 0.14), (eye_x + 0.02, eye_y - 0.16)].map(|(x, y)| (x * side, y));
            let gleam = self.mask(&Path::line(&gleam, 0.05)).within(&mask);
            self.canvas.fill(&gleam, Paint::Plain([1.0; 3]), 0.22);
            let mut rim = lens.clone();
            rim.extend_from_slice(&lens[..2]);
            self.face(&Path::line(&rim, 0.036), frame, 1.0);
            let arm = [(side * (eye_x + 0.25), eye_y - 0.06), (side * (cheek + 0.01), eye_y - 0.02)];
            self.face(&Path::line(&arm, 0.036), frame, 1.0);
        }
        let bridge = eye_x - 0.235;
        let points = [(-bridge, eye_y - 0.03), (0.0, eye_y - 0.075), (bridge, eye_y - 0.03)];
        self.face(&Path::line(&points, 0.034), frame, 1.0);
    }

    fn lens(&self, side: f32) -> Vec<Point> {
        let Person { eye_x, eye_y, .. } = *self.person;
        let shape: &[Point] = match self.person.glasses {
            Glasses::Round | Glasses::None => &[
                (-0.24, 0.0),
                (-0.17, -0.17),
                (0.0, -0.24),
                (0.17, -0.17),
                (0.24, 0.0),
                (0.17, 0.17),
                (0.0, 0.24),
                (-0.17, 0.17),
            ],
            Glasses::Square => &[
                (-0.25, 0.0),
                (-0.25, -0.15),
                (-0.20, -0.18),
                (0.20, -0.18),
                (0.26, -0.15),
                (0.24, 0.12),
                (0.18, 0.18),
                (-0.18, 0.18),
                (-0.24, 0.12),
            ],
            Glasses::Oval => &[
                (-0.25, 0.0),
                (-0.16, -0.12),
                (0.0, -0.15),
                (0.16, -0.12),
                (0.25, 0.0),
                (0.16, 0.12),
                (0.0, 0.15),
                (-0.16, 0.12),
            ],
            Glasses::Cat => &[
                (-0.25, -0.02),
                (-0.16, -0.16),
                (0.10, -0.18),
                (0.33, -0.25),
                (0.26, 0.02),
                (0.14, 0.17),
                (-0.06, 0.19),
                (-0.20, 0.12),
            ],
        };
        shape.iter().map(|&(x, y)| (side * (eye_x + x), eye_y + 0.02 + y)).collect()
    }
}
