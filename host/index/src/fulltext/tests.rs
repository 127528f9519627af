use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::change::Passage;

fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(number << 64 | number)
}

/// Chunk `number` of document `document`.
fn passage(document: u128, number: u128, text: &str, metadata: Value) -> Change {
    let Value::Object(metadata) = metadata else { panic!("no object") };
    Change::Add(Passage { chunk: uuid(number), document: uuid(document), text: text.to_owned(), metadata })
}

fn index() -> (TempDir, FullText) {
    let folder = tempfile::tempdir().unwrap();
    let index = FullText::open(folder.path()).unwrap();
    (folder, index)
}

/// The numbers of the chunks that are found, best first.
fn found(index: &FullText, question: &str, filter: &Filter) -> Vec<u128> {
    let found = index.search(question, filter, 10).unwrap();
    assert!(found.is_sorted_by(|a, b| a.score >= b.score));
    found.into_iter().map(|found| found.chunk.as_u128() & u128::from(u64::MAX)).collect()
}

fn open() -> Filter {
    Filter::default()
}

#[test]
fn finds_by_words_and_best_first() {
    let (_folder, index) = index();
    let changes = [
        passage(1, 10, "Lift of a slender wing", json!({})),
        passage(1, 11, "The wing, the wing and again wings: lifting", json!({})),
        passage(2, 20, "Boundary layers in a heated pipe, and of pipes that are long", json!({})),
        passage(3, 30, "東京都庁の展望台", json!({})),
    ];
    index.apply(changes, 7).unwrap();
    assert_eq!((index.reached(), index.passages()), (7, 4));
    assert_eq!(found(&index, "wings", &open()), [11, 10]);
    assert_eq!(found(&index, "What about the PIPE?", &open()), [20]);
    assert_eq!(found(&index, "展望台", &open()), [30]);
    assert_eq!(found(&index, "京都", &open()), [30]);
    assert_eq!(found(&index, "helicopter", &open()), [0; 0]);
    assert_eq!(index.search("wing", &open(), 1).unwrap().len(), 1);
    assert_eq!(index.search("wing", &open(), 0).unwrap(), []);
    assert_eq!(index.search("wing", &open(), usize::MAX).unwrap().len(), 2);
}

#[test]
fn a_title_counts_twice() {
    let (_folder, index) = index();
    let changes = [
        passage(1, 10, "Engines\n\nA wing is mentioned here too.", json!({})),
        passage(2, 20, "Wing\n\nEngines are mentioned here too.", json!({})),
        passage(3, 30, "On nothing of the kind, and at a length that is about the same.", json!({})),
    ];
    index.apply(changes, 1).unwrap();
    assert_eq!(found(&index, "wing", &open()), [20, 10]);
    assert_eq!(found(&index, "engine", &open()), [10, 20]);
}

#[test]
fn tells_the_most_that_a_question_can_reach() {
    let (_folder, index) = index();
    let often = "wing ".repeat(5_000);
    let changes = [passage(1, 10, &often, json!({})), passage(2, 20, "A tail, and two pipes", json!({}))];
    index.apply(changes, 1).unwrap();
    let attainable = |question: &str| index.attainable(question).unwrap();
    let best = |question: &str| index.search(question, &open(), 1).unwrap()[0].score;
    // One of two passages has it: ln(1 + 1.5 / 1.5), times k1 + 1.
    let one = 2.0_f32.ln() * 2.2;
    assert!((attainable("wings") - one).abs() < 1e-4, "{}", attainable("wings"));
    assert!((attainable("What is a wing, and which tail?") - 2.0 * one).abs() < 1e-4);
    assert!((attainable("wing, wing") - 2.0 * one).abs() < 1e-4);
    assert!((attainable("helicopter") - one).abs() < 1e-4, "what no passage has counts as what one has");
    assert_eq!(attainable("!?"), 0.0);
    assert!(best("wing") < one && best("wing") > 0.99 * one);
    assert!(best("tail") < one);
}

#[test]
fn no_text_is_syntax() {
    let (_folder, index) = index();
    index.apply([passage(1, 10, "a wing AND a prayer", json!({}))], 1).unwrap();
    for question in
        ["\"wing", "text:wing", "wing^9 OR (", "-wing", "+nothing wing*", "wing\0 \u{202e}", "[wing TO"]
    {
        assert_eq!(found(&index, question, &open()), [10], "{question}");
    }
    for question in ["", "   ", "\"\"", "*", "!?\u{301}", "()"] {
        assert_eq!(found(&index, question, &open()), [0; 0], "{question}");
    }
}

