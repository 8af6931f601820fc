//! Pictures and what is done with faces, over a store that dies at every write: each step is done or it is not, and no
//! picture is without its image or an image without its picture.

use std::path::Path;

use super::*;
use crate::exchange::{Record, Writer};
use crate::face::ImageStatus;

type Step = fn(&Engine, &Path);

pub(super) fn jsonl(rows: &[(&str, &str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    let mut writer = Writer::create(&path, Format::Jsonl, None).unwrap();
    for (face, text, pixels) in rows {
        let record = Record {
            row: 0,
            identifier: identifier(face),
            label: label(text),
            status: ImageStatus::Untrained,
            model: None,
            embedding: None,
            reason: None,
            picture: Some(pixels.as_bytes().to_vec()),
            metadata: Vec::new(),
        };
        writer.push(&record).unwrap();
    }
    writer.finish().unwrap();
    std::fs::read_to_string(&path).unwrap()
}

/// A life in steps, each a request of a client or a job.
const STEPS: [Step; 17] = [
    |engine, _| {
        engine.create_database(&name("a"), None).unwrap();
    },
    |engine, _| {
        engine.new_face(&name("a"), Some(&identifier("ann"))).unwrap();
    },
    |engine, _| add_pictures(engine, "a", "ann", &[("1", "one"), ("2", "two"), ("3", "three")]).unwrap(),
    |engine, _| {
        let images = vec![image("4", &[1.0, 0.0])];
        engine.add_embeddings(&name("a"), &identifier("ann"), images, None).unwrap();
    },
    |engine, _| {
        import(engine, "b", &jsonl(&[("bob", "1", "b one"), ("cid", "1", "c one"), ("cid", "2", "c two")])).unwrap();
        work_all(engine);
    },
    |engine, _| {
        // one image that is there, one that is new, and a face without images
        let rows = jsonl(&[("bob", "1", "b one"), ("bob", "2", "b two")]);
        import(engine, "b", &format!("{rows}{{\"identifier\":\"dan\",\"metadata\":{{\"k\":\"v\"}}}}\n")).unwrap();
        work_all(engine);
    },
    |engine, _| engine.add_metadata(&name("a"), &identifier("ann"), "born", "1930").unwrap(),
    |engine, _| engine.update_metadata(&name("a"), &identifier("ann"), "born", "1931").unwrap(),
    |engine, _| engine.relabel_image(&name("a"), &identifier("ann"), &label("1"), &label("one")).unwrap(),
    |engine, _| {
        let (a, ann, two) = (name("a"), identifier("ann"), label("2"));
        engine.move_image((&a, &ann, &two), &name("b"), &identifier("dan")).unwrap();
    },
    |engine, _| engine.rename_face(&name("a"), &identifier("ann"), &identifier("eve")).unwrap(),
    |engine, _| engine.move_face(&name("a"), &identifier("eve"), &name("b")).unwrap(),
    |engine, _| engine.null_images(&name("b"), &identifier("eve"), Some(&labels(&["3"]))).unwrap(),
    |engine, _| engine.remove_images(&name("b"), &identifier("cid"), &labels(&["1", "2"])).unwrap(),
    |engine, _| engine.remove_face(&name("b"), &identifier("dan")).unwrap(),
    |engine, _| engine.rename_database(&name("b"), &name("c")).unwrap(),
    |engine, _| engine.remove_database(&name("c")).unwrap(),
];

#[test]
fn a_death_at_any_write_leaves_every_step_done_or_not_and_no_picture_alone() {
    let folder = tempfile::tempdir().unwrap();
    let whole_life = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&whole_life, settings(&folder));
    let mut states = vec![whole(&engine, &folder)];
    for step in STEPS {
        step(&engine, folder.path());
        states.push(whole(&engine, &folder));
    }
    assert!(states.windows(2).all(|two| two[0] != two[1]), "every step changes what is seen");
    assert_eq!(states[15].matches("pixels").count(), 3, "{}", states[15]);
    let writes = u64::MAX - whole_life.left.load(Ordering::Relaxed);
    for at in 0..writes {
        let folder = tempfile::tempdir().unwrap();
        let mortal = Mortal::with(Map::new(), at);
        let done = AtomicU64::new(0);
        let death = catch_unwind(AssertUnwindSafe(|| {
            let engine = open(&mortal, settings(&folder));
            for step in STEPS {
                step(&engine, folder.path());
                done.fetch_add(1, Ordering::Relaxed);
            }
        }));
        assert!(death.is_err(), "write {at} is reached");
        let done = done.load(Ordering::Relaxed) as usize;
        for remains in mortal.remains() {
            let copy = tempfile::tempdir().unwrap();
            copy_files(&folder, &copy);
            let store = Mortal::with(remains, u64::MAX);
            for round in 0..2 {
                let engine = open(&store, settings(&copy));
                for _ in 0..2 {
                    let state = whole(&engine, &copy);
                    let is_one = states[done..=done + 1].contains(&state);
                    assert!(is_one, "write {at}, start {round}: neither before nor after step {done}\n{state}");
                    work_all(&engine);
                }
            }
            let left: Vec<_> = store.map().into_keys().filter(|key| b"smagxpe".contains(&key[0])).collect();
            assert!(left.is_empty(), "write {at}: leftovers {left:?}");
        }
    }
}

#[test]
fn a_death_while_recovering_pictures_is_just_another_death() {
    let folder = tempfile::tempdir().unwrap();
    let mortal = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&mortal, settings(&folder));
    for step in &STEPS[..5] {
        step(&engine, folder.path());
    }
    let expected = whole(&engine, &folder);
    let staged = engine.stage_pictures(3).and_then(|mut staged| staged.add(&mut &b"lost"[..]).map(|()| staged));
    std::mem::forget(staged.unwrap()); // the process dies here
    import(&engine, "b", &jsonl(&[("bob", "9", "never"), ("bob", "1", "another one")])).unwrap();
    let dead = mortal.map();
    assert_eq!(pictures(&folder), 7);
    for at in 0.. {
        let copy = tempfile::tempdir().unwrap();
        copy_files(&folder, &copy);
        let mortal = Mortal::with(dead.clone(), at);
        let is_alive = catch_unwind(AssertUnwindSafe(|| work_all(&open(&mortal, settings(&copy))))).is_ok();
        for remains in mortal.remains() {
            let again = tempfile::tempdir().unwrap();
            copy_files(&copy, &again);
            let engine = open(&Mortal::with(remains, u64::MAX), settings(&again));
            work_all(&engine);
            assert_eq!(whole(&engine, &again), expected, "write {at}: error 47 changes nothing");
            let text = queues(&engine);
            assert!(text.ends_with("('imagelabel=1' exists already in 'identifier=bob' of 'database=b')\n"), "{text}");
        }
        if is_alive {
            assert!(at > 5, "recovery and the job write");
            break;
        }
    }
}

