//! What is behind and below the head, and the light over all.

use super::super::canvas::{Colour, Paint, blend, hex, shade};
use super::super::path::Path;
use super::super::random::Random;
use super::Artist;

/// Above and below.
const WALLS: [(u32, u32); 10] = [
    (0xdfe8ee, 0xb7c8d4),
    (0xf2e6d3, 0xd9c3a0),
    (0xcfe0d2, 0x96b59d),
    (0xbfd3ea, 0x7fa3c9),
    (0xf0d4cc, 0xd39d91),
    (0xd8d3e6, 0xa59cc2),
    (0x5d6b78, 0x37424d),
    (0xf4ecc8, 0xdcc476),
    (0x8fb3ae, 0x547f7c),
    (0xe6e3de, 0xc2bdb4),
];

impl Artist<'_> {
    pub(super) fn wall(&mut self) {
        let (above, below) = WALLS[self.shot.scene % WALLS.len()];
        let side = self.canvas.side() as f32;
        let whole = self.canvas.whole();
        self.canvas.fill(&whole, Paint::Linear((0.0, 0.0), hex(above), (side * 0.3, side), hex(below)), 1.0);
        let mut random = Random::of(self.shot.seed, 1);
        match self.shot.scene % 4 {
            0 => {
                for _ in 0..7 {
                    // lamps far behind
                    let at = (random.unit() * side, random.unit() * side * 0.8);
                    let radius = side * random.within(0.04, 0.12);
                    let mask = self.canvas.mask(&Path::ellipse(at, (radius, radius), 0.0)).soft(2);
                    self.canvas.fill(&mask, Paint::Plain(shade(hex(above), 0.5)), 0.4);
                }
            }
            1 => {
                let x = side * random.within(0.1, 0.9); // the edge of a wall
                let corners = [(x, 0.0), (side, 0.0), (side, side), (x, side)];
                let mask = self.canvas.mask(&Path::polygon(&corners)).soft(3);
                self.canvas.fill(&mask, Paint::Plain(shade(hex(below), -0.25)), 0.35);
            }
            2 => {
                for i in 0..5 {
                    // leaves
                    let at = (side * (0.25 * i as f32 + random.within(-0.1, 0.1)), side * random.within(0.0, 0.9));
                    let radii = (side * random.within(0.05, 0.10), side * random.within(0.15, 0.3));
                    let mask = self.canvas.mask(&Path::ellipse(at, radii, random.within(-0.7, 0.7))).soft(5);
                    self.canvas.fill(&mask, Paint::Plain(shade(hex(below), -0.2)), 0.5);
                }
            }
            _ => {}
        }
    }

    pub(super) fn clothes(&mut self) {
        let colour = self.shot.cloth;
        let pose = self.pose;
        let still = |path: Path| path.map(|point| pose.still(point));
        let body = [
            (-0.40, 1.20),
            (-0.75, 1.30),
            (-1.35, 1.52),
            (-1.62, 2.3),
            (1.62, 2.3),
            (1.35, 1.52),
            (0.75, 1.30),
            (0.40, 1.20),
            (0.0, 1.46),
        ];
        let body = self.canvas.mask(&still(Path::smooth(&body)));
        let paint =
            Paint::Linear(pose.still((-1.2, 1.2)), shade(colour, 0.10), pose.still((1.2, 2.0)), shade(colour, -0.22));
        self.canvas.fill(&body, paint, 1.0);
        match self.shot.clothes {
            0 => self.crew(colour),
            1 => self.shirt(colour),
            2 => self.jacket(colour),
            _ => self.roll_neck(colour),
        }
    }

    fn still(&mut self, path: &Path, colour: Colour, opacity: f32) {
        let pose = self.pose;
        let mask = self.canvas.mask(&path.map(|point| pose.still(point)));
        self.canvas.fill(&mask, Paint::Plain(colour), opacity);
    }

    fn crew(&mut self, colour: Colour) {
        let collar = [(-0.47, 1.19), (-0.30, 1.40), (0.0, 1.49), (0.30, 1.40), (0.47, 1.19)];
        self.still(&Path::line(&collar, 0.09), shade(colour, -0.25), 1.0);
    }

    fn shirt(&mut self, colour: Colour) {
        let under = blend(colour, hex(0xffffff), 0.65);
        for side in [-1.0f32, 1.0] {
            let wing = [(side * 0.46, 1.06), (side * 0.58, 1.26), (side * 0.30, 1.68), (side * 0.02, 1.44)];
            self.still(&Path::polygon(&wing), under, 1.0);
            self.still(
                &Path::line(&[(side * 0.58, 1.26), (side * 0.30, 1.68), (side * 0.02, 1.44)], 0.02),
                shade(colour, -0.35),
                0.8,
            );
        }
        self.still(&Path::line(&[(0.0, 1.48), (0.0, 2.2)], 0.03), shade(colour, -0.3), 0.8);
    }

    fn jacket(&mut self, colour: Colour) {
        let shirt = Path::polygon(&[(-0.42, 1.20), (0.42, 1.20), (0.14, 2.3), (-0.14, 2.3)]);
        self.still(&shirt, hex(0xf3efe8), 1.0);
        let throat = [(-0.30, 1.12), (0.30, 1.12), (0.0, 1.52)];
        self.still(&Path::polygon(&throat), blend(self.skin.base, self.skin.dark, 0.45), 1.0);
        for side in [-1.0f32, 1.0] {
            let lapel =
                [(side * 0.44, 1.14), (side * 0.74, 1.42), (side * 0.52, 1.56), (side * 0.12, 2.3), (side * 0.36, 1.5)];
            self.still(&Path::polygon(&lapel), shade(colour, -0.35), 1.0);
        }
    }

    fn roll_neck(&mut self, colour: Colour) {
        let roll = [(-0.46, 1.02), (0.0, 1.16), (0.46, 1.02), (0.52, 1.34), (0.0, 1.48), (-0.52, 1.34)];
        self.still(&Path::smooth(&roll), shade(colour, -0.10), 1.0);
        for x in [-0.3f32, -0.15, 0.0, 0.15, 0.3] {
            self.still(&Path::line(&[(x, 1.12), (x * 1.08, 1.42)], 0.02), shade(colour, -0.3), 0.5);
        }
    }

    /// Focus, warmth, brightness, the darker corners of a lens, and grain.
    pub(super) fn light(&mut self) {
        if self.shot.blur > 0 {
            let radius = (self.shot.blur * self.canvas.side()).div_ceil(super::super::SIDE); // in the picture's usual size
            self.canvas.blur(radius);
        }
        let (warm, exposure, light) = (self.shot.warmth * 0.045, self.shot.exposure, self.shot.light);
        let mut grain = Random::of(self.shot.seed, 2);
        self.canvas.change(|(x, y), colour| {
            let corner = 1.0 - 0.10 * (x * x + y * y);
            let sided = 1.0 + 0.05 * light * x;
            let noise = (grain.unit() - 0.5) * 0.018;
            let gain = corner * sided * (1.0 + exposure);
            let tint = [1.0 + warm, 1.0, 1.0 - warm];
            [0, 1, 2].map(|i| (colour[i] * gain * tint[i] + noise).clamp(0.0, 1.0))
        });
    }
}
