//! A portrait: layer upon layer, from the wall behind to the light over all.

mod eyes;
mod hair;
mod head;
mod mouth;
mod scene;

use super::canvas::{Canvas, Colour, Mask, Paint, blend, hex, shade};
use super::path::{Path, Point, turn};
use super::person::{Hair, Person, Shot};
use super::random::Random;

/// Draws a person in a picture of `side` x `side` pixels; its bytes, three a pixel.
pub(super) fn draw(person: &Person, shot: &Shot, side: usize) -> Vec<u8> {
    let mut artist = Artist::new(person, shot, side);
    artist.wall();
    artist.hair_behind();
    artist.neck();
    artist.clothes();
    artist.ears();
    artist.head();
    artist.cheeks();
    artist.eyes();
    artist.nose();
    artist.mouth();
    artist.beard();
    artist.marks();
    artist.brows();
    artist.hair_before();
    artist.glasses();
    artist.light();
    artist.canvas.rgb()
}

/// The same place without the person.
pub(super) fn empty(person: &Person, shot: &Shot, side: usize) -> Vec<u8> {
    let mut artist = Artist::new(person, shot, side);
    artist.wall();
    artist.light();
    artist.canvas.rgb()
}

/// Where a point of the head is in the picture: on an ellipsoid that is turned, tilted and moved.
#[derive(Debug, Clone, Copy)]
struct Pose {
    centre: Point,
    scale: f32,
    yaw: (f32, f32),
    pitch: (f32, f32),
    roll: (f32, f32),
}

impl Pose {
    /// A point on the surface of the face.
    fn face(&self, (x, y): Point) -> Point {
        let inside = 1.0 - (x / 0.86) * (x / 0.86) - (y / 1.2) * (y / 1.2);
        self.at((x, y), 0.62 * inside.max(0.0).sqrt())
    }

    fn at(&self, (x, y): Point, z: f32) -> Point {
        let (x, z) = (x * self.yaw.0 + z * self.yaw.1, z * self.yaw.0 - x * self.yaw.1);
        self.level((x, y * self.pitch.0 + z * self.pitch.1))
    }

    /// A point of the picture that leans with the head and does not turn with it.
    fn level(&self, (x, y): Point) -> Point {
        let neck = 0.9; // about which the head leans
        let (y, up) = (y - neck, neck);
        let (x, y) = (x * self.roll.0 - y * self.roll.1, x * self.roll.1 + y * self.roll.0 + up);
        self.still((x, y))
    }

    /// A point that stays where it is.
    fn still(&self, (x, y): Point) -> Point {
        (self.centre.0 + x * self.scale, self.centre.1 + y * self.scale)
    }
}

/// What is needed for every layer.
struct Artist<'a> {
    canvas: Canvas,
    person: &'a Person,
    shot: &'a Shot,
    pose: Pose,
    skin: Skin,
    head: Mask,
    random: Random,
}

/// The colours of a skin.
#[derive(Debug, Clone, Copy)]
struct Skin {
    base: Colour,
    lit: Colour,
    dark: Colour,
    line: Colour,
    rose: Colour,
}

const TONES: [u32; 8] = [0xf8dcc8, 0xf2c8a6, 0xe5b088, 0xd29a6c, 0xb57d50, 0x93603c, 0x6e442c, 0x4f3122];

impl Skin {
    fn of(person: &Person) -> Self {
        let at = person.tone * (TONES.len() - 1) as f32;
        let below = (at as usize).min(TONES.len() - 2);
        let base = blend(hex(TONES[below]), hex(TONES[below + 1]), at - below as f32);
        let deep = blend(base, hex(0x5a1f12), 0.30);
        Self {
            base,
            lit: shade(base, 0.16),
            dark: blend(base, deep, 0.85),
            line: blend(base, hex(0x32120a), 0.62),
            rose: blend(base, hex(if person.tone > 0.55 { 0xa3402f } else { 0xe8675d }), 0.55),
        }
    }
}

impl<'a> Artist<'a> {
    fn new(person: &'a Person, shot: &'a Shot, side: usize) -> Self {
        let canvas = Canvas::new(side);
        let of_side = |share: f32| share * side as f32;
        let pose = Pose {
            centre: (of_side(0.5 + shot.shift.0), of_side(0.50 + shot.shift.1)),
            scale: of_side(0.325 * shot.zoom),
            yaw: turn(shot.yaw),
            pitch: turn(shot.pitch),
            roll: turn(shot.roll),
        };
        let outline = Path::smooth(&head::outline(person)).map(|point| pose.face(point));
        let head = canvas.mask(&outline);
        Self { canvas, person, shot, pose, skin: Skin::of(person), head, random: Random::of(person.seed, 7) }
    }

    /// Lays paint over an area given in places of the face.
    fn face(&mut self, path: &Path, paint: Paint, opacity: f32) {
        let mask = self.mask(path);
        self.canvas.fill(&mask, paint, opacity);
    }

    /// The same, only where the head is.
    fn on_head(&mut self, path: &Path, paint: Paint, opacity: f32) {
        let mask = self.mask(path).within(&self.head);
        self.canvas.fill(&mask, paint, opacity);
    }

    /// The same with soft edges, `radius` in half heads.
    fn soft_on_head(&mut self, path: &Path, radius: f32, colour: Colour, opacity: f32) {
        let mask = self.mask(path).soft(self.pixels(radius)).within(&self.head);
        self.canvas.fill(&mask, Paint::Plain(colour), opacity);
    }

    fn mask(&self, path: &Path) -> Mask {
        let pose = self.pose;
        self.canvas.mask(&path.map(|point| pose.face(point)))
    }

    fn pixels(&self, length: f32) -> usize {
        (length * self.pose.scale + 0.5) as usize
    }

    /// From the colour at one place of the face to that at another.
    fn linear(&self, from: Point, a: Colour, to: Point, b: Colour) -> Paint {
        Paint::Linear(self.pose.face(from), a, self.pose.face(to), b)
    }

    fn radial(&self, centre: Point, radius: f32, a: Colour, b: Colour) -> Paint {
        Paint::Radial(self.pose.face(centre), radius * self.pose.scale, a, b)
    }
}

/// The points and their mirror images, from the last of these back to the first.
fn mirrored(half: &[Point]) -> Vec<Point> {
    let other = half.iter().rev().filter(|point| point.0 != 0.0).map(|&(x, y)| (-x, y));
    half.iter().copied().chain(other).collect()
}

/// Whether hair or cloth hides the ears.
fn covers_ears(hair: Hair) -> bool {
    matches!(hair, Hair::Scarf | Hair::Bob | Hair::Long | Hair::Waves | Hair::Afro | Hair::Turban)
}
