//! Errors planted in labelled faces, and what an audit makes of them.

use std::collections::{BTreeMap, BTreeSet};

use faceclique::cluster::audit::{Audit, Case, Finding, Identities, Kind};
use faceclique::face::{Embedding, FaceId, FaceSet, face_id};

/// One image of the data: the identity it is filed under, its label, its embedding.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) identity: String,
    pub(crate) label: String,
    pub(crate) embedding: Vec<f32>,
}

/// A small generator of numbers (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// From -1 to 1, in a bell.
    pub(crate) fn bell(&mut self) -> f32 {
        let uniform = |r: u64| (r >> 11) as f32 / (1u64 << 53) as f32 * 2.0 - 1.0;
        (0..6).map(|_| uniform(self.next())).sum::<f32>() / 6.0
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            let other = self.below(at + 1);
            items.swap(at, other);
        }
    }
}

/// What was planted.
pub(crate) struct Planted {
    pub(crate) faces: FaceSet,
    /// Of each label the identity it truly belongs to.
    truth: BTreeMap<String, String>,
    /// Labels of images that were moved from an identity of at least three, so that at least two of it are left.
    pub(crate) moved: BTreeSet<String>,
    /// Labels of all images that are not where they belong.
    pub(crate) wrong: BTreeSet<String>,
    /// Names of the halves of identities that were split.
    pub(crate) split: BTreeSet<(String, String)>,
    /// Names of identities that hold two people.
    pub(crate) merged: BTreeSet<String>,
    /// Labels of copies.
    pub(crate) copies: BTreeSet<String>,
}

/// How much is planted.
pub(crate) struct Amount {
    pub(crate) moved: usize,
    pub(crate) split: usize,
    pub(crate) merged: usize,
    pub(crate) copies: usize,
}

impl Amount {
    /// 1 % of the images moved, 1 % of the identities split, 20 merged, 40 copied.
    pub(crate) fn usual(images: &[Image]) -> Self {
        let identities: BTreeSet<&str> = images.iter().map(|image| image.identity.as_str()).collect();
        Self { moved: images.len() / 100, split: identities.len() / 100, merged: 20, copies: 40 }
    }
}

/// Plants errors. Identities that are split or merged have no other errors; copies are half exact and half with noise, half
/// under their own identifier and half under another.
pub(crate) fn plant(images: &[Image], amount: &Amount, seed: u64) -> Planted {
    let mut random = Random(seed);
    let mut images = images.to_vec();
    let truth: BTreeMap<String, String> = images.iter().map(|i| (i.label.clone(), i.identity.clone())).collect();
    let mut of: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, image) in images.iter().enumerate() {
        of.entry(image.identity.clone()).or_default().push(at);
    }
    let names: Vec<String> = of.keys().cloned().collect();
    let mut several: Vec<String> = names.iter().filter(|name| of[*name].len() >= 2).cloned().collect();
    random.shuffle(&mut several);
    let mut planted = Planted {
        faces: FaceSet::new([]).unwrap(),
        truth,
        moved: BTreeSet::new(),
        wrong: BTreeSet::new(),
        split: BTreeSet::new(),
        merged: BTreeSet::new(),
        copies: BTreeSet::new(),
    };
    let mut used = BTreeSet::new();
    for name in several.iter().take(amount.split) {
        let mut members = of[name].clone();
        random.shuffle(&mut members);
        let half = 1 + random.below(members.len() - 1);
        let other = format!("{name} (2)");
        members[..half].iter().for_each(|&at| images[at].identity.clone_from(&other));
        used.insert(name.clone());
        planted.split.insert((name.clone(), other));
    }
    for pair in several[amount.split..].chunks_exact(2).take(amount.merged) {
        of[&pair[1]].iter().for_each(|&at| images[at].identity.clone_from(&pair[0]));
        used.extend([pair[0].clone(), pair[1].clone()]);
        planted.merged.insert(pair[0].clone());
    }
    let free: Vec<&String> = names.iter().filter(|name| !used.contains(*name)).collect();
    let mut movable: Vec<usize> = free.iter().flat_map(|name| of[*name].iter().copied()).collect();
    random.shuffle(&mut movable);
    let mut left: BTreeMap<&str, usize> = of.iter().map(|(name, members)| (name.as_str(), members.len())).collect();
    for &at in &movable[..amount.moved] {
        let from = &planted.truth[&images[at].label];
        let to = loop {
            let to = free[random.below(free.len())];
            if to != from {
                break to;
            }
        };
        *left.get_mut(from.as_str()).unwrap() -= 1;
        images[at].identity.clone_from(to);
        planted.wrong.insert(images[at].label.clone());
    }
    for &at in &movable[..amount.moved] {
        let from = &planted.truth[&images[at].label];
        if of[from].len() >= 3 && left[from.as_str()] >= 2 {
            planted.moved.insert(images[at].label.clone());
        }
    }
    copy(&mut images, &movable[amount.moved..], &free, amount.copies, &mut random, &mut planted);
    let faces = images.iter().map(|image| {
        (face_id("d", &image.identity, &image.label).unwrap(), Embedding::new(image.embedding.clone()).unwrap())
    });
    planted.faces = FaceSet::new(faces).unwrap();
    planted
}

