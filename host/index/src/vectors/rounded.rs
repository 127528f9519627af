//! Vectors whose components are rounded to a byte.

use crate::IndexError;

/// A vector's direction, a byte a component: the largest is 127 or -127. Its length is not kept, since cosines do
/// not ask for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rounded(Vec<i8>);

impl Rounded {
    /// Rounds a vector.
    ///
    /// # Errors
    /// If it has no direction: all components are 0, or one is no number or infinite.
    pub fn of(vector: &[f32]) -> Result<Self, IndexError> {
        let largest = largest(vector)?;
        Ok(Self(vector.iter().map(|component| (component / largest * 127.0).round() as i8).collect()))
    }

    /// From the bytes that [`Rounded::to_bytes`] gave.
    ///
    /// # Errors
    /// If all are 0.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IndexError> {
        if bytes.iter().all(|byte| *byte == 0) {
            return Err(no_direction());
        }
        Ok(Self(bytes.iter().map(|byte| byte.cast_signed()).collect()))
    }

    /// As the store keeps it: a byte a component, in two's complement.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().map(|component| component.cast_unsigned()).collect()
    }

    /// The rounded components.
    pub fn components(&self) -> &[i8] {
        &self.0
    }

    /// One over the length of the rounded vector, so that its cosine with itself is 1 after rounding too.
    pub(super) fn scale(&self) -> f32 {
        scale(&self.0)
    }
}

/// One over the length of `components`.
pub(super) fn scale(components: &[i8]) -> f32 {
    let square: i64 = components.iter().map(|component| i64::from(*component) * i64::from(*component)).sum();
    (1.0 / (square as f64).sqrt()) as f32
}

/// A vector that is asked with. There is one, so it can have two bytes a component.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) components: Vec<i16>,
    /// What a product is divided by, beside the length of the other vector.
    pub(super) scale: f32,
}

/// The length that questions are brought to. By Cauchy and Schwarz a product with components of a byte, or any
/// part of one, then fits in 32 bits up to a dimension of 280,000: 127 · √280,000 · 31,900 < 2³¹.
const LENGTH: f32 = 31_900.0;

impl Question {
    /// # Errors
    /// If the vector has no direction.
    pub(super) fn of(vector: &[f32]) -> Result<Self, IndexError> {
        let largest = largest(vector)?;
        let length = vector.iter().map(|component| (component / largest).powi(2)).sum::<f32>().sqrt();
        let scaled = |component: &f32| (component / largest / length * LENGTH).round() as i16;
        let components: Vec<i16> = vector.iter().map(scaled).collect();
        let square: f64 = components.iter().map(|component| f64::from(*component).powi(2)).sum();
        Ok(Self { components, scale: (1.0 / square.sqrt()) as f32 })
    }
}

fn largest(vector: &[f32]) -> Result<f32, IndexError> {
    let largest = vector.iter().fold(0.0_f32, |largest, component| largest.max(component.abs()));
    let fits = largest > f32::MIN_POSITIVE && vector.iter().all(|component| component.is_finite());
    if fits { Ok(largest) } else { Err(no_direction()) }
}

fn no_direction() -> IndexError {
    IndexError::Invalid("a vector without direction: all components are 0, or one is no number".to_owned())
}
