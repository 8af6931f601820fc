//! Who is drawn: the features of a face, and what differs from one picture of it to the next.

use super::canvas::{Colour, hex};
use super::random::Random;

/// How the hair is worn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hair {
    Bald,
    Buzz,
    SidePart,
    Quiff,
    Curls,
    Afro,
    Bob,
    Long,
    Waves,
    Ponytail,
    Bun,
    Pixie,
    Thinning,
    Scarf,
    Braids,
    Spikes,
    Locks,
    Turban,
}

impl Hair {
    /// In the order in which people get them; the common ones come twice.
    const ALL: [Self; 22] = [
        Self::SidePart,
        Self::Long,
        Self::Curls,
        Self::Bob,
        Self::Buzz,
        Self::Bun,
        Self::Quiff,
        Self::Waves,
        Self::Afro,
        Self::Ponytail,
        Self::Thinning,
        Self::Pixie,
        Self::Scarf,
        Self::Spikes,
        Self::Braids,
        Self::Bald,
        Self::Locks,
        Self::Turban,
        Self::Waves,
        Self::SidePart,
        Self::Long,
        Self::Quiff,
    ];

    /// Whether it is more often worn by those with or without a beard; either way a choice of this demo, not of people.
    fn bearded(self) -> f32 {
        match self {
            Self::Bald | Self::Buzz | Self::Thinning | Self::Turban => 0.7,
            Self::SidePart | Self::Quiff | Self::Spikes | Self::Locks => 0.5,
            Self::Curls | Self::Afro => 0.35,
            _ => 0.0,
        }
    }
}

/// What grows on the lower face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beard {
    None,
    Stubble,
    Moustache,
    Goatee,
    Short,
    Full,
}

/// What is worn on the nose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Glasses {
    None,
    Round,
    Square,
    Oval,
    Cat,
}

/// How a nose is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nose {
    Button,
    Straight,
    Broad,
    Hooked,
}

/// One person. Measures are in half heads: the chin of a common face is 1 below its middle, its crown 1 above.
#[derive(Debug, Clone)]
pub(super) struct Person {
    /// From light to dark.
    pub(super) tone: f32,
    pub(super) rosy: f32,
    pub(super) temple: f32,
    pub(super) cheek: f32,
    pub(super) jaw: f32,
    pub(super) chin: f32,
    pub(super) chin_y: f32,
    pub(super) eye: f32,
    pub(super) eye_x: f32,
    pub(super) eye_y: f32,
    pub(super) eye_slant: f32,
    pub(super) eye_open: f32,
    pub(super) iris: Colour,
    pub(super) brow: f32,
    pub(super) brow_arch: f32,
    pub(super) brow_tilt: f32,
    pub(super) brow_y: f32,
    pub(super) nose: Nose,
    pub(super) nose_length: f32,
    pub(super) nose_width: f32,
    pub(super) mouth: f32,
    pub(super) lips: f32,
    pub(super) mouth_y: f32,
    pub(super) ear: f32,
    pub(super) hair: Hair,
    pub(super) hair_colour: Colour,
    pub(super) beard_colour: Colour,
    pub(super) cloth: Colour,
    pub(super) beard: Beard,
    pub(super) glasses: Glasses,
    pub(super) frame: Colour,
    pub(super) freckles: bool,
    pub(super) mole: Option<(f32, f32)>,
    /// From 0, young, to 1.
    pub(super) age: f32,
    pub(super) lipstick: Option<Colour>,
    pub(super) earrings: bool,
    /// Their own habits of strands, freckles and locks.
    pub(super) seed: u64,
    /// All of it as numbers about -1 to 1, of which the embedding is made.
    pub(super) features: Vec<f32>,
}

const IRISES: [u32; 7] = [0x3b2417, 0x5a3a20, 0x7a5a2e, 0x4f7a4a, 0x4d86b8, 0x6f8a99, 0x2b1a12];
/// Natural colours, dark ones first, then grey ones, then dyed ones.
const HAIRS: [u32; 15] = [
    0x17120f, 0x2b1c14, 0x46301f, 0x6b4426, 0x8a3f1d, 0xc0622a, 0xc99a55, 0xe2c07c, 0x8f8d8b, 0xb9b7b4, 0xe8e6e2,
    0x2f7f86, 0xb8446e, 0x5a4a9c, 0xa8323a,
];
const NATURAL: usize = 8;
const GREYS: usize = 3;
const CLOTHS: [u32; 8] = [0x2f6f73, 0xc8553d, 0x33476b, 0xd9a441, 0x7a3b5d, 0x4a6b3a, 0xe0d4c0, 0x8a4f9e];
const FRAMES: [u32; 5] = [0x1c1c22, 0x6b3a1e, 0x8a1f2b, 0xb08d3c, 0x2b4a7a];
const LIPSTICKS: [u32; 4] = [0xb3263a, 0xc74a63, 0x9e2f4f, 0xd0694f];

