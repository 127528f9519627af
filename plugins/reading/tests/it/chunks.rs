//! Passages: where they are cut, and that nothing is lost.

use proptest::prelude::*;
use reading::chunks::{Chunk, Chunker, Sizes, estimate};
use reading::{Heading, Page};

use super::{read, samples};

fn cut(pages: &[Page], sizes: Sizes) -> Vec<Chunk> {
    let mut chunker = Chunker::new(sizes);
    let mut chunks: Vec<Chunk> = pages.iter().flat_map(|page| chunker.page(page)).collect();
    chunks.extend(chunker.finish());
    chunks
}

fn page(number: u32, text: &str) -> Page {
    Page { number, text: text.to_string(), ..Page::default() }
}

/// The characters of a page between two offsets.
fn characters(page: &Page, start: usize, end: usize) -> String {
    page.text.chars().skip(start).take(end - start).collect()
}

/// What a citation shows: by the offsets alone.
fn cited(pages: &[Page], chunk: &Chunk) -> String {
    let of = |number: u32| &pages[number as usize - 1];
    let (first, last) = (of(chunk.first_page), of(chunk.last_page));
    if chunk.first_page == chunk.last_page {
        return characters(first, chunk.start as usize, chunk.end as usize);
    }
    let mut parts = vec![characters(first, chunk.start as usize, first.text.chars().count())];
    parts.extend((chunk.first_page + 1..chunk.last_page).map(|number| of(number).text.clone()));
    parts.push(characters(last, 0, chunk.end as usize));
    parts.join("\n")
}

fn without_space(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_whitespace()).collect()
}

/// What must be true of any passages.
fn check(pages: &[Page], chunks: &[Chunk], sizes: Sizes) {
    for (chunk, ordinal) in chunks.iter().zip(0..) {
        assert_eq!(chunk.ordinal, ordinal);
        assert_eq!(without_space(&cited(pages, chunk)), without_space(&chunk.text));
        if chunk.first_page == chunk.last_page {
            assert_eq!(cited(pages, chunk), chunk.text, "offsets give back the very text");
        }
        assert!(!chunk.text.is_empty() && chunk.text.trim() == chunk.text);
        assert!(
            estimate(&chunk.text) <= sizes.tokens + 2,
            "{} tokens: {}",
            estimate(&chunk.text),
            chunk.text
        );
    }
    // In order, and each begins where the one before ended, or before that.
    for pair in chunks.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        assert!((before.first_page, before.start) < (after.first_page, after.start), "{before:?} {after:?}");
        assert!((before.last_page, before.end) < (after.last_page, after.end), "{before:?} {after:?}");
        let between: String = if before.last_page == after.first_page {
            let page = &pages[before.last_page as usize - 1];
            characters(page, before.end as usize, (after.start as usize).max(before.end as usize))
        } else if before.last_page < after.first_page {
            let rest = &pages[before.last_page as usize - 1];
            let begin = &pages[after.first_page as usize - 1];
            let whole = (before.last_page + 1..after.first_page)
                .map(|number| pages[number as usize - 1].text.as_str());
            let whole: String = whole.collect();
            characters(rest, before.end as usize, rest.text.chars().count())
                + &whole
                + &characters(begin, 0, after.start as usize)
        } else {
            String::new()
        };
        assert_eq!(without_space(&between), "", "nothing is left out");
    }
    let all: String = pages.iter().map(|page| page.text.as_str()).collect();
    if without_space(&all).is_empty() {
        return assert!(chunks.is_empty());
    }
    let (first, last) = (chunks.first().expect("a passage"), chunks.last().expect("a passage"));
    let before: String =
        pages[..first.first_page as usize - 1].iter().map(|page| page.text.as_str()).collect();
    let before = before + &characters(&pages[first.first_page as usize - 1], 0, first.start as usize);
    let end = &pages[last.last_page as usize - 1];
    let after = characters(end, last.end as usize, end.text.chars().count());
    let after = pages[last.last_page as usize..].iter().fold(after, |after, page| after + &page.text);
    assert_eq!(without_space(&(before + &after)), "", "nothing is left out at either end");
}

/// Pieces of text of many scripts and shapes.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-zA-Z]{1,14} ",
        "[A-Z][a-z]{2,9}[.!?] ",
        "[a-z]{1,6}\n",
        Just("\n\n".to_string()),
        Just("   \t ".to_string()),
        "[0-9]{1,12}[,.;] ",
        "[\u{4e00}-\u{4e40}]{1,9}[。！？]",
        "[\u{5d0}-\u{5ea}]{1,9}[ .]",
        "[\u{430}-\u{44f}]{1,12} ",
        Just("e\u{301}\u{302} ".to_string()),
        Just("👩‍👩‍👧 ".to_string()),
        "[x]{1,900}",
    ];
    prop::collection::vec(piece, 0..120).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn offsets_give_back_the_text_and_nothing_is_lost(
        texts in prop::collection::vec(text(), 1..5),
        titled in prop::collection::vec(any::<bool>(), 5),
        tokens in 50_u32..300,
        overlap in 0_u32..100,
        headed in prop::collection::vec(1_u8..7, 5),
    ) {
        let pages: Vec<Page> = texts.iter().zip(1..).map(|(text, number)| {
            let mut page = page(number, text);
            let index = number as usize - 1;
            page.title = titled[index].then(|| format!("Sheet {number}"));
            // Every line that begins with a capital is a heading.
            let mut start = 0;
            for line in text.split_inclusive('\n') {
                let end = start + line.trim_end().len();
                if line.starts_with(char::is_uppercase) && line.len() < 60 {
                    page.headings.push(Heading { start, end, level: headed[index] });
                }
                start += line.len();
            }
            page
        }).collect();
        let sizes = Sizes { tokens, overlap };
        check(&pages, &cut(&pages, sizes), sizes);
    }
}

