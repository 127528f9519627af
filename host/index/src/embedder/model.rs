//! The file that an embedder is loaded from: a BERT encoder with weights of one byte, and its vocabulary.
//!
//! `cargo xtask model` makes it from the published weights, with the same lines that read it here. The layout is
//! what [`Model::write`] does, in order; numbers are little-endian, a CRC-32 of all before it is the end.

use std::env;
use std::path::PathBuf;

/// The name of the file of all-MiniLM-L6-v2.
pub const FILE: &str = "all-minilm-l6-v2.int8";

/// Where `cargo xtask model` leaves models: `HARDPOINT_MODELS`, or `hardpoint/models` in the caller's cache. None
/// where nothing tells.
pub fn folder() -> Option<PathBuf> {
    let named = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")));
    named("HARDPOINT_MODELS").or_else(|| Some(cache()?.join("hardpoint/models")))
}

/// What the file is, and the version of its layout.
pub(super) const MAGIC: &[u8; 8] = b"HPEMBED1";

/// Why a file is no model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoModel(pub &'static str);

/// An encoder: sizes, vocabulary, weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// What vectors by this model are pinned to. Other rounding is another model.
    pub id: String,
    /// Heads of attention in a layer.
    pub heads: usize,
    /// Tokens of a text, the two around it included; what is longer is cut.
    pub most_tokens: usize,
    /// Word pieces; a token is its place.
    pub vocabulary: Vec<String>,
    /// A row for each token.
    pub words: Matrix,
    /// Added by place: `most_tokens` rows.
    pub positions: Vec<f32>,
    /// Added everywhere.
    pub segment: Vec<f32>,
    /// After the sum of these three.
    pub norm: Norm,
    /// From the first to the last.
    pub layers: Vec<Layer>,
}

/// Rows of components of one byte; each row has a scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// Components of a row.
    pub width: usize,
    /// Row after row.
    pub components: Vec<i8>,
    /// What a row's components are multiplied by.
    pub scales: Vec<f32>,
}

/// `matrix · x + bias`; a row for each component that comes out.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// The weights.
    pub matrix: Matrix,
    /// One for each row.
    pub bias: Vec<f32>,
}

/// Normalisation of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Norm {
    /// By which the normalised is multiplied.
    pub weight: Vec<f32>,
    /// What is added then.
    pub bias: Vec<f32>,
}

/// One layer of the encoder.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Queries, keys and values, one below the other.
    pub attention: Linear,
    /// What attention found, brought back.
    pub attended: Linear,
    /// After attention.
    pub attention_norm: Norm,
    /// Up to the wide middle.
    pub wide: Linear,
    /// And back.
    pub narrow: Linear,
    /// After both.
    pub norm: Norm,
}

impl Matrix {
    /// Rounds rows of `width` components each: the largest of a row becomes 127 or -127.
    pub fn rounded(width: usize, weights: &[f32]) -> Self {
        let mut matrix = Self { width, components: Vec::with_capacity(weights.len()), scales: Vec::new() };
        for row in weights.chunks_exact(width) {
            let largest = row.iter().fold(f32::MIN_POSITIVE, |largest, weight| largest.max(weight.abs()));
            let scale = largest / 127.0;
            matrix.scales.push(scale);
            matrix.components.extend(row.iter().map(|weight| (weight / scale).round() as i8));
        }
        matrix
    }
}

impl Model {
    /// Components of a vector.
    pub fn dimension(&self) -> usize {
        self.segment.len()
    }