/// Draws lots and keeps each as a number of the features too.
struct Lots {
    random: Random,
    features: Vec<f32>,
}

impl Lots {
    /// A measure, common ones more often.
    fn measure(&mut self, low: f32, high: f32) -> f32 {
        let at = ((self.random.unit() + self.random.unit()) / 2.0 - 0.5) * 1.3 + 0.5;
        self.keep(at.clamp(0.0, 1.0), low, high)
    }

    fn keep(&mut self, at: f32, low: f32, high: f32) -> f32 {
        self.features.push(at * 2.0 - 1.0);
        low + (high - low) * at
    }

    /// One of `n` kinds: as many numbers, one of them high.
    fn kind(&mut self, of: usize, n: usize, weight: f32) {
        self.features.extend((0..n).map(|i| if i == of { weight } else { 0.0 }));
    }

    /// One of the first `n` of a palette.
    fn one(&mut self, of: &[u32], n: usize, weight: f32) -> Colour {
        let at = self.random.below(n);
        self.kind(at, of.len(), weight);
        hex(of[at])
    }

    fn flag(&mut self, share: f32) -> bool {
        let is = self.random.chance(share);
        self.features.push(if is { 0.8 } else { -0.2 });
        is
    }
}

impl Person {
    /// Number `number` of `n` people; the rarer looks are dealt out so that people differ.
    pub(super) fn new(seed: u64, number: usize, n: usize) -> Self {
        let mut order = Random::of(seed, 1).order(n);
        let tones = order.clone();
        Random::of(seed, 2).order(n).iter().enumerate().for_each(|(i, &at)| order[i] = at);
        let random = Random::of(seed, 100 + number as u64);
        let mut lots = Lots { random, features: Vec::new() };
        let hair = Hair::ALL[order[number] % Hair::ALL.len()];
        let tone = (tones[number] as f32 + 0.5) / n as f32;
        let tone = lots.keep(tone, 0.0, 1.0);
        let age = lots.random.unit() * lots.random.unit();
        let age = lots.keep(if hair == Hair::Thinning { age.max(0.35) } else { age }, 0.0, 1.0);
        let at = Hair::ALL.iter().position(|&kind| kind == hair).unwrap_or(0);
        lots.kind(at, 18, 1.2);
        let (hair_colour, beard_colour) = lots.hair_colours(tone, age);
        let beard = lots.beard(hair);
        let nose = [Nose::Button, Nose::Straight, Nose::Broad, Nose::Hooked][lots.nose()];
        let glasses = lots.glasses();
        let soft = hair.bearded() == 0.0;
        let lipstick = lots.flag(if soft { 0.4 } else { 0.0 }).then(|| hex(lots.random.choose(&LIPSTICKS)));
        Self {
            tone,
            rosy: lots.measure(0.1, 0.9),
            temple: lots.measure(0.64, 0.76),
            cheek: lots.measure(0.60, 0.80),
            jaw: lots.measure(0.42, 0.66),
            chin: lots.measure(0.14, 0.36),
            chin_y: lots.measure(0.90, 1.10),
            eye: lots.measure(0.145, 0.200),
            eye_x: lots.measure(0.27, 0.37),
            eye_y: lots.measure(0.00, 0.14),
            eye_slant: lots.measure(-0.16, 0.22),
            eye_open: lots.measure(0.56, 0.92),
            iris: lots.one(&IRISES, if tone > 0.55 { 3 } else { IRISES.len() }, 0.8),
            brow: lots.measure(0.035, 0.105),
            brow_arch: lots.measure(0.00, 0.10),
            brow_tilt: lots.measure(-0.10, 0.12),
            brow_y: lots.measure(0.20, 0.30),
            nose,
            nose_length: lots.measure(0.32, 0.50),
            nose_width: lots.measure(0.10, 0.20),
            mouth: lots.measure(0.20, 0.34),
            lips: lots.measure(0.03, 0.095),
            mouth_y: lots.measure(0.58, 0.68),
            ear: lots.measure(0.12, 0.22),
            hair,
            hair_colour,
            beard_colour,
            cloth: lots.one(&CLOTHS, CLOTHS.len(), 0.0),
            beard,
            glasses,
            frame: lots.one(&FRAMES, FRAMES.len(), 0.4),
            freckles: lots.flag(if tone < 0.5 { 0.22 } else { 0.0 }),
            mole: lots.flag(0.18).then(|| lots.spot()),
            age,
            lipstick,
            earrings: lots.flag(if soft { 0.5 } else { 0.0 }),
            seed: lots.random.next(),
            features: lots.features,
        }
    }
}