#[test]
fn of_every_kind() {
    for (filename, bytes) in samples::all() {
        let (_, kept) = read(&bytes, filename);
        let chunks = cut(&kept.pages, Sizes::default());
        check(&kept.pages, &chunks, Sizes::default());
        assert!(!chunks.is_empty(), "{filename}");
    }
}

#[test]
fn sentences_stay_whole_and_overlap() {
    let sentence = |number: usize| format!("This is sentence number {number} of a long text about fish. ");
    let text: String = (0..100).map(sentence).collect();
    let pages = [page(1, text.trim())];
    let chunks = cut(&pages, Sizes::default());
    check(&pages, &chunks, Sizes::default());
    let sizes: Vec<u32> = chunks.iter().map(|chunk| estimate(&chunk.text)).collect();
    let all_but_last = &sizes[..sizes.len() - 1];
    let average = all_but_last.iter().sum::<u32>() / all_but_last.len() as u32;
    assert!((170..=200).contains(&average), "{sizes:?}");
    for pair in chunks.windows(2) {
        assert!(pair[1].text.starts_with("This is sentence"), "{}", pair[1].text);
        assert!(pair[0].text.ends_with("about fish."), "{}", pair[0].text);
        let common = pair[0].end - pair[1].start;
        let overlap =
            estimate(&characters(&pages[0], pair[1].start as usize, (pair[1].start + common) as usize));
        assert!((15..=45).contains(&overlap), "{overlap} tokens in common");
    }
}

#[test]
fn headings_begin_passages_and_are_known_below() {
    let body = "Some words about the matter at hand. ".repeat(12);
    let text = format!("Alpha\n\n{body}\n\nBeta\n\n{body}\n\nGamma\n\n{body}");
    let heading = |name: &str, level| {
        let start = text.find(name).unwrap();
        Heading { start, end: start + name.len(), level }
    };
    let page = Page {
        headings: vec![heading("Alpha", 1), heading("Beta", 2), heading("Gamma", 1)],
        ..page(1, &text)
    };
    let chunks = cut(&[page], Sizes::default());
    let begins: Vec<(&str, Vec<&str>)> = chunks
        .iter()
        .map(|chunk| {
            (chunk.text.split('\n').next().unwrap(), chunk.headings.iter().map(String::as_str).collect())
        })
        .collect();
    assert_eq!(begins, [("Alpha", vec![]), ("Beta", vec!["Alpha"]), ("Gamma", vec![])]);
    let long = format!("Alpha\n\n{}", "Some words about the matter at hand. ".repeat(60));
    let page =
        Page { headings: vec![Heading { start: 0, end: 5, level: 1 }], ..super::chunks::page(1, &long) };
    let chunks = cut(&[page], Sizes::default());
    assert!(chunks.len() > 2 && chunks[1..].iter().all(|chunk| chunk.headings == ["Alpha"]));
}

#[test]
fn text_without_spaces_is_cut_all_the_same() {
    let japanese = "これは日本語の文章です。とても長い文章を分けるための試験です！そうですか？".repeat(40);
    let pages = [page(1, &japanese)];
    let chunks = cut(&pages, Sizes::default());
    check(&pages, &chunks, Sizes::default());
    for chunk in &chunks[..chunks.len() - 1] {
        assert!(chunk.text.ends_with(['。', '！', '？']), "{}", chunk.text);
    }
    let hebrew = "זהו משפט ארוך בעברית על דגים ועל הים. ".repeat(60);
    let pages = [page(1, hebrew.trim())];
    let chunks = cut(&pages, Sizes::default());
    check(&pages, &chunks, Sizes::default());
    assert!(chunks[..chunks.len() - 1].iter().all(|chunk| chunk.text.ends_with('.')));
    let families = "👩‍👩‍👧‍👦".repeat(2_000);
    let pages = [page(1, &families)];
    for chunk in cut(&pages, Sizes { tokens: 100, overlap: 0 }) {
        assert!(chunk.text.starts_with('👩') && chunk.text.ends_with('👦'), "families stay together");
    }
}

#[test]
fn white_space_makes_no_passage_of_what_was_given() {
    let sentence = |number: usize| format!("This is sentence number {number} of a long text about fish. ");
    let one = estimate(&sentence(10)) as usize;
    // Nearly full, then an empty line on the next page, and what has no room beside what is repeated.
    let full: String = (10..10 + 190 / one).map(sentence).collect();
    let long = format!("\n\nIt goes on{} to its end.", " and on".repeat(82));
    let pages = [page(1, full.trim()), page(2, &long)];
    check(&pages, &cut(&pages, Sizes::default()), Sizes::default());
}

#[test]
fn passages_go_over_pages_but_not_over_sheets() {
    let mut pages = [page(1, "One begins here and"), page(2, "ends there. Next.")];
    let chunks = cut(&pages, Sizes::default());
    assert_eq!(chunks.len(), 1);
    assert_eq!((chunks[0].first_page, chunks[0].last_page, chunks[0].start, chunks[0].end), (1, 2, 0, 17));
    assert_eq!(chunks[0].text, "One begins here and\nends there. Next.");
    pages[1].title = Some("Sheet".into());
    let chunks = cut(&pages, Sizes::default());
    assert_eq!(chunks.iter().map(|chunk| chunk.first_page).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(chunks[1].headings, ["Sheet"]);
}