    /// The file's bytes.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Writer(MAGIC.to_vec());
        out.text(&self.id);
        for size in [self.heads, self.most_tokens, self.vocabulary.len(), self.layers.len()] {
            out.size(size);
        }
        self.vocabulary.iter().for_each(|piece| out.text(piece));
        out.matrix(&self.words);
        out.floats(&self.positions);
        out.floats(&self.segment);
        out.norm(&self.norm);
        for layer in &self.layers {
            out.linear(&layer.attention);
            out.linear(&layer.attended);
            out.norm(&layer.attention_norm);
            out.linear(&layer.wide);
            out.linear(&layer.narrow);
            out.norm(&layer.norm);
        }
        let sum = crc32fast::hash(&out.0);
        out.0.extend(sum.to_le_bytes());
        out.0
    }

    /// Reads what [`Model::write`] wrote.
    ///
    /// # Errors
    /// If it is something else, of another version, damaged, or its parts do not fit each other.
    pub fn read(bytes: &[u8]) -> Result<Self, NoModel> {
        let (body, sum) = bytes.split_last_chunk::<4>().ok_or(NoModel("it is too short"))?;
        let body_of_magic = body.strip_prefix(MAGIC).ok_or(NoModel("it is of another kind or version"))?;
        if crc32fast::hash(body) != u32::from_le_bytes(*sum) {
            return Err(NoModel("it is not as it was written"));
        }
        let mut from = Reader(body_of_magic);
        let id = from.text()?;
        let (heads, most_tokens) = (from.size()?, from.size()?);
        let (pieces, layers) = (from.size()?, from.size()?);
        let model = Self {
            id,
            heads,
            most_tokens,
            vocabulary: (0..pieces).map(|_| from.text()).collect::<Result<_, _>>()?,
            words: from.matrix()?,
            positions: from.floats()?,
            segment: from.floats()?,
            norm: from.norm()?,
            layers: (0..layers).map(|_| from.layer()).collect::<Result<_, _>>()?,
        };
        if model.fits() { Ok(model) } else { Err(NoModel("its parts do not fit each other")) }
    }

    /// Whether every part has the size that the others need.
    fn fits(&self) -> bool {
        let wide = self.dimension();
        let is_linear = |linear: &Linear, from: usize, to: usize| {
            linear.matrix.width == from && linear.bias.len() == to && linear.matrix.scales.len() == to
        };
        let is_norm = |norm: &Norm| norm.weight.len() == wide && norm.bias.len() == wide;
        wide > 0
            && self.heads > 0
            && wide.is_multiple_of(self.heads)
            && self.most_tokens > 2
            && self.words.width == wide
            && self.words.scales.len() == self.vocabulary.len()
            && self.positions.len() == wide * self.most_tokens
            && is_norm(&self.norm)
            && self.layers.iter().all(|layer| {
                let middle = layer.wide.bias.len();
                is_linear(&layer.attention, wide, 3 * wide)
                    && is_linear(&layer.attended, wide, wide)
                    && is_linear(&layer.wide, wide, middle)
                    && is_linear(&layer.narrow, middle, wide)
                    && is_norm(&layer.attention_norm)
                    && is_norm(&layer.norm)
            })
    }
}

struct Writer(Vec<u8>);

impl Writer {
    /// Sizes are far below 2³²: the file would not fit in memory otherwise.
    fn size(&mut self, size: usize) {
        self.0.extend((size as u32).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.size(text.len());
        self.0.extend(text.as_bytes());
    }

    fn floats(&mut self, floats: &[f32]) {
        self.size(floats.len());
        floats.iter().for_each(|float| self.0.extend(float.to_le_bytes()));
    }

    fn matrix(&mut self, matrix: &Matrix) {
        self.size(matrix.width);
        self.floats(&matrix.scales);
        self.0.extend(matrix.components.iter().map(|byte| byte.cast_unsigned()));
    }

    fn linear(&mut self, linear: &Linear) {
        self.matrix(&linear.matrix);
        self.floats(&linear.bias);
    }

    fn norm(&mut self, norm: &Norm) {
        self.floats(&norm.weight);
        self.floats(&norm.bias);
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn bytes(&mut self, length: usize) -> Result<&[u8], NoModel> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(NoModel("it ends too soon"))?;
        self.0 = rest;
        Ok(bytes)
    }

    fn size(&mut self) -> Result<usize, NoModel> {
        let bytes = self.bytes(4)?.first_chunk().copied().unwrap_or_default();
        Ok(u32::from_le_bytes(bytes) as usize)
    }

    fn text(&mut self) -> Result<String, NoModel> {
        let length = self.size()?;
        String::from_utf8(self.bytes(length)?.to_vec()).map_err(|_| NoModel("it has a text that is no UTF-8"))
    }

    fn floats(&mut self) -> Result<Vec<f32>, NoModel> {
        let length = self.size()?;
        let (floats, _) = self.bytes(length.saturating_mul(4))?.as_chunks();
        Ok(floats.iter().copied().map(f32::from_le_bytes).collect())
    }

    fn matrix(&mut self) -> Result<Matrix, NoModel> {
        let (width, scales) = (self.size()?, self.floats()?);
        let components = self.bytes(width.saturating_mul(scales.len()))?;
        Ok(Matrix { width, components: components.iter().map(|byte| byte.cast_signed()).collect(), scales })
    }

    fn linear(&mut self) -> Result<Linear, NoModel> {
        Ok(Linear { matrix: self.matrix()?, bias: self.floats()? })
    }

    fn norm(&mut self) -> Result<Norm, NoModel> {
        Ok(Norm { weight: self.floats()?, bias: self.floats()? })
    }

    fn layer(&mut self) -> Result<Layer, NoModel> {
        Ok(Layer {
            attention: self.linear()?,
            attended: self.linear()?,
            attention_norm: self.norm()?,
            wide: self.linear()?,
            narrow: self.linear()?,
            norm: self.norm()?,
        })
    }
}
