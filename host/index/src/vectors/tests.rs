use std::fs;

use proptest::prelude::*;

use super::*;

const DIMENSION: usize = 24;

fn uuid(number: u64) -> Uuid {
    Uuid::from_u64_pair(7, number)
}

/// A vector that differs with each number, and is the same each time.
fn vector(number: u64) -> Vec<f32> {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..DIMENSION).map(|_| next()).collect()
}

fn set(chunk: u64, document: u64) -> VectorChange {
    VectorChange::Set {
        chunk: uuid(chunk),
        document: uuid(document),
        vector: Rounded::of(&vector(chunk)).unwrap(),
    }
}

fn pin() -> Pin {
    Pin { model: "test".to_owned(), dimension: DIMENSION }
}

fn exact_cosine(a: &[f32], b: &[f32]) -> f32 {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    product(a, b) / (product(a, a) * product(b, b)).sqrt()
}

/// Documents of ten chunks each.
fn filled(chunks: u64) -> Vectors {
    let mut vectors = Vectors::new(pin());
    vectors.apply((0..chunks).map(|chunk| set(chunk, chunk / 10)), 1).unwrap();
    vectors
}

#[test]
fn gives_vectors_back_as_they_were_rounded() {
    let vectors = filled(ROWS as u64 + 10);
    let (there, last, gone) = (uuid(3), uuid(ROWS as u64 + 9), uuid(1_000_000));
    let given = vectors.vectors(&[last, gone, there]);
    assert_eq!(given[1], None);
    for (vector, chunk) in [(&given[0], ROWS as u64 + 9), (&given[2], 3)] {
        let given = vector.as_ref().unwrap();
        assert!((given.iter().map(|part| part * part).sum::<f32>() - 1.0).abs() < 1e-5);
        assert!(exact_cosine(given, &self::vector(chunk)) > 0.999);
    }
}

#[test]
fn the_nearest_are_those_of_an_exact_search() {
    let vectors = filled(3 * ROWS as u64 / 2);
    let question = vector(1_000_000);
    let mut exact: Vec<(f32, u64)> =
        (0..vectors.len() as u64).map(|chunk| (exact_cosine(&question, &vector(chunk)), chunk)).collect();
    exact.sort_by(|a, b| b.0.total_cmp(&a.0));
    let found = vectors.nearest(&question, Seen::default(), 20).unwrap();
    assert_eq!(found.len(), 20);
    for (place, found) in found.iter().enumerate() {
        assert!((found.score - exact[place].0).abs() < 0.01, "{place}: {found:?}, {:?}", exact[place]);
    }
    let same: HashSet<Uuid> = exact[..30].iter().map(|(_, chunk)| uuid(*chunk)).collect();
    assert!(found.iter().all(|found| same.contains(&found.chunk)));
    let itself = vectors.nearest(&vector(5_000), Seen::default(), 1).unwrap()[0];
    assert_eq!((itself.chunk, itself.document), (uuid(5_000), uuid(500)));
    assert!((itself.score - 1.0).abs() < 1e-3, "{itself:?}");
    let cosines = vectors.cosines(&question, &[found[0].chunk, uuid(99_999), found[7].chunk]).unwrap();
    assert_eq!(cosines, [Some(found[0].score), None, Some(found[7].score)]);
    assert_eq!(vectors.nearest(&question, Seen::default(), 0).unwrap(), []);
}

#[test]
fn what_is_not_seen_is_not_found() {
    let vectors = filled(50);
    let question = vector(7);
    let documents = HashSet::from([uuid(1), uuid(3), uuid(77)]);
    let seen = Seen { documents: Some(&documents), chunks: None };
    let found = vectors.nearest(&question, seen, 100).unwrap();
    assert_eq!(found.len(), 20);
    assert!(found.iter().all(|found| documents.contains(&found.document)));
    let chunks = HashSet::from([uuid(7), uuid(12), uuid(31)]);
    let both = vectors.nearest(&question, Seen { chunks: Some(&chunks), ..seen }, 100).unwrap();
    assert_eq!(
        both.iter().map(|found| found.chunk).collect::<HashSet<_>>(),
        HashSet::from([uuid(12), uuid(31)])
    );
    let of_chunks = vectors.nearest(&question, Seen { chunks: Some(&chunks), documents: None }, 100).unwrap();
    assert_eq!((of_chunks.len(), of_chunks[0].chunk), (3, uuid(7)));
}

#[test]
fn vectors_that_cannot_be_compared() {
    let mut vectors = filled(10);
    for bad in [vec![0.0; DIMENSION], vec![f32::NAN; DIMENSION], vec![f32::INFINITY; DIMENSION], vec![1.0; 3]]
    {
        assert!(matches!(vectors.nearest(&bad, Seen::default(), 1), Err(IndexError::Invalid(_))), "{bad:?}");
        assert!(matches!(vectors.cosines(&bad, &[]), Err(IndexError::Invalid(_))), "{bad:?}");
    }
    assert!(Rounded::of(&[0.0, f32::NEG_INFINITY]).is_err());
    assert!(Rounded::from_bytes(&[0, 0]).is_err());
    let short = Rounded::of(&[1.0, 2.0]).unwrap();
    let change = VectorChange::Set { chunk: uuid(1), document: uuid(1), vector: short };
    assert!(matches!(vectors.apply([change], 2), Err(IndexError::Invalid(_))));
    assert_eq!((vectors.reached(), vectors.len()), (1, 10));
}

