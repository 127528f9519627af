//! The forward pass of a BERT encoder, one text at a time.
//!
//! Weights have one byte a component. What they are multiplied with is rounded to one byte as well, each token by
//! its own scale; sums are exact. Attention, normalisation and what is added are in 32-bit floats.

use rten_gemm::{GemmError, GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_simd::{Isa, SimdOp, SimdUnaryOp};
use rten_tensor::{Matrix as View, NdTensorView};
use rten_vecmath::{Gelu, MinMax, Normalize, NormalizeOptions, Softmax, Sum, SumSquareSub};

use super::model::{Layer, Linear, Model, Norm};

/// Added to a variance before it is divided by.
const EPSILON: f32 = 1e-12;

/// Both ways of multiplying matrices that the encoder needs. Cheap to make, and not to be sent between threads.
pub(super) struct Gemm {
    whole: GemmExecutor<u8, i8, i32>,
    float: GemmExecutor<f32, f32, f32>,
    /// What a component is rounded to at most. Machines without 8-bit dot products add pairs in 16 bits.
    levels: f32,
}

impl Gemm {
    pub(super) fn new() -> Self {
        let whole = GemmExecutor::<u8, i8, i32>::default();
        let levels = if whole.may_saturate() { 127.0 } else { 255.0 };
        Self { whole, float: GemmExecutor::default(), levels }
    }

    fn multiply(&self, out: &mut [f32], a: View<'_>, b: View<'_>, alpha: f32) -> Result<(), GemmError> {
        let options = GemmOptions { alpha, ..GemmOptions::default() };
        self.float.gemm(out, GemmInputA::Unpacked(a), GemmInputB::Unpacked(b), options)
    }
}

/// A linear map, packed for this machine.
struct Packed {
    weights: PackedBMatrix<i8>,
    /// The sum of each row of weights: what a zero that is not 0 adds too much.
    sums: Vec<i32>,
    scales: Vec<f32>,
    bias: Vec<f32>,
}

/// The layers, packed for this machine.
pub(super) struct Encoder {
    heads: usize,
    layers: Vec<PackedLayer>,
}

struct PackedLayer {
    attention: Packed,
    attended: Packed,
    attention_norm: Norm,
    wide: Packed,
    narrow: Packed,
    norm: Norm,
}

impl Encoder {
    /// Packs the layers of a model and takes them out of it.
    pub(super) fn take(model: &mut Model) -> Self {
        let gemm = Gemm::new();
        let layers = model.layers.drain(..).map(|layer| PackedLayer::of(&gemm, layer)).collect();
        Self { heads: model.heads, layers }
    }

    /// Runs `states`, a row of `width` for each token, through all layers.
    pub(super) fn run(&self, gemm: &Gemm, states: &mut [f32], width: usize) -> Result<(), GemmError> {
        for layer in &self.layers {
            let projected = layer.attention.apply(gemm, states)?;
            let found = self.attend(gemm, &projected, width)?;
            let attended = layer.attended.apply(gemm, &found)?;
            add(states, &attended);
            normalise(states, &layer.attention_norm);
            let mut middle = layer.wide.apply(gemm, states)?;
            Gelu {}.map_mut(&mut middle);
            let narrow = layer.narrow.apply(gemm, &middle)?;
            add(states, &narrow);
            normalise(states, &layer.norm);
        }
        Ok(())
    }

    /// Softmax(Q·Kᵀ/√d)·V for each head. A row of `projected` is the token's query, key and value.
    fn attend(&self, gemm: &Gemm, projected: &[f32], width: usize) -> Result<Vec<f32>, GemmError> {
        let tokens = projected.len() / (3 * width);
        let head_width = width / self.heads;
        let all = NdTensorView::from_data([tokens, 3 * width], projected);
        let scale = 1.0 / (head_width as f32).sqrt();
        let mut scores = vec![0.0; tokens * tokens];
        let mut values = vec![0.0; tokens * head_width];
        let mut found = vec![0.0; tokens * width];
        for head in 0..self.heads {
            let part = |which: usize| {
                let from = which * width + head * head_width;
                all.slice((.., from..from + head_width))
            };
            let (queries, keys) = (part(0), part(1));
            gemm.multiply(&mut scores, queries, keys.transposed(), scale)?;
            scores.chunks_exact_mut(tokens).for_each(|row| {
                Softmax::new_mut(row).dispatch();
            });
            let weights = NdTensorView::from_data([tokens, tokens], &scores[..]);
            gemm.multiply(&mut values, weights, part(2), 1.0)?;
            for (row, value) in found.chunks_exact_mut(width).zip(values.chunks_exact(head_width)) {
                row[head * head_width..][..head_width].copy_from_slice(value);
            }
        }
        Ok(found)
    }
}

impl PackedLayer {
    fn of(gemm: &Gemm, layer: Layer) -> Self {
        Self {
            attention: Packed::of(gemm, layer.attention),
            attended: Packed::of(gemm, layer.attended),
            attention_norm: layer.attention_norm,
            wide: Packed::of(gemm, layer.wide),
            narrow: Packed::of(gemm, layer.narrow),
            norm: layer.norm,
        }
    }
}

impl Packed {
    fn of(gemm: &Gemm, linear: Linear) -> Self {
        let Linear { matrix, bias } = linear;
        let rows = NdTensorView::from_data([matrix.scales.len(), matrix.width], &matrix.components[..]);
        let sum = |row: &[i8]| row.iter().map(|weight| i32::from(*weight)).sum();
        Self {
            weights: gemm.whole.prepack_b(rows.transposed()),
            sums: matrix.components.chunks_exact(matrix.width).map(sum).collect(),
            scales: matrix.scales,
            bias,
        }
    }

    /// A row for each row of `rows`.
    fn apply(&self, gemm: &Gemm, rows: &[f32]) -> Result<Vec<f32>, GemmError> {
        let (width, wide) = (self.weights.rows(), self.scales.len());
        let count = rows.len() / width;
        let rounded = RoundedRows::of(rows, width, gemm.levels);
        let mut products = vec![0_i32; count * wide];
        let a = NdTensorView::from_data([count, width], &rounded.components[..]);
        let b = GemmInputB::Packed(&self.weights);
        gemm.whole.gemm(&mut products, GemmInputA::Unpacked(a), b, GemmOptions::default())?;
        let mut out = vec![0.0; products.len()];
        let scales = rounded.scales.iter().zip(&rounded.zeros);
        let rows = out.chunks_exact_mut(wide).zip(products.chunks_exact(wide));
        for ((out, products), (scale, zero)) in rows.zip(scales) {
            Scaled { out, products, scale: *scale, zero: *zero, linear: self }.dispatch();
        }
        Ok(out)
    }
}

/// Rows of components of one byte, each with a scale and what stands for 0.
struct RoundedRows {
    components: Vec<u8>,
    scales: Vec<f32>,
    zeros: Vec<i32>,
}

impl RoundedRows {
    fn of(rows: &[f32], width: usize, levels: f32) -> Self {
        let mut rounded = Self { components: vec![0; rows.len()], scales: Vec::new(), zeros: Vec::new() };
        for (row, components) in rows.chunks_exact(width).zip(rounded.components.chunks_exact_mut(width)) {
            let (smallest, largest) = MinMax::new(row).dispatch();
            let (smallest, largest) = (smallest.min(0.0), largest.max(0.0));
            let scale = (largest - smallest).max(f32::MIN_POSITIVE) / levels;
            let zero = (-smallest / scale).round();
            Rounding { row, components, inverse: 1.0 / scale, zero, levels }.dispatch();
            rounded.scales.push(scale);
            rounded.zeros.push(zero as i32);
        }
        rounded
    }
}

/// Rounds one row.
struct Rounding<'a> {
    row: &'a [f32],
    components: &'a mut [u8],
    inverse: f32,
    zero: f32,
    levels: f32,
}