#[test]
fn filters_by_document_and_metadata() {
    let (_folder, index) = index();
    let changes = [
        passage(1, 10, "wing", json!({"section": "one", "year": 1958})),
        passage(1, 11, "wing of a wing", json!({"section": "two", "year": 1958.0, "tags": ["a", "b"]})),
        passage(2, 20, "wing and tail", json!({"section": "one", "year": "1958"})),
    ];
    index.apply(changes, 1).unwrap();
    let metadata = |metadata: Value| {
        let Value::Object(metadata) = metadata else { panic!("no object") };
        Filter { metadata, ..Filter::default() }
    };
    let of = |documents: &[u128]| Filter {
        documents: Some(documents.iter().copied().map(uuid).collect()),
        ..Filter::default()
    };
    let sorted = |filter: &Filter| {
        let mut numbers = found(&index, "wing", filter);
        numbers.sort_unstable();
        let permitted = index.permitted(filter).unwrap().unwrap();
        assert_eq!(permitted, numbers.iter().copied().map(uuid).collect());
        numbers
    };
    assert_eq!(sorted(&of(&[1])), [10, 11]);
    assert_eq!(sorted(&of(&[1, 2, 3])), [10, 11, 20]);
    assert_eq!(sorted(&of(&[3])), [0; 0]);
    assert_eq!(sorted(&of(&[])), [0; 0]);
    assert_eq!(sorted(&metadata(json!({"section": "one"}))), [10, 20]);
    assert_eq!(sorted(&metadata(json!({"year": 1958}))), [10, 11]);
    assert_eq!(sorted(&metadata(json!({"tags": ["a", "b"]}))), [11]);
    assert_eq!(sorted(&metadata(json!({"section": "one", "year": 1958}))), [10]);
    assert_eq!(sorted(&Filter { metadata: metadata(json!({"section": "one"})).metadata, ..of(&[2]) }), [20]);
    assert_eq!(index.permitted(&open()).unwrap(), None);
    // A filter decides what is found, not how well it fits.
    let score = |filter: &Filter| index.search("tail", filter, 1).unwrap()[0].score;
    assert!((score(&open()) - score(&of(&[2]))).abs() < 1e-6);
}

#[test]
fn changes_are_applied_once_and_in_order() {
    let (folder, index) = index();
    index.apply([passage(1, 10, "wing", json!({}))], 1).unwrap();
    index.apply([passage(1, 10, "wing", json!({}))], 1).unwrap();
    assert_eq!(index.passages(), 1);
    let anew =
        [passage(1, 11, "tail", json!({})), Change::Remove(uuid(1)), passage(1, 12, "rudder", json!({}))];
    index.apply(anew, 4).unwrap();
    index.apply([Change::Remove(uuid(9))], 5).unwrap();
    let check = |index: &FullText| {
        assert_eq!(found(index, "wing tail rudder", &open()), [12]);
        assert_eq!((index.reached(), index.passages()), (5, 1));
    };
    check(&index);
    index.rest().unwrap();
    check(&index);
    drop(index);
    check(&FullText::open(folder.path()).unwrap());
}

#[test]
fn one_holder_writes() {
    let (folder, index) = index();
    index.apply([passage(1, 10, "wing", json!({}))], 1).unwrap();
    let other = FullText::open(folder.path()).unwrap();
    assert!(matches!(other.apply([], 2), Err(IndexError::Unavailable(_))));
    index.rest().unwrap();
    other.apply([], 2).unwrap();
}

/// Every term that is in a segment of the index, searchable or not.
fn terms_on_disk(index: &FullText) -> HashSet<String> {
    let mut terms = HashSet::new();
    for segment in index.opened().index.searchable_segments().unwrap() {
        let reader = tantivy::SegmentReader::open(&segment).unwrap();
        let inverted = reader.inverted_index(index.fields.text).unwrap();
        let mut stream = inverted.terms().stream().unwrap();
        while stream.advance() {
            terms.insert(String::from_utf8(stream.key().to_vec()).unwrap());
        }
    }
    terms
}

/// The files of the folder, but for locks and lists of files.
fn files(folder: &Path) -> HashSet<PathBuf> {
    let names = fs::read_dir(folder).unwrap().map(|entry| PathBuf::from(entry.unwrap().file_name()));
    names.filter(|name| !name.to_string_lossy().starts_with('.') && name.as_os_str() != "meta.json").collect()
}

#[test]
fn what_is_erased_is_in_no_file() {
    let (folder, index) = index();
    index.apply([passage(1, 10, "wing zanzibar", json!({})), passage(2, 20, "wing", json!({}))], 1).unwrap();
    index.apply([passage(3, 30, "wing zanzibar tail", json!({}))], 2).unwrap();
    index.apply([Change::Remove(uuid(1)), Change::Remove(uuid(3))], 3).unwrap();
    assert_eq!(found(&index, "zanzibar", &open()), [0; 0]);
    assert!(terms_on_disk(&index).contains("zanzibar"), "erasing has nothing to do");
    index.erase().unwrap();
    assert_eq!(terms_on_disk(&index), HashSet::from(["wing".to_owned()]));
    // And no file is left that is none of these segments'.
    let segments = index.opened().index.searchable_segment_metas().unwrap();
    let named: Vec<String> = segments.iter().map(|segment| segment.id().uuid_string()).collect();
    for file in files(folder.path()) {
        let file = file.to_string_lossy().into_owned();
        assert!(named.iter().any(|segment| file.starts_with(segment)), "{file} is left of {named:?}");
    }
    assert_eq!((found(&index, "wing", &open()), index.reached()), (vec![20], 3));
    // It goes on as before.
    index.apply([passage(4, 40, "wing", json!({}))], 4).unwrap();
    assert_eq!(index.passages(), 2);
    index.apply([Change::Remove(uuid(2)), Change::Remove(uuid(4))], 5).unwrap();
    index.erase().unwrap();
    assert_eq!((index.passages(), files(folder.path())), (0, HashSet::new()));
}