impl Lots {
    /// Of the head and of the beard, which nobody dyes.
    fn hair_colours(&mut self, tone: f32, age: f32) -> (Colour, Colour) {
        let (first, n) = if age > 0.45 {
            (NATURAL, GREYS)
        } else if self.random.chance(0.10) {
            (NATURAL + GREYS, HAIRS.len() - NATURAL - GREYS)
        } else {
            (0, if tone > 0.5 { 3 } else { NATURAL })
        };
        let at = first + self.random.below(n);
        self.kind(at, HAIRS.len(), 1.0);
        let grown = if at < NATURAL + GREYS { at } else { 1 };
        (hex(HAIRS[at]), hex(HAIRS[grown]))
    }

    fn beard(&mut self, hair: Hair) -> Beard {
        let all = [Beard::Stubble, Beard::Moustache, Beard::Goatee, Beard::Short, Beard::Full, Beard::None];
        let at = if self.random.chance(hair.bearded()) { self.random.below(5) } else { 5 };
        self.kind(at, all.len(), 0.9);
        all[at]
    }

    fn nose(&mut self) -> usize {
        let at = self.random.below(4);
        self.kind(at, 4, 0.8);
        at
    }

    fn glasses(&mut self) -> Glasses {
        let all = [Glasses::Round, Glasses::Square, Glasses::Oval, Glasses::Cat, Glasses::None];
        let at = if self.random.chance(0.34) { self.random.below(4) } else { 4 };
        self.kind(at, all.len(), 0.5); // a model looks past them as well as it can
        all[at]
    }

    fn spot(&mut self) -> (f32, f32) {
        let side = if self.random.chance(0.5) { 1.0 } else { -1.0 };
        (side * self.random.within(0.22, 0.42), self.random.within(0.30, 0.56))
    }
}

/// What differs from one picture of a person to the next.
#[derive(Debug, Clone)]
pub(super) struct Shot {
    /// Turned to the side, up and tilted, in radians.
    pub(super) yaw: f32,
    pub(super) pitch: f32,
    pub(super) roll: f32,
    pub(super) zoom: f32,
    pub(super) shift: (f32, f32),
    /// From -1, cross, to 1, a broad smile.
    pub(super) smile: f32,
    pub(super) open: f32,
    pub(super) gaze: (f32, f32),
    /// Eyes from 0, shut, to 1.
    pub(super) lids: f32,
    pub(super) brows: f32,
    /// From the left, -1, to the right.
    pub(super) light: f32,
    pub(super) warmth: f32,
    pub(super) exposure: f32,
    pub(super) scene: usize,
    pub(super) clothes: usize,
    pub(super) cloth: Colour,
    pub(super) bare: bool,
    /// Out of focus by so many pixels.
    pub(super) blur: usize,
    pub(super) seed: u64,
    /// How far from what a model likes best, 0 to about 1.
    pub(super) hard: f32,
}

impl Shot {
    pub(super) fn new(random: &mut Random, person: &Person) -> Self {
        let mood = random.below(10);
        let smile = match mood {
            0..=3 => random.within(0.35, 0.8),
            4..=6 => random.within(0.0, 0.35),
            7 => random.within(-0.6, -0.2),
            _ => random.within(0.6, 1.0),
        };
        let hardness = if random.chance(0.12) { 1.5 } else { 0.8 };
        let cloth = if random.chance(0.25) { person.cloth } else { hex(random.choose(&CLOTHS)) };
        let shot = Self {
            yaw: random.bell() * 0.20 * hardness,
            pitch: random.bell() * 0.10,
            roll: random.bell() * 0.07,
            zoom: random.within(0.93, 1.06),
            shift: (random.bell() * 0.025, random.bell() * 0.02),
            smile,
            open: if mood >= 8 { random.within(0.3, 0.8) } else { 0.0 },
            gaze: (random.bell() * 0.25, random.bell() * 0.12),
            lids: if random.chance(0.03) { 0.0 } else { random.within(0.8, 1.05) },
            brows: random.bell() * 0.02 + if mood >= 8 { 0.02 } else { 0.0 },
            light: random.within(-1.0, 1.0),
            warmth: random.bell() * 0.5,
            exposure: random.bell() * 0.07 * hardness,
            scene: random.below(10),
            clothes: random.below(4),
            cloth,
            bare: random.chance(0.15),
            blur: usize::from(random.chance(0.05)),
            seed: random.next(),
            hard: 0.0,
        };
        let hard = shot.yaw.abs() * 1.2 + shot.exposure.abs() * 1.5 + shot.blur as f32 * 0.4 + shot.open * 0.2;
        Self { hard, ..shot }
    }
}
