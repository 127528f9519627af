//! How good the order is, by a collection of judged questions. Abstracts are cut into passages and fused as the
//! product does it; an abstract stands where its best passage does. Nothing is chosen by what comes out.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hardpoint_index::change::{Change, Filter, Passage};
use hardpoint_index::embedder::{Embedder, model};
use hardpoint_index::fulltext::FullText;
use hardpoint_index::vectors::{Rounded, Seen, VectorChange, Vectors};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::chunks::{Chunker, Sizes};
use crate::fusion::Method;
use crate::index::Ranked;
use crate::measures::{self, Quality};
use crate::pages::Page;
use crate::search::{CANDIDATES, Fusion, ranked};

struct Collection {
    documents: Vec<Document>,
    /// Id and text.
    questions: Vec<(u32, String)>,
    /// By question, then by document.
    grades: HashMap<u32, HashMap<u32, u32>>,
}

struct Document {
    id: u32,
    /// What is embedded and searched of each passage.
    passages: Vec<String>,
}

/// What both searches found for one question, and what is right.
struct Answer<'c> {
    question: &'c [f32],
    words: Vec<Ranked>,
    near: Vec<Ranked>,
    grades: &'c HashMap<u32, u32>,
}

/// Both searches answer once; `with_others` also fuses them in other ways.
pub fn measure(folder: &Path, with_others: bool) -> Result<()> {
    let collection = Collection::read(folder)?;
    let file = model::folder().context("no folder for models")?.join(model::FILE);
    let embedder = Embedder::open(&file, 1)?;

    let texts: Vec<&str> =
        collection.documents.iter().flat_map(|document| &document.passages).map(String::as_str).collect();
    let begun = Instant::now();
    let vectors = embedder.embed(&texts, &|| true)?;
    let passages_took = begun.elapsed();
    let begun = Instant::now();
    let asked: Vec<&str> = collection.questions.iter().map(|(_, text)| text.as_str()).collect();
    let questions = embedder.embed(&asked, &|| true)?;
    let questions_took = begun.elapsed();

    let (_place, full_text, index) = index(&collection, &vectors, &embedder)?;
    let mut answers = Vec::new();
    for ((id, question), vector) in collection.questions.iter().zip(&questions) {
        let words = ranked(full_text.search(question, &Filter::default(), CANDIDATES)?);
        let near = ranked(index.nearest(vector, Seen::default(), CANDIDATES)?);
        answers.push(Answer { question: vector, words, near, grades: &collection.grades[id] });
    }

    println!(
        "cranfield: {} abstracts, {} passages, {} questions",
        collection.documents.len(),
        texts.len(),
        collection.questions.len()
    );
    println!("| | nDCG@10 | recall@10 | MRR@10 |\n|---|---|---|---|");
    row("full text", &answers, |answer| Ok(ids(&answer.words)))?;
    row("vectors", &answers, |answer| Ok(ids(&answer.near)))?;
    row("hybrid", &answers, |answer| answer.fused(Fusion::default(), &index))?;
    if with_others {
        others(&answers, &index)?;
    }
    let tokens = |texts: &[&str]| -> Result<f64> {
        let counts = texts.iter().map(|text| embedder.count_tokens(text));
        let counts = counts.collect::<Result<Vec<_>, _>>()?;
        Ok(counts.iter().sum::<usize>() as f64 / texts.len() as f64)
    };
    let each = |took: Duration, count: usize| took.as_secs_f64() * 1e3 / count as f64;
    println!(
        "embedding on one core: {:.1} ms a passage of {:.0} tokens, {:.1} ms a question of {:.0}\n",
        each(passages_took, texts.len()),
        tokens(&texts)?,
        each(questions_took, asked.len()),
        tokens(&asked)?,
    );
    Ok(())
}

impl Answer<'_> {
    fn fused(&self, fusion: Fusion, index: &Vectors) -> Result<Vec<Uuid>> {
        fusion.of(&self.words, &self.near, self.question, index)
    }
}

