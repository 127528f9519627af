//! Tools: functions that a model or a client may call.

use alloc::format;
use alloc::string::{String, ToString};
use core::marker::PhantomData;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::tool::exports::hardpoint::plugin::tool as wit;
use crate::failure::Failure;
use crate::settings;
pub use wit::{Definition, ToolError};

/// A plugin of kind `tool`.
pub trait Tool: 'static {
    /// The binding's settings; [`NoSettings`](crate::NoSettings) where there are none.
    type Settings: DeserializeOwned;
    /// What a call brings. Doc comments become descriptions in the schema that models see.
    type Arguments: DeserializeOwned + JsonSchema;

    /// What the tool does and when to use it, for the model.
    fn description(settings: &Self::Settings) -> String;

    /// Answers a call: text, or JSON as text (see [`json`]).
    ///
    /// # Errors
    /// Told to the model that called.
    fn call(arguments: Self::Arguments, settings: Self::Settings) -> Result<String, ToolError>;

    /// The JSON Schema of the arguments. From their type, unless written: a binding's settings may narrow it.
    ///
    /// # Errors
    /// If the settings make no sense.
    fn parameters(settings: &Self::Settings) -> Result<Schema, String> {
        let _ = settings;
        Ok(schema_of::<Self::Arguments>())
    }
}

/// The JSON Schema of a type, as models and clients expect it: all in one place, without references where
/// the type is not recursive.
pub fn schema_of<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.remove("title");
    schema
}

/// A value as the answer of a tool.
///
/// # Errors
/// If the value cannot be written as JSON.
pub fn json(value: &(impl Serialize + ?Sized)) -> Result<String, ToolError> {
    serde_json::to_string(value).map_err(|error| ToolError::Failed(format!("the answer is no JSON: {error}")))
}

/// Failures of [`http::send`](crate::http::send), [`kv`](crate::kv) and the like, by `?`.
impl From<Failure> for ToolError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.message)
    }
}

impl From<crate::http::Error> for ToolError {
    fn from(error: crate::http::Error) -> Self {
        Self::Failed(error.message)
    }
}

impl From<crate::kv::Error> for ToolError {
    fn from(error: crate::kv::Error) -> Self {
        use crate::kv::Error::{Denied, TooLarge, Unavailable};
        let (Denied(message) | TooLarge(message) | Unavailable(message)) = error;
        Self::Failed(message)
    }
}

/// What the interface calls `describe`.
pub(crate) fn describe<T: Tool>(settings: &str) -> Result<Definition, String> {
    let settings = settings::parse(settings).map_err(|failure| failure.message)?;
    let parameters = serde_json::to_string(&T::parameters(&settings)?).map_err(|error| error.to_string())?;
    Ok(Definition { description: T::description(&settings), parameters })
}

/// What the interface calls `call`.
pub(crate) fn call<T: Tool>(arguments: &str, settings: &str) -> Result<String, ToolError> {
    let settings = settings::parse(settings)?;
    // Some models leave out the braces where nothing is required.
    let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
    let arguments =
        serde_json::from_str(arguments).map_err(|error| ToolError::InvalidArguments(error.to_string()))?;
    T::call(arguments, settings)
}

/// What [`export!`](crate::export) exports.
#[doc(hidden)]
pub struct Guest<T>(PhantomData<T>);

impl<T: Tool> wit::Guest for Guest<T> {
    fn describe(settings: String) -> Result<Definition, String> {
        describe::<T>(&settings)
    }

    fn call(arguments: String, settings: String) -> Result<String, ToolError> {
        call::<T>(&arguments, &settings)
    }
}
