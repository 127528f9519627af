//! How good the order is, by a collection of judged questions. One passage is one abstract with its title in
//! front; nothing is chosen by what comes out.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use hardpoint_index::change::{Change, Filter, Found, Passage};
use hardpoint_index::embedder::{Embedder, model};
use hardpoint_index::fulltext::FullText;
use hardpoint_index::vectors::{Rounded, Seen, VectorChange, Vectors};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::fusion::{DEPTH, fuse};
use crate::measures::{self, Quality};

struct Collection {
    /// Id and text.
    documents: Vec<(u32, String)>,
    questions: Vec<(u32, String)>,
    /// By question, then by document.
    grades: HashMap<u32, HashMap<u32, u32>>,
}

pub fn measure(folder: &Path) -> Result<()> {
    let collection = Collection::read(folder)?;
    let file = model::folder().context("no folder for models")?.join(model::FILE);
    let embedder = Embedder::open(&file, 1)?;

    let texts: Vec<&str> = collection.documents.iter().map(|(_, text)| text.as_str()).collect();
    let begun = Instant::now();
    let vectors = embedder.embed(&texts, &|| true)?;
    let passages_took = begun.elapsed();
    let begun = Instant::now();
    let asked: Vec<&str> = collection.questions.iter().map(|(_, text)| text.as_str()).collect();
    let questions = embedder.embed(&asked, &|| true)?;
    let questions_took = begun.elapsed();

    let (_place, full_text, index) = index(&collection, &vectors, &embedder)?;
    let mut rows: [(&str, Vec<Quality>); 3] =
        [("full text", vec![]), ("vectors", vec![]), ("hybrid", vec![])];
    for ((id, question), vector) in collection.questions.iter().zip(&questions) {
        let words = full_text.search(question, &Filter::default(), DEPTH)?;
        let near = index.nearest(vector, Seen::default(), DEPTH)?;
        let chunks = |list: &[Found]| list.iter().map(|found| found.chunk).collect::<Vec<_>>();
        let lists = [chunks(&words), chunks(&near), fuse(&[&words, &near])];
        for (row, list) in rows.iter_mut().zip(lists) {
            let list: Vec<u32> = list.into_iter().map(number).collect();
            row.1.push(measures::quality(&list, &collection.grades[id]));
        }
    }

    println!("cranfield: {} abstracts, {} questions", collection.documents.len(), collection.questions.len());
    println!("| | nDCG@10 | recall@10 | MRR@10 |\n|---|---|---|---|");
    for (name, all) in rows {
        let Quality { ndcg, recall, reciprocal_rank } = measures::mean(&all);
        println!("| {name} | {ndcg:.3} | {recall:.3} | {reciprocal_rank:.3} |");
    }
    let tokens = |texts: &[&str]| {
        texts.iter().map(|text| embedder.count_tokens(text)).sum::<usize>() as f64 / texts.len() as f64
    };
    let each = |took: std::time::Duration, count: usize| took.as_secs_f64() * 1e3 / count as f64;
    println!(
        "embedding on one core: {:.1} ms an abstract of {:.0} tokens, {:.1} ms a question of {:.0}\n",
        each(passages_took, texts.len()),
        tokens(&texts),
        each(questions_took, asked.len()),
        tokens(&asked),
    );
    Ok(())
}

fn index(
    collection: &Collection,
    vectors: &[Vec<f32>],
    embedder: &Embedder,
) -> Result<(tempfile::TempDir, FullText, Vectors)> {
    let place = tempfile::tempdir()?;
    let full_text = FullText::open(place.path())?;
    let passages = collection.documents.iter().map(|(id, text)| {
        let chunk = Uuid::from_u128(u128::from(*id));
        Change::Add(Passage { chunk, document: chunk, text: text.clone(), metadata: Map::new() })
    });
    full_text.apply(passages, 1)?;
    let mut index = Vectors::new(embedder.pin());
    for (number, ((id, _), vector)) in (1..).zip(collection.documents.iter().zip(vectors)) {
        let chunk = Uuid::from_u128(u128::from(*id));
        let vector = Rounded::of(vector)?;
        index.apply([VectorChange::Set { chunk, document: chunk, vector }], number)?;
    }
    Ok((place, full_text, index))
}

fn number(chunk: Uuid) -> u32 {
    chunk.as_u64_pair().1 as u32
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
        let document = |line: &Value| {
            let (title, text) = (text(line, "title"), text(line, "text"));
            // Most of the abstracts begin with their title as it is.
            Ok((id(line)?, if text.starts_with(&title) { text } else { format!("{title}\n{text}") }))
        };
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