impl SimdOp for Rounding<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        for (component, value) in self.components.iter_mut().zip(self.row) {
            // What is added rounds, since the cast cuts off.
            *component = (value * self.inverse + self.zero + 0.5).clamp(0.0, self.levels) as u8;
        }
    }
}

/// A row of products back as floats, with the bias. Zeros are taken out here, and not by `rten-gemm`: version 0.24
/// takes those of the first rows for all.
struct Scaled<'a> {
    out: &'a mut [f32],
    products: &'a [i32],
    scale: f32,
    zero: i32,
    linear: &'a Packed,
}

impl SimdOp for Scaled<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        let Packed { sums, scales, bias, .. } = self.linear;
        let columns = self.products.iter().zip(sums).zip(scales).zip(bias);
        for (out, (((product, sum), scale), bias)) in self.out.iter_mut().zip(columns) {
            *out = (product - self.zero * sum) as f32 * (self.scale * scale) + bias;
        }
    }
}

fn add(states: &mut [f32], more: &[f32]) {
    states.iter_mut().zip(more).for_each(|(state, more)| *state += more);
}

/// Each row to mean 0 and variance 1, then by weight and bias.
pub(super) fn normalise(rows: &mut [f32], norm: &Norm) {
    for row in rows.chunks_exact_mut(norm.weight.len()) {
        let length = row.len() as f32;
        let mean = Sum::new(row).dispatch() / length;
        let variance = SumSquareSub::new(row, mean).dispatch() / length;
        let options = NormalizeOptions {
            pre_scale_bias: mean,
            scale: 1.0 / (variance + EPSILON).sqrt(),
            element_scale: Some(&norm.weight),
            element_bias: Some(&norm.bias),
            ..NormalizeOptions::default()
        };
        Normalize::new_mut(row, options).dispatch();
    }
}
