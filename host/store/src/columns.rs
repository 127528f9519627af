//! How values travel to and from columns: what may be bound, and how the domain's types are read back.

use hardpoint_domain::manifest::Kind;
use hardpoint_domain::money::Credits;
use hardpoint_domain::plan::Rates;
use hardpoint_domain::time::Timestamp;

use crate::StoreError;

/// A value that may be bound to a statement.
pub(crate) trait Value {
    /// Whether it is text with a NUL in it, which SQLite would keep and PostgreSQL refuse.
    fn has_nul(&self) -> bool {
        false
    }
}

impl Value for i64 {}
impl Value for f64 {}
impl Value for bool {}
impl Value for &[u8] {}
impl Value for Vec<u8> {}

impl Value for &str {
    fn has_nul(&self) -> bool {
        self.as_bytes().contains(&0)
    }
}

impl Value for &String {
    fn has_nul(&self) -> bool {
        self.as_bytes().contains(&0)
    }
}

impl Value for String {
    fn has_nul(&self) -> bool {
        self.as_bytes().contains(&0)
    }
}

impl<V: Value> Value for Option<V> {
    fn has_nul(&self) -> bool {
        self.as_ref().is_some_and(V::has_nul)
    }
}

/// The value itself, unless it is text that only one of the two databases would keep.
pub(crate) fn clean<V: Value>(value: V) -> Result<V, StoreError> {
    if value.has_nul() { Err(StoreError::InvalidText) } else { Ok(value) }
}

/// A `BIGINT` column of microseconds.
#[derive(sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct Micros(i64);

impl From<Micros> for Timestamp {
    fn from(micros: Micros) -> Self {
        Self::from_micros(micros.0)
    }
}

/// A `BIGINT` column of microseconds that may be null.
#[derive(sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct MaybeMicros(Option<i64>);

impl From<MaybeMicros> for Option<Timestamp> {
    fn from(micros: MaybeMicros) -> Self {
        micros.0.map(Timestamp::from_micros)
    }
}

/// A `BIGINT` column of micro-credits.
#[derive(sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct Amount(i64);

impl From<Amount> for Credits {
    fn from(micros: Amount) -> Self {
        Self::from_micros(micros.0)
    }
}

/// A `BIGINT` column of micro-credits that may be null.
#[derive(sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct MaybeAmount(Option<i64>);

impl From<MaybeAmount> for Option<Credits> {
    fn from(micros: MaybeAmount) -> Self {
        micros.0.map(Credits::from_micros)
    }
}

/// A `TEXT` column that holds a JSON array of strings.
#[derive(sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct JsonTexts(String);

impl TryFrom<JsonTexts> for Vec<String> {
    type Error = serde_json::Error;

    fn try_from(json: JsonTexts) -> Result<Self, Self::Error> {
        serde_json::from_str(&json.0)
    }
}

/// JSON text of an array of strings, as [`JsonTexts`] reads it.
pub(crate) fn json_texts(texts: &[String]) -> String {
    serde_json::Value::from(texts).to_string()
}

/// A `TEXT` column that holds limits as JSON, or null where there are none.
#[derive(sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct RatesJson(Option<String>);

impl TryFrom<RatesJson> for Rates {
    type Error = serde_json::Error;

    fn try_from(json: RatesJson) -> Result<Self, Self::Error> {
        json.0.map_or(Ok(Self::default()), |json| serde_json::from_str(&json))
    }
}

/// JSON text of limits, as [`RatesJson`] reads it; none where nothing is limited.
pub(crate) fn rates_json(rates: &Rates) -> Option<String> {
    (*rates != Rates::default()).then(|| serde_json::json!(rates).to_string())
}

/// A `TEXT` column with a kind of plugin.
#[derive(sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct KindText(String);

impl TryFrom<KindText> for Kind {
    type Error = UnknownWord;

    fn try_from(text: KindText) -> Result<Self, Self::Error> {
        [Kind::Model, Kind::Exporter, Kind::Tool, Kind::Retriever]
            .into_iter()
            .find(|kind| kind_text(*kind) == text.0)
            .ok_or(UnknownWord { column: "kind", word: text.0 })
    }
}

/// The word that a kind is stored as; the same as in manifests.
pub(crate) const fn kind_text(kind: Kind) -> &'static str {
    match kind {
        Kind::Model => "model",
        Kind::Exporter => "exporter",
        Kind::Tool => "tool",
        Kind::Retriever => "retriever",
    }
}

/// A word in a column of fixed words that this program does not know.
#[derive(Debug, thiserror::Error)]
#[error("{word:?} is no known {column}")]
pub struct UnknownWord {
    pub(crate) column: &'static str,
    pub(crate) word: String,
}

/// An enum that is stored, and shown in JSON, as one word of each variant.
macro_rules! words {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$variant_meta])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// The word it is stored as.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::columns::UnknownWord;

            fn try_from(word: String) -> Result<Self, Self::Error> {
                match word.as_str() {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::columns::UnknownWord { column: stringify!($name), word }),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;
