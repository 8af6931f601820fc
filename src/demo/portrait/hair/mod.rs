//! Hair, behind the head and before it: what the styles have in common.

mod styles;

use super::super::canvas::{Colour, Mask, Paint, shade};
use super::super::path::Path;
use super::super::person::Hair;
use super::{Artist, Point, mirrored};

impl Artist<'_> {
    pub(super) fn hair_behind(&mut self) {
        let t = self.person.temple.max(self.person.cheek - 0.02);
        let dark = shade(self.person.hair_colour, -0.28);
        match self.person.hair {
            Hair::Long => {
                let half = [
                    (0.0, -1.16),
                    (t * 0.75, -1.02),
                    (t + 0.14, -0.5),
                    (t + 0.20, 0.3),
                    (t + 0.24, 1.1),
                    (t + 0.10, 1.75),
                    (0.3, 1.6),
                ];
                self.behind(&Path::smooth(&mirrored(&half)), dark);
            }
            Hair::Waves => {
                let half = [
                    (0.0, -1.2),
                    (t * 0.8, -1.06),
                    (t + 0.20, -0.5),
                    (t + 0.16, -0.1),
                    (t + 0.32, 0.25),
                    (t + 0.22, 0.6),
                    (t + 0.38, 0.95),
                    (t + 0.18, 1.4),
                    (0.3, 1.3),
                ];
                self.behind(&Path::smooth(&mirrored(&half)), dark);
            }
            Hair::Bob => {
                let half = [
                    (0.0, -1.18),
                    (t * 0.8, -1.04),
                    (t + 0.18, -0.45),
                    (t + 0.24, 0.2),
                    (t + 0.22, 0.78),
                    (t - 0.1, 0.90),
                    (0.2, 0.8),
                ];
                self.behind(&Path::smooth(&mirrored(&half)), dark);
            }
            Hair::Curls => self.ring(1.10, 0.17, 0.20, dark),
            Hair::Afro => self.ring(1.26, 0.26, 0.55, dark),
            Hair::Ponytail => {
                let side = if self.person.seed.is_multiple_of(2) { 1.0 } else { -1.0 };
                let tail = [
                    (0.3, -1.0),
                    (0.85, -0.95),
                    (1.18, -0.4),
                    (1.12, 0.3),
                    (1.22, 0.85),
                    (0.95, 0.7),
                    (0.84, 0.1),
                    (0.72, -0.4),
                ];
                self.behind(&Path::smooth(&tail.map(|(x, y)| (side * x, y))), dark);
            }
            Hair::Bun => {
                self.behind(&Path::ellipse((0.0, -1.24), (0.36, 0.30), 0.0), dark);
                for i in 0..4 {
                    let r = 0.10 + 0.06 * i as f32;
                    let arc = [(-r, -1.22), (0.0, -1.24 - r * 0.8), (r, -1.22)];
                    self.face(&Path::tapered(&arc, 0.03), Paint::Plain(self.person.hair_colour), 0.8);
                }
            }
            Hair::Locks => self.locks_behind(dark),
            Hair::Scarf => {
                let half = [
                    (0.0, -1.18),
                    (t * 0.85, -1.0),
                    (t + 0.18, -0.4),
                    (t + 0.18, 0.4),
                    (t + 0.12, 1.0),
                    (t + 0.5, 1.7),
                    (0.4, 1.9),
                ];
                self.behind(&Path::smooth(&mirrored(&half)), shade(self.person.cloth, -0.25));
            }
            _ => {}
        }
    }

    fn behind(&mut self, path: &Path, colour: Colour) {
        self.face(path, Paint::Plain(colour), 1.0);
    }

    /// Curls around the head down to `low`, `size` each.
    fn ring(&mut self, radius: f32, size: f32, low: f32, colour: Colour) {
        let mut path = Path::ellipse((0.0, -0.25), (radius * 0.80, radius * 0.82), 0.0);
        let n = (18.0 * radius / size / 6.0) as usize + 8;
        for i in 0..n {
            // from the left ear over the crown to the right one
            let (up, right) = super::turn(std::f32::consts::PI * (i as f32 / (n - 1) as f32 - 0.5));
            let at = (right * radius * 0.80, low - up * (radius * 0.86 + low));
            let bump = size * self.random.within(0.85, 1.15);
            path = path.and(Path::ellipse(at, (bump, bump), 0.0));
        }
        self.face(&path, Paint::Plain(colour), 1.0);
    }

    fn locks_behind(&mut self, dark: Colour) {
        let t = self.person.temple;
        for i in 0..17 {
            let at = i as f32 / 8.0 - 1.0;
            let end = (at * (t + 0.30), 1.05 + self.random.within(-0.12, 0.12) + 0.2 * (1.0 - at * at));
            let points = [(at * 0.5, -1.0), (at * (t + 0.16), -0.3), (at * (t + 0.24), 0.4), end];
            let tint = if i % 2 == 0 { dark } else { shade(dark, -0.25) };
            self.face(&Path::line(&points, 0.13), Paint::Plain(tint), 1.0);
        }
    }

    /// A cap of hair: the crown `top` high, the hairline at `line`, down the sides to `low`.
    pub(super) fn cap(&self, top: f32, line: f32, low: f32, thick: f32) -> Vec<Point> {
        let t = self.person.temple;
        let outer = [
            (0.0, -top),
            (t * 0.62, -top * 0.93),
            (t + thick * 0.7, -0.62),
            (t + thick, -0.22),
            (t + thick * 0.6, low),
        ];
        let inner = [(t - 0.05, low), (t - 0.07, -0.20), (t * 0.78, line + 0.16), (t * 0.45, line + 0.02), (0.0, line)];
        let half: Vec<Point> = outer.into_iter().chain(inner).collect();
        let mut all: Vec<Point> = half[..9].to_vec();
        all.push(half[9]);
        all.extend(half[1..9].iter().rev().map(|&(x, y)| (-x, y)));
        all
    }

    pub(super) fn hair_before(&mut self) {
        let colour = self.person.hair_colour;
        let t = self.person.temple;
        match self.person.hair {
            Hair::Bald => self.gleam(),
            Hair::Thinning => self.gleam(),
            Hair::Buzz => {
                let mask = self.mask(&Path::smooth(&self.cap(1.03, -0.58, 0.02, 0.02))).soft(2);
                self.canvas.fill(&mask, Paint::Plain(shade(colour, -0.1)), 0.86);
            }
            Hair::SidePart => self.side_part(),
            Hair::Quiff => self.quiff(),
            Hair::Curls => self.curls(-0.62, 0.15, 1.06),
            Hair::Afro => self.curls(-0.62, 0.17, 1.12),
            Hair::Bob => self.bob(),
            Hair::Long => self.curtain(0.0, 0.9),
            Hair::Waves => self.curtain(0.26, 0.5),
            Hair::Ponytail | Hair::Bun => {
                let mask = self.lay(&Path::smooth(&self.cap(1.09, -0.66, 0.05, 0.03)));
                self.strands(&mask, 15, |at| {
                    vec![(at * t * 0.95, -0.52 - 0.1 * (1.0 - at * at)), (at * t * 0.7, -0.85), (at * 0.12, -1.1)]
                });
            }
            Hair::Pixie => self.pixie(),
            Hair::Braids => self.braids(),
            Hair::Spikes => self.spikes(),
            Hair::Locks => self.locks(),
            Hair::Scarf => self.scarf(),
            Hair::Turban => self.turban(),
        }
    }

    /// Fills an area with hair lit from above; its mask, for strands.
    pub(super) fn lay(&mut self, path: &Path) -> Mask {
        let colour = self.person.hair_colour;
        let mask = self.mask(path);
        let x = self.shot.light * 0.5;
        let paint = self.linear((x, -1.1), shade(colour, 0.10), (-x, 0.4), shade(colour, -0.22));
        self.canvas.fill(&mask, paint, 1.0);
        mask
    }

    /// Strands that follow `along` for places from -1 to 1, lighter and darker ones in turns.
    pub(super) fn strands(&mut self, within: &Mask, n: usize, along: impl Fn(f32) -> Vec<Point>) {
        let colour = self.person.hair_colour;
        for i in 0..n {
            let at = (i as f32 + 0.5) / n as f32 * 2.0 - 1.0 + self.random.within(-0.04, 0.04);
            let thick = self.random.within(0.018, 0.034);
            let mask = self.mask(&Path::tapered(&along(at), thick)).within(within);
            let tint = if i % 3 == 0 { 0.28 } else { -0.30 };
            self.canvas.fill(&mask, Paint::Plain(shade(colour, tint)), if i % 3 == 0 { 0.5 } else { 0.45 });
        }
    }
}