fn copy(
    images: &mut Vec<Image>,
    from: &[usize],
    free: &[&String],
    copies: usize,
    random: &mut Random,
    planted: &mut Planted,
) {
    for (n, &at) in from.iter().take(copies).enumerate() {
        let mut image = images[at].clone();
        let original = planted.truth[&image.label].clone();
        image.label = format!("{} (copy)", image.label);
        if n % 2 == 1 {
            let size = 0.3 / (image.embedding.len() as f32).sqrt();
            image.embedding.iter_mut().for_each(|value| *value += random.bell() * size);
        }
        if n % 4 >= 2 {
            image.identity.clone_from(free[random.below(free.len())]);
            planted.wrong.insert(image.label.clone());
        }
        planted.truth.insert(image.label.clone(), original);
        planted.copies.insert(image.label.clone());
        images.push(image);
    }
}

impl Planted {
    fn true_identity(&self, face: u32) -> &str {
        &self.truth[self.faces.id(face as usize).label.as_str()]
    }

    fn id(&self, face: u32) -> &FaceId {
        self.faces.id(face as usize)
    }

    /// The true identity of most of these faces.
    fn mostly(&self, faces: impl IntoIterator<Item = u32>) -> &str {
        let mut count: BTreeMap<&str, usize> = BTreeMap::new();
        faces.into_iter().for_each(|face| *count.entry(self.true_identity(face)).or_default() += 1);
        count.into_iter().max_by_key(|&(_, n)| n).map_or("", |(name, _)| name)
    }

    /// Whether a finding is right, by the labels before anything was planted.
    pub(crate) fn is_true(&self, finding: &Finding, identities: &Identities, clusters: &[Vec<u32>]) -> bool {
        match &finding.case {
            Case::Misfiled { face, suggested, .. } => {
                let truth = self.true_identity(*face);
                let others = identities.faces(suggested.identity).filter(|other| other != face);
                let alike = others.clone().filter(|&other| self.true_identity(other) == truth).count();
                self.wrong.contains(self.id(*face).label.as_str()) && 2 * alike >= others.count()
            }
            Case::SamePerson { first, second, .. } => {
                self.mostly(identities.faces(*first)) == self.mostly(identities.faces(*second))
            }
            Case::SeveralPersons { parts, .. } => {
                self.mostly(parts[0].iter().copied()) != self.mostly(parts[1].iter().copied())
            }
            Case::Duplicates { faces, .. } => {
                faces.iter().any(|&face| self.copies.contains(self.id(face).label.as_str()))
            }
            Case::Fragments { clusters: of, .. } => {
                let mut people = of.iter().map(|&cluster| self.mostly(clusters[cluster as usize].iter().copied()));
                let first = people.next();
                people.all(|person| Some(person) == first)
            }
            Case::Nobody { face, .. } | Case::Unsupported { face } => {
                self.wrong.contains(self.id(*face).label.as_str())
            }
        }
    }

    /// What of the planted a true finding of this kind finds: a name for it.
    pub(crate) fn found(&self, finding: &Finding, identities: &Identities) -> Option<String> {
        let identifier = |identity| self.id(identities.faces(identity).start).identifier.to_string();
        match &finding.case {
            Case::Misfiled { face, .. } => {
                let label = self.id(*face).label.as_str();
                self.moved.contains(label).then(|| label.to_owned())
            }
            Case::SamePerson { first, second, .. } => {
                let pair = (identifier(*first), identifier(*second));
                self.split.contains(&pair).then_some(pair.1)
            }
            Case::SeveralPersons { identity, .. } => {
                Some(identifier(*identity)).filter(|name| self.merged.contains(name))
            }
            Case::Duplicates { faces, .. } => {
                let mut labels = faces.iter().map(|&face| self.id(face).label.to_string());
                labels.find(|label| self.copies.contains(label))
            }
            _ => None,
        }
    }

    /// How many findings of a kind there are to be made, where that is known.
    pub(crate) fn planted(&self, kind: Kind) -> Option<usize> {
        match kind {
            Kind::Misfiled => Some(self.moved.len()),
            Kind::SamePerson => Some(self.split.len()),
            Kind::SeveralPersons => Some(self.merged.len()),
            Kind::Duplicates => Some(self.copies.len()),
            _ => None,
        }
    }

    /// Of a kind each finding's score with whether it is true and what planted error it is.
    pub(crate) fn judge(&self, audit: &Audit, kind: Kind, clusters: &[Vec<u32>]) -> Vec<(f64, bool, Option<String>)> {
        let identities = Identities::new(self.faces.ids());
        let judge = |finding: &Finding| {
            let score = f64::from(finding.score.ten_thousandths()) / 10_000.0;
            (score, self.is_true(finding, &identities, clusters), self.found(finding, &identities))
        };
        audit.of(kind).iter().map(judge).collect()
    }
}
