//! Neck, ears, head and what the skin shows.

use super::super::canvas::{Paint, blend, shade};
use super::super::path::Path;
use super::{Artist, Person, Point, covers_ears, mirrored};

/// The outline of the head.
pub(super) fn outline(person: &Person) -> Vec<Point> {
    let Person { temple, cheek, jaw, chin, chin_y, .. } = *person;
    mirrored(&[
        (0.0, -1.0),
        (temple * 0.55, -0.93),
        (temple * 0.92, -0.62),
        (temple, -0.22),
        (cheek.max(temple * 0.96), 0.14),
        (cheek * 0.6 + jaw * 0.4, 0.42),
        (jaw, 0.66),
        (chin, chin_y - 0.06),
        (0.0, chin_y),
    ])
}

impl Artist<'_> {
    pub(super) fn neck(&mut self) {
        let wide = 0.30 + self.person.jaw * 0.22;
        let points = [(-wide, 0.45), (-wide, 1.2), (-wide - 0.1, 1.75), (wide + 0.1, 1.75), (wide, 1.2), (wide, 0.45)];
        let pose = self.pose;
        let mask = self.canvas.mask(&Path::polygon(&points).map(|point| pose.still(point)));
        self.canvas.fill(&mask, Paint::Plain(blend(self.skin.base, self.skin.dark, 0.35)), 1.0);
        let shadow = self.mask(&Path::ellipse((0.0, 0.92), (0.56, 0.40), 0.0)).soft(self.pixels(0.06)).within(&mask);
        self.canvas.fill(&shadow, Paint::Plain(shade(self.skin.dark, -0.18)), 0.75);
    }

    pub(super) fn ears(&mut self) {
        if covers_ears(self.person.hair) {
            return;
        }
        let Person { cheek, ear, eye_y, .. } = *self.person;
        for side in [-1.0f32, 1.0] {
            let seen = 1.0 - (side * self.shot.yaw).max(0.0) * 1.2; // the far one goes behind the head
            let centre = (side * (cheek - 0.02 + ear * 0.28 * seen), eye_y + 0.16);
            let turned = side * -0.18;
            self.face(&Path::ellipse(centre, (ear * 0.62, ear * 1.25), turned), Paint::Plain(self.skin.base), 1.0);
            let inner = (centre.0 + side * 0.01, centre.1 + 0.01);
            self.face(&Path::ellipse(inner, (ear * 0.36, ear * 0.85), turned), Paint::Plain(self.skin.dark), 0.7);
            if self.person.earrings {
                let at = (centre.0 + side * 0.02, centre.1 + ear * 1.3);
                self.face(&Path::ellipse(at, (0.042, 0.05), 0.0), Paint::Plain([0.93, 0.76, 0.36]), 1.0);
                self.face(
                    &Path::ellipse((at.0 - 0.012, at.1 - 0.015), (0.013, 0.015), 0.0),
                    Paint::Plain([1.0; 3]),
                    0.8,
                );
            }
        }
    }

    pub(super) fn head(&mut self) {
        let side = if self.shot.light < 0.0 { -1.0 } else { 1.0 };
        let strength = self.shot.light.abs();
        let lit = blend(self.skin.base, self.skin.lit, 0.3 + 0.6 * strength);
        let dark = blend(self.skin.base, self.skin.dark, 0.25 + 0.65 * strength);
        let paint = self.linear((side * 0.7, -0.6), lit, (side * -0.75, 0.5), dark);
        let head = self.head.clone();
        self.canvas.fill(&head, paint, 1.0);
        // the cheek that the light does not reach, and below the jaw
        let far = [(-0.62, -0.9), (-0.52, 0.1), (-0.36, 0.75), (0.1, 1.06), (-0.9, 1.2), (-1.1, -0.5)];
        let far: Vec<Point> = far.iter().map(|&(x, y)| (x * side, y)).collect();
        self.soft_on_head(&Path::smooth(&far), 0.10, self.skin.dark, 0.25 + 0.45 * strength);
        self.soft_on_head(&Path::ellipse((side * 0.18, -0.52), (0.30, 0.18), 0.0), 0.12, self.skin.lit, 0.45);
    }

    pub(super) fn cheeks(&mut self) {
        let Person { rosy, eye_y, cheek, .. } = *self.person;
        let lift = self.shot.smile.max(0.0) * 0.05;
        for side in [-1.0f32, 1.0] {
            let at = (side * cheek * 0.60, eye_y + 0.34 - lift);
            self.soft_on_head(&Path::ellipse(at, (0.15, 0.10), 0.0), 0.06, self.skin.rose, 0.20 + 0.55 * rosy);
        }
    }

    /// Freckles, a mole, and what the years write.
    pub(super) fn marks(&mut self) {
        let eye_y = self.person.eye_y;
        let spots = if self.person.freckles { 26 } else { 0 };
        let brown = blend(self.skin.base, [0.48, 0.22, 0.10], 0.6);
        for _ in 0..spots {
            let (x, y) = (self.random.within(-0.5, 0.5), eye_y + self.random.within(0.16, 0.42));
            let size = self.random.within(0.010, 0.019);
            self.on_head(&Path::ellipse((x, y), (size, size), 0.0), Paint::Plain(brown), 0.7);
        }
        if let Some(at) = self.person.mole {
            self.on_head(&Path::ellipse(at, (0.028, 0.028), 0.0), Paint::Plain([0.22, 0.12, 0.08]), 0.9);
        }
        let age = ((self.person.age - 0.25) * 1.4).clamp(0.0, 1.0);
        if age == 0.0 {
            return;
        }
        let line = Paint::Plain(self.skin.line);
        for (i, y) in [-0.50f32, -0.40, -0.60].into_iter().enumerate().take(1 + (age * 2.5) as usize) {
            let half = 0.30 - 0.05 * i as f32;
            let points = [(-half, y + 0.02), (0.0, y - 0.01), (half, y + 0.02)];
            self.on_head(&Path::tapered(&points, 0.018), line, 0.35 * age);
        }
        let Person { eye, eye_x, nose_width, nose_length, mouth, mouth_y, .. } = *self.person;
        for side in [-1.0f32, 1.0] {
            let bag = [
                (side * (eye_x - eye), eye_y + 0.13),
                (side * eye_x, eye_y + 0.19),
                (side * (eye_x + eye), eye_y + 0.13),
            ];
            self.on_head(&Path::tapered(&bag, 0.020), line, 0.45 * age);
            let fold = [
                (side * (nose_width + 0.05), eye_y + nose_length - 0.04),
                (side * (mouth + 0.04), mouth_y - 0.10),
                (side * (mouth + 0.07), mouth_y + 0.04),
            ];
            self.on_head(&Path::tapered(&fold, 0.024), line, 0.5 * age);
            for foot in [-0.05f32, 0.0, 0.05] {
                let from = (side * (eye_x + eye + 0.05), eye_y + foot * 0.6);
                let to = (side * (eye_x + eye + 0.13), eye_y + foot * 1.6);
                self.on_head(&Path::tapered(&[from, to], 0.014), line, 0.4 * age);
            }
        }
    }
}
