//! What the `hybrid` plugin does with the index, by the SDK's functions.

use anyhow::Result;
use hardpoint_index::change::Found;
use hardpoint_index::vectors::Vectors;
use uuid::Uuid;

use crate::feedback;
use crate::fusion::{Fused, List, Method, fuse};
use crate::index::Ranked;

/// How far down each list is looked at: the plugin's default.
pub const CANDIDATES: usize = 100;

/// How lists are made one.
#[derive(Clone, Copy)]
pub struct Fusion {
    pub method: Method,
    /// What words count; vectors count the rest to 1.
    pub text_weight: f32,
    /// How many of the first hits the question is moved towards.
    pub feedback: usize,
}

/// The plugin's defaults.
impl Default for Fusion {
    fn default() -> Self {
        Self { method: Method::default(), text_weight: 0.5, feedback: 3 }
    }
}

impl Fusion {
    /// The chunks of both lists, best first.
    pub fn of(
        self,
        words: &[Ranked],
        near: &[Ranked],
        question: &[f32],
        vectors: &Vectors,
    ) -> Result<Vec<Uuid>> {
        let hits = self.fused(words, near);
        let ids = hits.iter().map(|hit| Uuid::try_parse(&hit.chunk_id)).collect::<Result<Vec<_>, _>>()?;
        let first: Vec<Vec<f32>> =
            vectors.vectors(&ids[..self.feedback.min(ids.len())]).into_iter().flatten().collect();
        if first.is_empty() {
            return Ok(ids);
        }
        let cosines = vectors.cosines(&feedback::moved(question, &first), &ids)?;
        let again = self.fused(words, &feedback::ranked(&hits, &cosines));
        Ok(again.iter().map(|hit| Uuid::try_parse(&hit.chunk_id)).collect::<Result<_, _>>()?)
    }

    fn fused(self, words: &[Ranked], near: &[Ranked]) -> Vec<Fused> {
        let lists = [
            List { hits: words, weight: self.text_weight },
            List { hits: near, weight: 1.0 - self.text_weight },
        ];
        fuse(&lists, self.method)
    }
}

/// A list as plugins see it.
pub fn ranked(list: Vec<Found>) -> Vec<Ranked> {
    let ranked = |(found, rank): (Found, u32)| Ranked {
        chunk_id: found.chunk.to_string(),
        document_id: found.document.to_string(),
        rank,
        score: found.score,
    };
    list.into_iter().zip(1..).map(ranked).collect()
}
