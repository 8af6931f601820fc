//! What the demo's database promises.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use super::{Plan, SEED};

fn written(plan: &Plan, threads: usize) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("faces.jsonl");
    plan.write(&path, 64, NonZeroUsize::new(threads).unwrap(), &mut |_| {}).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn about_500_images_of_60_people_no_label_twice() {
    let plan = Plan::new(SEED);
    assert_eq!(plan.n_people(), 60);
    assert!((480..=540).contains(&plan.len()), "{}", plan.len());
    let labels: BTreeSet<_> = plan.images.iter().map(|image| &image.place.imagelabel).collect();
    assert_eq!(labels.len(), plan.len());
    let people: BTreeSet<_> = plan.images.iter().map(|image| image.person).collect();
    assert_eq!(people.len(), 60);
}

#[test]
fn a_database_is_the_same_bytes_again_with_any_number_of_threads() {
    let mut plan = Plan::new(SEED);
    plan.images.truncate(24);
    let first = written(&plan, 1);
    plan = Plan::new(SEED);
    plan.images.truncate(24);
    assert!(first == written(&plan, 3));
    let mut other = Plan::new(SEED + 1);
    other.images.truncate(24);
    assert!(first != written(&other, 2));
}

#[test]
fn what_is_planted_is_in_the_plan() {
    let plan = Plan::new(SEED);
    let planted = plan.planted();
    let shown: BTreeMap<_, _> = plan.images.iter().map(|image| (&image.place, image.person)).collect();
    let counts = [planted.misfiled.len(), planted.same_person.len(), planted.several_people.len()];
    let more =
        [planted.duplicates.len(), planted.near_duplicates.len(), planted.fits_nobody.len(), planted.failed.len()];
    assert_eq!((counts, more), ([9, 4, 3], [4, 5, 4, 3]));
    for moved in &planted.misfiled {
        let person = shown[&moved.place];
        assert!(shown.iter().any(|(place, &it)| it == person && place.identifier == moved.belongs_to));
        assert_ne!(moved.place.identifier, moved.belongs_to);
    }
    for merged in &planted.several_people {
        let under = shown.iter().filter(|(place, _)| place.identifier == merged.identifier);
        let people: BTreeSet<_> = under.map(|(_, &person)| person).collect();
        assert_eq!(people.len(), 2, "{merged:?}");
    }
}
