use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;

use super::model::{FILE, Layer, Linear, Matrix, Norm, folder};
use super::*;

/// The real model. It is no part of the tree.
fn model_file() -> PathBuf {
    let file = folder().map(|folder| folder.join(FILE)).filter(|file| file.is_file());
    file.expect("the embedding model is not there: run `cargo xtask model`")
}

fn embedder() -> &'static Embedder {
    static EMBEDDER: OnceLock<Embedder> = OnceLock::new();
    EMBEDDER.get_or_init(|| Embedder::open(&model_file(), 2).unwrap())
}

fn vectors(texts: &[&str]) -> Vec<Vec<f32>> {
    embedder().embed(texts, &|| true).unwrap()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

const TEXTS: [&str; 14] = [
    "A man is eating food.",
    "A man is eating a piece of bread.",
    "The girl is carrying a baby.",
    "A cheetah is running behind its prey.",
    "How do I reset my password?",
    "To change a forgotten password, open the account page and choose Reset.",
    "The boundary layer on a slender wing separates near the leading edge at high angles of attack.",
    "What causes flow separation on a delta wing?",
    "wing",
    "",
    "Das Flugzeug landet um 18:30 Uhr in München.",
    "The plane lands in Munich at half past six in the evening.",
    "Invoice 4711 is due on 2024-03-31; the total is $1,299.00 including VAT.",
    "When must invoice 4711 be paid?",
];

/// Longer than the model takes: all of the above, again and again.
fn long_text() -> String {
    let sections: Vec<String> =
        (0..60).map(|number| format!("Section {number}. {}", TEXTS[number % TEXTS.len()])).collect();
    sections.join(" ")
}

/// Cosines of pairs of [`TEXTS`]; 14 is the long text. By a forward pass in 32-bit floats (numpy) over the
/// published weights, with tokens by the `tokenizers` package.
const COSINES: [(usize, usize, f32); 14] = [
    (0, 1, 0.75534),
    (0, 2, -0.10496),
    (0, 3, 0.14193),
    (2, 3, 0.02241),
    (4, 5, 0.76936),
    (4, 6, 0.04873),
    (6, 7, 0.51877),
    (7, 8, 0.35359),
    (8, 9, 0.29264),
    (10, 11, 0.41717),
    (12, 13, 0.74026),
    (5, 13, -0.06480),
    (14, 7, 0.33970),
    (14, 0, 0.14854),
];

#[test]
fn cosines_are_those_of_the_published_weights() {
    let long = long_text();
    let texts = [&TEXTS[..], &[&long]].concat();
    let vectors = vectors(&texts);
    let mut worst = 0.0_f32;
    for (a, b, expected) in COSINES {
        let cosine = cosine(&vectors[a], &vectors[b]);
        worst = worst.max((cosine - expected).abs());
        assert!((cosine - expected).abs() < 0.02, "{a}, {b}: {cosine}, expected {expected}");
    }
    println!("cosines differ by {worst} at most");
    for vector in &vectors {
        assert!((cosine(vector, vector) - 1.0).abs() < 1e-4);
    }
    let expected = [0.03324, 0.00441, -0.00628, 0.04838, -0.1387, -0.03362, 0.10113, -0.05438];
    for (component, expected) in vectors[0].iter().zip(expected) {
        assert!((component - expected).abs() < 0.01, "{component}, expected {expected}");
    }
}

/// By the `tokenizers` package from the published `tokenizer.json`.
#[test]
fn tokens_are_those_of_the_published_tokenizer() {
    let table: [(&str, &[u32]); 18] = [
        ("Hello, World!", &[7592, 1010, 2088, 999]),
        ("unaffable embeddings", &[14477, 20961, 3468, 7861, 8270, 4667, 2015]),
        ("Café naïve São Tomé", &[7668, 15743, 7509, 21269]),
        ("東京 is 大きい", &[1879, 1755, 2003, 1810, 1652, 30173]),
        (
            "한국어 텍스트",
            &[
                1469, 30006, 30021, 29991, 30014, 30020, 29999, 30008, 1467, 30009, 30020, 29997, 30017,
                30003, 30017,
            ],
        ),
        ("don't stop\u{2019}n", &[2123, 1005, 1056, 2644, 1521, 1050]),
        ("e=mc^2 #tag @me", &[1041, 1027, 11338, 1034, 1016, 1001, 6415, 1030, 2033]),
        ("a\u{200b}b\u{ad}c\tx\0y\u{fffd}z", &[5925, 1060, 2100, 2480]),
        ("ÅNGSTRÖM ﬁne ½ ½", &[17076, 15687, 1984, 2638, 1092, 1092]),
        (
            "עִבְרִית العَرَبِيّة",
            &[1259, 29789, 29811, 29796, 29813, 1270, 23673, 29830, 17149, 29816, 14498, 19433],
        ),
        ("हिन्दी", &[1339, 29877, 29863, 29861, 29878]),
        ("😀 emoji 🚀🚀", &[100, 7861, 29147, 2072, 100]),
        ("   ", &[]),
        ("co\u{301}operate\u{2014}now\u{2026}", &[17654, 1517, 2085, 1529]),
        ("\u{1e9e} \u{130}stanbul", &[1096, 9960]),
        (
            "supercalifragilisticexpialidocious",
            &[3565, 9289, 10128, 29181, 24411, 4588, 10288, 19312, 21273, 10085, 6313],
        ),
        ("$€£ 3.14 % «quote»", &[1002, 1574, 29646, 1017, 1012, 2403, 1003, 1077, 14686, 1090]),
        // Somebody who writes the name of a special token writes brackets.
        ("[CLS]", &[1031, 18856, 2015, 1033]),
    ];
    let loaded = embedder().loaded().unwrap();
    let pieces = &loaded.pieces;
    for (text, expected) in table {
        let expected = [&[101], expected, &[102]].concat();
        assert_eq!(pieces.tokens(text), expected, "{text}");
    }
    assert_eq!(pieces.tokens(&format!("{} tail", "x".repeat(101))), [101, 100, 5725, 102]);
    let long = pieces.tokens(&long_text());
    assert_eq!((long.len(), &long[251..]), (256, &[6404, 20786, 1010, 2330, 102][..]));
    assert_eq!(embedder().count_tokens(&long_text()).unwrap(), embedder().most_tokens());
}

#[test]
fn a_vector_does_not_depend_on_its_neighbours() {
    let together = vectors(&TEXTS);
    for (text, vector) in TEXTS.iter().zip(&together) {
        assert_eq!(&vectors(&[text])[0], vector, "{text}");
    }
    assert_eq!(vectors(&[]), Vec::<Vec<f32>>::new());
    let pin = Pin { model: "all-minilm-l6-v2-int8-1".to_owned(), dimension: 384 };
    assert_eq!((embedder().pin(), together[0].len()), (pin, 384));
}

#[test]
fn it_stops_between_texts() {
    let asked = AtomicUsize::new(0);
    let goes_on = || asked.fetch_add(1, Ordering::Relaxed) < 3;
    assert!(matches!(embedder().embed(&TEXTS, &goes_on), Err(IndexError::Cancelled)));
    assert_eq!(asked.load(Ordering::Relaxed), 4);
}

#[test]
fn calls_at_once_do_not_disturb_each_other() {
    let expected = vectors(&TEXTS);
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| assert_eq!(vectors(&TEXTS), expected));
        }
    });
}

