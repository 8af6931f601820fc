//! Nose, mouth and what grows around it.

use super::super::canvas::{Paint, blend, hex, shade};
use super::super::path::Path;
use super::super::person::{Beard, Nose};
use super::{Artist, Person, Point};

impl Artist<'_> {
    pub(super) fn nose(&mut self) {
        let Person { nose, nose_length, nose_width: wide, eye_y, .. } = *self.person;
        let tip = eye_y + nose_length;
        let side = if self.shot.light < 0.0 { 1.0 } else { -1.0 }; // its shadow is away from the light
        let bridge = match nose {
            Nose::Button => 0.035,
            Nose::Straight => 0.05,
            Nose::Broad => 0.07,
            Nose::Hooked => 0.085,
        };
        let half = [(0.02, eye_y - 0.10), (bridge + 0.02, tip - 0.22), (wide, tip - 0.02), (0.0, tip + 0.05)];
        let half: Vec<Point> = half.iter().map(|&(x, y)| (x * side, y)).collect();
        self.soft_on_head(&Path::smooth(&half), 0.025, self.skin.dark, 0.75);
        let shine = Path::ellipse((-side * 0.02, tip - 0.10), (0.045, 0.075), 0.0);
        self.soft_on_head(&shine, 0.03, self.skin.lit, 0.75);
        let line = Paint::Plain(self.skin.line);
        let lift = if nose == Nose::Button { 0.03 } else { 0.0 };
        for side in [-1.0f32, 1.0] {
            let wing =
                [(side * wide * 0.92, tip - 0.11), (side * wide * 1.06, tip - 0.03), (side * wide * 0.66, tip + 0.02)];
            self.face(&Path::tapered(&wing, 0.026), line, 0.75);
            let nostril =
                Path::ellipse((side * wide * 0.44, tip + 0.012 - lift), (wide * 0.25, 0.017 + lift * 0.2), 0.0);
            self.face(&nostril, Paint::Plain(shade(self.skin.line, -0.25)), 0.8);
        }
        let drop = match nose {
            Nose::Hooked => 0.075,
            Nose::Broad => 0.045,
            Nose::Straight => 0.035,
            Nose::Button => 0.010,
        };
        let below = [(-wide * 0.5, tip + 0.02), (0.0, tip + 0.02 + drop), (wide * 0.5, tip + 0.02)];
        self.face(&Path::tapered(&below, 0.024), line, 0.7);
        if nose == Nose::Hooked {
            let bump = [(side * 0.05, eye_y + 0.02), (side * 0.10, eye_y + 0.12), (side * 0.07, tip - 0.12)];
            self.face(&Path::tapered(&bump, 0.018), line, 0.5);
        }
    }

    pub(super) fn mouth(&mut self) {
        let Person { mouth, lips, mouth_y, .. } = *self.person;
        let smile = self.shot.smile;
        let half = mouth * (1.0 + 0.22 * smile.max(0.0));
        let corner = mouth_y - 0.012 - 0.08 * smile;
        let middle = mouth_y + 0.035 * smile;
        let open = self.shot.open * 0.13;
        let lip = self.person.lipstick.unwrap_or(blend(self.skin.rose, self.skin.line, 0.22));
        let upper = [
            (-half, corner),
            (-half * 0.45, middle - lips * 0.75 - 0.02),
            (-half * 0.16, middle - lips),
            (0.0, middle - lips * 0.78),
            (half * 0.16, middle - lips),
            (half * 0.45, middle - lips * 0.75 - 0.02),
            (half, corner),
        ];
        let under = [
            (half * 0.5, middle + lips * 0.9 + open),
            (0.0, middle + lips * 1.25 + open),
            (-half * 0.5, middle + lips * 0.9 + open),
        ];
        let all: Vec<Point> = upper.iter().chain(&under).copied().collect();
        let paint = self.linear((0.0, middle - lips), shade(lip, -0.12), (0.0, middle + lips + open), shade(lip, 0.10));
        self.face(&Path::smooth(&all), paint, 1.0);
        let line = blend(self.skin.line, hex(0x3a0d10), 0.5);
        if open > 0.02 {
            self.teeth(half, corner, middle, open);
        } else {
            let between = [
                (-half * 1.02, corner),
                (-half * 0.5, middle - 0.005),
                (0.0, middle + 0.008),
                (half * 0.5, middle - 0.005),
                (half * 1.02, corner),
            ];
            self.face(&Path::tapered(&between, 0.032), Paint::Plain(line), 1.0);
        }
        let gleam = Path::ellipse((-0.03, middle + lips * 0.62 + open), (half * 0.28, lips * 0.20), 0.0);
        let gleam = self.mask(&gleam).soft(1);
        self.canvas.fill(&gleam, Paint::Plain(shade(lip, 0.5)), 0.5);
        for side in [-1.0f32, 1.0] {
            let dimple = [
                (side * (half + 0.015), corner - 0.045),
                (side * (half + 0.045), corner),
                (side * (half + 0.015), corner + 0.04),
            ];
            self.face(&Path::tapered(&dimple, 0.018), Paint::Plain(self.skin.line), 0.25 + 0.45 * smile.max(0.0));
        }
        let chin = Path::ellipse((0.0, middle + lips + open + 0.09), (half * 0.5, 0.03), 0.0);
        self.soft_on_head(&chin, 0.03, self.skin.dark, 0.7);
    }

    fn teeth(&mut self, half: f32, corner: f32, middle: f32, open: f32) {
        let inside = [
            (-half * 0.86, corner + 0.008),
            (-half * 0.4, middle - 0.012),
            (0.0, middle - 0.004),
            (half * 0.4, middle - 0.012),
            (half * 0.86, corner + 0.008),
            (half * 0.45, middle + open * 0.92),
            (0.0, middle + open * 1.05),
            (-half * 0.45, middle + open * 0.92),
        ];
        let mask = self.mask(&Path::smooth(&inside));
        self.canvas.fill(&mask, Paint::Plain(hex(0x4a1218)), 1.0);
        let tongue = self.mask(&Path::ellipse((0.0, middle + open * 1.2), (half * 0.5, open * 0.5), 0.0)).within(&mask);
        self.canvas.fill(&tongue, Paint::Plain(hex(0xc4605f)), 1.0);
        let teeth = Path::ellipse((0.0, middle - 0.04), (half * 0.85, 0.045 + open * 0.52), 0.0);
        let teeth = self.mask(&teeth).within(&mask);
        self.canvas.fill(&teeth, Paint::Plain(hex(0xfdfaf4)), 1.0);
    }

    pub(super) fn beard(&mut self) {
        let colour = blend(self.person.beard_colour, hex(0x1c120c), if self.person.age > 0.45 { 0.10 } else { 0.25 });
        match self.person.beard {
            Beard::None => {}
            Beard::Stubble => self.whiskers(&self.jaw_area(0.30), colour, 0.30, 0.05),
            Beard::Moustache => self.moustache(colour),
            Beard::Goatee => {
                self.moustache(colour);
                self.goatee(colour);
            }
            Beard::Short => {
                self.whiskers(&self.jaw_area(0.34), colour, 0.85, 0.03);
                self.moustache(colour);
            }
            Beard::Full => {
                self.full_beard(colour);
                self.moustache(colour);
            }
        }
    }

    /// Chin, jaw and lower cheeks with the mouth left out, as one loop.
    fn jaw_area(&self, height: f32) -> Path {
        let Person { cheek, mouth, mouth_y, lips, .. } = *self.person;
        let half = mouth * (1.0 + 0.22 * self.shot.smile.max(0.0)) + 0.02;
        let inner = mouth_y + lips * 1.25 + 0.05 + self.shot.open * 0.13 + 0.03 * self.shot.smile;
        let points = [
            (-1.0, mouth_y - height),
            (-cheek * 0.86, mouth_y - height),
            (-half - 0.10, mouth_y - 0.08),
            (-half, mouth_y + 0.05),
            (-half * 0.5, inner),
            (half * 0.5, inner),
            (half, mouth_y + 0.05),
            (half + 0.10, mouth_y - 0.08),
            (cheek * 0.86, mouth_y - height),
            (1.0, mouth_y - height),
            (0.9, 1.15),
            (-0.9, 1.15),
        ];
        Path::polygon(&points)
    }

    fn whiskers(&mut self, area: &Path, colour: super::Colour, opacity: f32, soft: f32) {
        let mask = self.mask(area).soft(self.pixels(soft)).within(&self.head);
        self.canvas.fill(&mask, Paint::Plain(colour), opacity);
    }

    fn moustache(&mut self, colour: super::Colour) {
        let Person { mouth, mouth_y, lips, eye_y, nose_length, .. } = *self.person;
        let top = (eye_y + nose_length + 0.05).min(mouth_y - lips - 0.05);
        let low = mouth_y - lips * 0.75 - 0.01;
        let corner = mouth_y - 0.075 * self.shot.smile;
        for side in [-1.0f32, 1.0] {
            let points = [
                (0.0, top),
                (side * mouth * 0.5, top + 0.005),
                (side * (mouth + 0.07), corner + 0.02),
                (side * (mouth + 0.02), corner + 0.05),
                (side * mouth * 0.45, low + 0.01),
                (0.0, low - 0.01),
            ];
            self.face(&Path::smooth(&points), Paint::Plain(colour), 0.95);
            for i in 0..5 {
                let t = 0.15 + 0.17 * i as f32;
                let hair = [(side * mouth * t * 0.7, top + 0.01), (side * mouth * (t + 0.12), low + 0.01)];
                self.face(&Path::tapered(&hair, 0.014), Paint::Plain(shade(colour, 0.16)), 0.6);
            }
        }
    }

    fn goatee(&mut self, colour: super::Colour) {
        let Person { mouth, mouth_y, lips, chin_y, .. } = *self.person;
        let top = mouth_y + lips * 1.25 + 0.055 + self.shot.open * 0.13;
        let w = mouth * 0.62;
        let points = [
            (0.0, top),
            (w, top + 0.04),
            (w * 0.9, chin_y - 0.02),
            (0.0, chin_y + 0.12),
            (-w * 0.9, chin_y - 0.02),
            (-w, top + 0.04),
        ];
        self.face(&Path::smooth(&points), Paint::Plain(colour), 0.96);
        self.combed((0.0, top + 0.03), w, chin_y + 0.06, colour, 7);
    }

    fn full_beard(&mut self, colour: super::Colour) {
        let Person { cheek, jaw, chin_y, mouth, mouth_y, lips, .. } = *self.person;
        let half = mouth * (1.0 + 0.22 * self.shot.smile.max(0.0)) + 0.02;
        let inner = mouth_y + lips * 1.25 + 0.045 + self.shot.open * 0.13 + 0.03 * self.shot.smile;
        let points = [
            (-cheek * 0.99, 0.18),
            (-cheek * 0.80, 0.42),
            (-half - 0.09, mouth_y - 0.07),
            (-half, mouth_y + 0.05),
            (0.0, inner),
            (half, mouth_y + 0.05),
            (half + 0.09, mouth_y - 0.07),
            (cheek * 0.80, 0.42),
            (cheek * 0.99, 0.18),
            (jaw + 0.10, 0.72),
            (jaw * 0.75, chin_y + 0.12),
            (0.0, chin_y + 0.30),
            (-jaw * 0.75, chin_y + 0.12),
            (-jaw - 0.10, 0.72),
        ];
        let paint = self.linear((0.0, 0.3), colour, (0.0, chin_y + 0.3), shade(colour, -0.25));
        self.face(&Path::smooth(&points), paint, 0.97);
        self.combed((0.0, inner + 0.03), jaw * 0.95, chin_y + 0.18, colour, 15);
    }

    /// Hairs that fan out from below the mouth.
    fn combed(&mut self, (_, top): Point, wide: f32, low: f32, colour: super::Colour, n: usize) {
        for i in 0..n {
            let t = (i as f32 + 0.5) / n as f32 * 2.0 - 1.0;
            let sway = self.random.within(-0.03, 0.03);
            let end = (t * wide * 0.85 + sway, low - 0.22 * t * t * wide);
            let hair =
                [(t * wide * 0.8, top + 0.05 * t * t), ((t * wide * 0.9 + end.0) / 2.0, (top + end.1) / 2.0), end];
            let tint = if i % 2 == 0 { 0.14 } else { -0.22 };
            self.face(&Path::tapered(&hair, 0.020), Paint::Plain(shade(colour, tint)), 0.55);
        }
    }
}