#[test]
fn r57_pictures_of_a_request_that_is_refused_are_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { max_picture: 5, ..settings(&folder) };
    let store = Mortal::with(Map::new(), u64::MAX);
    let engine = open(&store, settings);
    engine.create_database(&name("a"), None).unwrap();
    engine.new_face(&name("a"), Some(&identifier("ann"))).unwrap();
    add_pictures(&engine, "a", "ann", &[("1", "12345")]).unwrap();
    let refused = [
        add_pictures(&engine, "a", "ann", &[("2", "fits"), ("3", "123456")]),
        add_pictures(&engine, "a", "ann", &[("2", "fits"), ("1", "fits")]),
        add_pictures(&engine, "a", "bob", &[("2", "fits")]),
        add_pictures(&engine, "b", "ann", &[("2", "fits")]),
    ];
    let kinds = refused.map(|refused| refused.unwrap_err().kind());
    let expected = [ErrorKind::TooLarge, ErrorKind::ImageExists, ErrorKind::FaceNotFound, ErrorKind::DatabaseNotFound];
    assert_eq!(kinds, expected);
    assert_eq!(pictures(&folder), 1);
    assert!(store.map().keys().all(|key| key[0] != b'p'), "no marker is left");
}

#[test]
fn r136_a_face_of_20_000_images_is_renamed_moved_and_removed_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(crate::store::Memory::default());
    let engine = Engine::with(store, Arc::new(Ticking::default()), settings(&folder)).unwrap();
    let mut rows = String::new();
    for i in 0..20_000 {
        rows += &format!("{{\"identifier\":\"x\",\"imagelabel\":\"{i}\",\"embedding\":[1,0]}}\n");
    }
    import(&engine, "a", &rows).unwrap();
    work_all(&engine);
    engine.create_database(&name("b"), None).unwrap();
    engine.rename_face(&name("a"), &identifier("x"), &identifier("y")).unwrap();
    engine.move_face(&name("a"), &identifier("y"), &name("b")).unwrap();
    assert!(shown(&engine, "a").is_empty());
    let [face] = &shown(&engine, "b")[..] else { panic!("one face") };
    assert_eq!((face.images.len(), face.count(ImageStatus::Trained)), (20_000, 20_000));
    engine.null_images(&name("b"), &identifier("y"), None).unwrap();
    engine.remove_face(&name("b"), &identifier("y")).unwrap();
    assert!(shown(&engine, "b").is_empty());
}