/// Small, and of nothing but noughts and ones.
fn small_model() -> Model {
    let linear = |from: usize, to: usize| Linear {
        matrix: Matrix { width: from, components: vec![1; from * to], scales: vec![1.0; to] },
        bias: vec![0.0; to],
    };
    let norm = || Norm { weight: vec![1.0; 4], bias: vec![0.0; 4] };
    Model {
        id: "small".to_owned(),
        heads: 2,
        most_tokens: 8,
        vocabulary: ["[UNK]", "[CLS]", "[SEP]", "a", "##b"].map(str::to_owned).to_vec(),
        words: Matrix { width: 4, components: (0..20).collect(), scales: vec![0.5; 5] },
        positions: vec![0.25; 32],
        segment: vec![0.0; 4],
        norm: norm(),
        layers: vec![Layer {
            attention: linear(4, 12),
            attended: linear(4, 4),
            attention_norm: norm(),
            wide: linear(4, 16),
            narrow: linear(16, 4),
            norm: norm(),
        }],
    }
}

#[test]
fn a_model_comes_back_from_its_file_and_damage_is_found() {
    let model = small_model();
    let whole = model.write();
    assert_eq!(Model::read(&whole), Ok(model));
    let head = Head::read(&*whole).unwrap();
    assert_eq!(head, Head { id: "small".to_owned(), most_tokens: 8, dimension: 4 });
    for place in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[place] ^= 1;
        assert!(Model::read(&flipped).is_err(), "{place}");
        assert!(Head::read(&*flipped).is_err(), "{place}");
        assert!(Head::read(&whole[..place]).is_err(), "{place}");
        assert!(Model::read(&whole[..place]).is_err(), "{place}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model");
    assert!(matches!(Embedder::open(&file, 1), Err(IndexError::Damaged(_))));
    fs::write(&file, &whole).unwrap();
    let embedder = Embedder::open(&file, 0).unwrap();
    // It is loaded when it is first asked, and is the one that was opened, or nothing.
    let embed = || embedder.embed(&["ab"], &|| true);
    fs::write(&file, Model { id: "other".to_owned(), ..small_model() }.write()).unwrap();
    assert!(matches!(embed(), Err(IndexError::Damaged(_))));
    fs::write(&file, &whole).unwrap();
    assert_eq!(embed().unwrap()[0].len(), 4);
    assert_eq!(embedder.loaded().unwrap().pieces.tokens("ab a abc"), [1, 3, 4, 3, 0, 2]);
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let broken: [fn(&mut Model); 6] = [
        |model| model.heads = 3,
        |model| model.heads = 0,
        |model| model.most_tokens = 9,
        |model| model.vocabulary.truncate(4),
        |model| model.layers[0].narrow.bias.truncate(3),
        |model| model.norm.weight.push(1.0),
    ];
    for (number, damage) in broken.into_iter().enumerate() {
        let mut model = small_model();
        damage(&mut model);
        assert_eq!(Model::read(&model.write()), Err(NoModel("its parts do not fit each other")), "{number}");
    }
    let mut model = small_model();
    model.vocabulary[0] = "unknown".to_owned();
    assert!(WordPiece::of(&model).is_err());
}