/// How much the order depends on how the lists are fused.
fn others(answers: &[Answer<'_>], index: &Vectors) -> Result<()> {
    println!(
        "\n| fused by | feedback | words count | nDCG@10 | recall@10 | MRR@10 |\n|---|---|---|---|---|---|"
    );
    let methods = [
        ("reciprocal rank", Method::default()),
        ("relative score", Method::RelativeScore),
        ("distribution", Method::Distribution),
    ];
    for (name, method) in methods {
        for feedback in [0, 1, 2, 3, 5, 10] {
            for text_weight in [0.3, 0.5, 0.7] {
                let fusion = Fusion { method, text_weight, feedback };
                let name = format!("{name} | {feedback} | {text_weight}");
                row(&name, answers, |answer| answer.fused(fusion, index))?;
            }
        }
    }
    println!();
    Ok(())
}

/// Prints what the lists are worth in the mean.
fn row(name: &str, answers: &[Answer<'_>], list: impl Fn(&Answer<'_>) -> Result<Vec<Uuid>>) -> Result<()> {
    let worth = |answer: &Answer<'_>| Ok(measures::quality(&documents(&list(answer)?), answer.grades));
    let all: Vec<Quality> = answers.iter().map(worth).collect::<Result<_>>()?;
    let Quality { ndcg, recall, reciprocal_rank } = measures::mean(&all);
    println!("| {name} | {ndcg:.3} | {recall:.3} | {reciprocal_rank:.3} |");
    Ok(())
}

fn ids(list: &[Ranked]) -> Vec<Uuid> {
    list.iter().filter_map(|hit| Uuid::try_parse(&hit.chunk_id).ok()).collect()
}

/// The abstracts that the passages are of, each where its first one stands.
fn documents(chunks: &[Uuid]) -> Vec<u32> {
    let mut seen = HashSet::new();
    let documents = chunks.iter().map(|chunk| chunk.as_u64_pair().0 as u32);
    documents.filter(|document| seen.insert(*document)).collect()
}

fn index(
    collection: &Collection,
    vectors: &[Vec<f32>],
    embedder: &Embedder,
) -> Result<(tempfile::TempDir, FullText, Vectors)> {
    let place = tempfile::tempdir()?;
    let full_text = FullText::open(place.path())?;
    let (mut texts, mut places) = (Vec::new(), Vec::new());
    let passages = collection.documents.iter().flat_map(|document| {
        (0..).zip(&document.passages).map(move |(ordinal, text)| (document.id, ordinal, text))
    });
    for ((id, ordinal, text), vector) in passages.zip(vectors) {
        let (chunk, document) =
            (Uuid::from_u64_pair(u64::from(id), ordinal), Uuid::from_u128(u128::from(id)));
        texts.push(Change::Add(Passage { chunk, document, text: text.clone(), metadata: Map::new() }));
        places.push(VectorChange::Set { chunk, document, vector: Rounded::of(vector)? });
    }
    full_text.apply(texts, 1)?;
    let mut index = Vectors::new(embedder.pin());
    index.apply(places, 1)?;
    Ok((place, full_text, index))
}

impl Document {
    /// Most abstracts begin with their title; here it is the document's, and the rest is its only page.
    fn of(id: u32, title: &str, text: &str) -> Self {
        let text = text.strip_prefix(title).unwrap_or(text).trim();
        let page = Page { number: 1, title: None, text: text.to_owned(), headings: Vec::new() };
        let mut chunker = Chunker::new(Sizes::default());
        let mut chunks = chunker.page(&page);
        chunks.extend(chunker.finish());
        let title: String = title.chars().take(160).collect();
        let mut passages: Vec<String> =
            chunks.into_iter().map(|chunk| format!("{title}\n\n{}", chunk.text)).collect();
        if passages.is_empty() {
            passages.push(title);
        }
        Self { id, passages }
    }
}

impl Collection {
    fn read(folder: &Path) -> Result<Self> {
        let read = |name: &str| {
            let file = folder.join(name);
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
        };
        let lines = |text: &str| text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>();
        let id = |line: &Value| line["id"].as_u64().and_then(|id| u32::try_from(id).ok()).context("no id");
        let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let document =
            |line: &Value| Ok(Document::of(id(line)?, text(line, "title").trim(), text(line, "text").trim()));
        let documents = lines(&read("documents.jsonl")?)?.iter().map(document).collect::<Result<_>>()?;
        let question = |line: &Value| Ok((id(line)?, text(line, "text")));
        let questions = lines(&read("queries.jsonl")?)?.iter().map(question).collect::<Result<_>>()?;
        let mut grades: HashMap<u32, HashMap<u32, u32>> = HashMap::new();
        for line in read("qrels.tsv")?.lines() {
            let numbers: Vec<u32> = line.split('\t').map(str::parse).collect::<Result<_, _>>()?;
            let [question, document, grade] = numbers[..] else { anyhow::bail!("no judgement: {line}") };
            grades.entry(question).or_default().insert(document, grade);
        }
        Ok(Self { documents, questions, grades })
    }
}