#[test]
fn extreme_vectors_do_not_overflow() {
    let dimension = 4_096;
    let mut vectors = Vectors::new(Pin { model: "wide".to_owned(), dimension });
    let flat = vec![-3.0e30; dimension];
    let mut spike = vec![0.0; dimension];
    spike[17] = 1.0e-30;
    for (chunk, vector) in [(1, &flat), (2, &spike)] {
        let vector = Rounded::of(vector).unwrap();
        let change = VectorChange::Set { chunk: uuid(chunk), document: uuid(chunk), vector };
        vectors.apply([change], chunk).unwrap();
    }
    for (vector, expected) in [(&flat, [1.0, -1.0 / 64.0]), (&spike, [-1.0 / 64.0, 1.0])] {
        let cosines = vectors.cosines(vector, &[uuid(1), uuid(2)]).unwrap();
        for (cosine, expected) in cosines.into_iter().zip(expected) {
            assert!((cosine.unwrap() - expected).abs() < 1e-3, "{cosine:?}, {expected}");
        }
    }
}

#[test]
fn bytes_are_what_the_store_keeps() {
    let rounded = Rounded::of(&[1.0, -1.0, 0.5, 0.0]).unwrap();
    assert_eq!(rounded.to_bytes(), [127, 129, 64, 0]);
    assert_eq!(Rounded::from_bytes(&rounded.to_bytes()).unwrap(), rounded);
}

#[test]
fn snapshots_come_back_and_damage_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vectors");
    assert!(Vectors::load(&file, pin()).unwrap().is_none());
    let mut vectors = filled(ROWS as u64 + 100);
    vectors.apply([VectorChange::Remove(uuid(3))], 9).unwrap();
    vectors.save(&file).unwrap();
    vectors.save(&file).unwrap();
    let loaded = Vectors::load(&file, pin()).unwrap().unwrap();
    assert_eq!((loaded.reached(), loaded.len()), (9, ROWS + 90));
    let question = vector(1);
    let nearest = |vectors: &Vectors| vectors.nearest(&question, Seen::default(), 50).unwrap();
    assert_eq!(nearest(&loaded), nearest(&vectors));
    let chunks: Vec<Uuid> = (0..60).map(uuid).collect();
    assert_eq!(loaded.cosines(&question, &chunks).unwrap(), vectors.cosines(&question, &chunks).unwrap());

    let other = [Pin { model: "tset".to_owned(), ..pin() }, Pin { dimension: 25, ..pin() }];
    let whole = fs::read(&file).unwrap();
    for pin in other {
        assert!(matches!(Vectors::load(&file, pin), Err(IndexError::Damaged(_))));
    }
    let mut damages = vec![Vec::new(), whole[..whole.len() - 1].to_vec(), [&whole[..], b"x"].concat()];
    for place in (0..64).chain([whole.len() / 2, whole.len() - 1]) {
        let mut flipped = whole.clone();
        flipped[place] ^= 0x40;
        damages.push(flipped);
    }
    for damage in damages {
        fs::write(&file, &damage).unwrap();
        assert!(matches!(Vectors::load(&file, pin()), Err(IndexError::Damaged(_))));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Set(u64, u64),
    Remove(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..40_u64, 0..6_u64).prop_map(|(chunk, document)| Step::Set(chunk, document)),
        1 => (0..6_u64).prop_map(Step::Remove),
    ]
}

proptest! {
    /// Whatever was set and removed, what is there is what a plain map says.
    #[test]
    fn it_holds_what_a_map_holds(steps in prop::collection::vec(step(), 0..120)) {
        let mut vectors = Vectors::new(pin());
        let mut expected: HashMap<u64, u64> = HashMap::new();
        for (number, step) in steps.into_iter().enumerate() {
            let change = match step {
                Step::Set(chunk, document) => {
                    expected.insert(chunk, document);
                    set(chunk, document)
                }
                Step::Remove(document) => {
                    expected.retain(|_, of| *of != document);
                    VectorChange::Remove(uuid(document))
                }
            };
            vectors.apply([change], number as u64 + 1).unwrap();
        }
        let found = vectors.nearest(&vector(3), Seen::default(), 100).unwrap();
        let found: HashMap<Uuid, Uuid> = found.iter().map(|found| (found.chunk, found.document)).collect();
        let expected: HashMap<Uuid, Uuid> =
            expected.into_iter().map(|(chunk, document)| (uuid(chunk), uuid(document))).collect();
        prop_assert_eq!(&found, &expected);
        let chunks: Vec<Uuid> = (0..40).map(uuid).collect();
        let cosines = vectors.cosines(&vector(3), &chunks).unwrap();
        for (chunk, cosine) in chunks.iter().zip(cosines) {
            prop_assert_eq!(cosine.is_some(), expected.contains_key(chunk));
        }
    }
}