#[test]
fn damage_is_found_when_it_is_opened() {
    let (folder, index) = index();
    index.apply((0..50).map(|n| passage(n % 5, n, &format!("wing {n}"), json!({"n": n}))), 1).unwrap();
    index.apply([Change::Remove(uuid(2)), passage(9, 99, "tail", json!({}))], 2).unwrap();
    drop(index);
    FullText::open(folder.path()).unwrap();
    let mut names: Vec<PathBuf> = files(folder.path()).into_iter().collect();
    names.extend(["meta.json", ".managed.json"].map(PathBuf::from));
    assert!(names.len() > 5, "{names:?}");
    for path in names.into_iter().map(|name| folder.path().join(name)) {
        let whole = fs::read(&path).unwrap();
        let mut damages = vec![None, Some(Vec::new()), Some(whole[..whole.len() / 2].to_vec())];
        for place in [0, whole.len() / 3, whole.len() - 1] {
            let mut flipped = whole.clone();
            flipped[place] ^= 0x10;
            damages.push(Some(flipped));
        }
        for (number, damage) in damages.into_iter().enumerate() {
            match damage {
                None => fs::remove_file(&path).unwrap(),
                Some(bytes) => fs::write(&path, bytes).unwrap(),
            }
            let opened = FullText::open(folder.path());
            let name = path.file_name().unwrap();
            assert!(
                matches!(opened, Err(IndexError::Damaged(_))),
                "{name:?}, damage {number}: {:?}",
                opened.err()
            );
            fs::write(&path, &whole).unwrap();
        }
    }
    let index = FullText::open(folder.path()).unwrap();
    assert_eq!(index.passages(), 41);
}

#[test]
fn no_passage_scores_more_than_is_attainable() {
    let (_folder, index) = index();
    let texts = ["wing", "wing wing wing wing wing wing", "a wing and a prayer", "tail", "tail of the wing"];
    index.apply((1..).zip(texts).map(|(n, text)| passage(n, n, text, json!({}))), 1).unwrap();
    for question in ["wing", "wing prayer", "tail tail wing", "the tail", "nothing of it"] {
        let most = index.attainable(question).unwrap();
        let best =
            index.search(question, &Filter::default(), 1).unwrap().first().map_or(0.0, |hit| hit.score);
        assert!(best <= most, "{question}: {best} of {most}");
        assert!(best == 0.0 || best > most / 5.0, "{question}: {best} of {most}");
    }
    assert_eq!(index.attainable("?!").unwrap(), 0.0);
}

#[test]
fn changes_that_cannot_be_read_to_their_end_are_not_applied() {
    let (_folder, index) = index();
    index.apply([passage(1, 10, "wing", json!({}))], 1).unwrap();
    let broken = [Ok(passage(2, 20, "tail", json!({}))), Err(IndexError::Unavailable("away".to_owned()))];
    assert!(matches!(index.apply_read(broken, 2), Err(IndexError::Unavailable(_))));
    assert_eq!((index.reached(), index.passages()), (1, 1));
    index.apply([passage(3, 30, "tail", json!({}))], 2).unwrap();
    assert_eq!(index.passages(), 2);
}

/// Killed between what a commit writes and the commit itself, again and again.
#[test]
fn what_a_lost_commit_wrote_is_in_nobodys_way() {
    let (folder, index) = index();
    index.apply((1..5).map(|n| passage(n, n, "wing", json!({}))), 1).unwrap();
    drop(index);
    for round in 0..3 {
        let committed = std::fs::read(folder.path().join("meta.json")).unwrap();
        let index = FullText::open(folder.path()).unwrap();
        index.apply([Change::Remove(uuid(1)), passage(9, 90 + round, "tail", json!({}))], 2).unwrap();
        drop(index);
        std::fs::write(folder.path().join("meta.json"), committed).unwrap();
    }
    let index = FullText::open(folder.path()).unwrap();
    assert_eq!((index.reached(), found(&index, "wing", &open()).len()), (1, 4));
    index.apply([Change::Remove(uuid(1))], 2).unwrap();
    assert_eq!(found(&index, "wing", &open()).len(), 3);
}
