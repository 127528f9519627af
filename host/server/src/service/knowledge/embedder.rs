//! Who makes the vectors of a knowledge base: the model that this host has loaded, or one of `/models`.

use hardpoint_domain::knowledge::score::Calibration;
use hardpoint_domain::knowledge::settings::{Embedder, Wrong};
use hardpoint_domain::manifest::Kind;
use hardpoint_domain::model::Model;
use hardpoint_store::knowledge::ingestions::Takes;

use super::bases::WantedEmbedder;
use super::bound::LocalEmbedder;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::service::accounts::shown;
use crate::service::models;
use crate::state::App;

/// Who makes vectors.
pub enum Maker<'a> {
    /// This host.
    Local(&'a LocalEmbedder),
    /// A model of `/models`, which costs what that costs.
    Remote(&'a Model),
}

/// Who makes vectors for what is pinned to this; none where that is neither loaded nor configured here.
pub fn maker<'a>(app: &'a App, pinned: &Embedder) -> Option<Maker<'a>> {
    let remote = || app.config.model(&pinned.model).filter(|model| model.makes_vectors());
    app.knowledge.embedder_for(pinned).map(Maker::Local).or_else(|| remote().map(Maker::Remote))
}

/// Whether the texts of what is pinned to this leave the host.
pub fn goes_out(app: &App, pinned: &Embedder) -> bool {
    matches!(maker(app, pinned), Some(Maker::Remote(_)))
}

/// Every host reads.
pub fn read_here(_: &App) -> Takes {
    Takes { readings: true, ..Takes::default() }
}

/// The vectors of the model that this host has loaded.
pub fn made_here(app: &App) -> Takes {
    let local = app.knowledge.local_embedder().map(|local| local.model);
    Takes { models: local.into_iter().collect(), ..Takes::default() }
}

/// The vectors that this host asks others for now. A model that no document is to be tried with for a while is not among
/// theirs, and one whose binding is not live here is left to other hosts.
pub fn asked_for(app: &App) -> Takes {
    let (catalogue, now) = (app.runtime.snapshot(), app.clock.now());
    let is_live = |model: &&Model| {
        catalogue.binding(&model.binding).is_some_and(|binding| binding.kind() == Kind::Model)
    };
    let able = app.config.models.iter().filter(|model| model.makes_vectors()).filter(is_live);
    let resting = &app.knowledge.resting;
    let awake = able.filter(|model| !resting.rests(&model.id, now)).map(|model| model.id.clone());
    Takes { models: awake.collect(), except: resting.except(now), ..Takes::default() }
}

/// The scale of what a knowledge base is pinned to.
pub fn calibration(app: &App, pinned: &Embedder) -> Calibration {
    match maker(app, pinned) {
        Some(Maker::Remote(model)) => {
            model.relevant_cosine.and_then(Calibration::new).unwrap_or(Calibration::USUAL)
        }
        _ => Calibration::MINILM,
    }
}

/// The embedder that somebody means: the host's own, or a model that is open to their organisation.
///
/// # Errors
/// 422 where there is none of this name, or nobody says how many numbers its vectors have; 400 for a number that cannot be.
pub fn named(app: &App, caller: &Caller, wanted: &WantedEmbedder) -> Result<Embedder, ApiError> {
    let is_it = |local: &Embedder| {
        local.model == wanted.model && wanted.dimensions.is_none_or(|number| number == local.dimensions)
    };
    if let Some(local) = app.knowledge.local_embedder().filter(is_it) {
        return Ok(local);
    }
    let open = open(app, caller);
    let model = open.iter().find(|model| model.id == wanted.model);
    let model = model.ok_or_else(|| unknown(app, &wanted.model, &open))?;
    let dimensions = wanted.dimensions.or(model.dimensions).ok_or_else(|| {
        let message = format!(
            "Nobody said how many numbers a vector of `{}` has: name them here, as `embedder.dimensions`, or let an \
             operator write them down, as `dimensions` of the model.",
            model.id
        );
        ApiError::impossible("embedder.dimensions", "required", message)
    })?;
    let embedder = Embedder { model: model.id.clone(), dimensions };
    embedder.check().map_err(|Wrong { field, message }| {
        ApiError::bad_field(field, "range", format!("The '{field}' field must be {message}."))
    })?;
    Ok(embedder)
}

/// The models that make vectors and that the caller's organisation may use.
fn open<'a>(app: &'a App, caller: &Caller) -> Vec<&'a Model> {
    let catalogue = app.runtime.snapshot();
    let makes = app.config.models.iter().filter(|model| model.makes_vectors());
    makes.filter(|model| models::is_open(model, &catalogue, &caller.organization_id)).collect()
}

fn unknown(app: &App, name: &str, open: &[&Model]) -> ApiError {
    let local = app.knowledge.local_embedder();
    let local = local.map(|local| format!("`{}` with {} dimensions", local.model, local.dimensions));
    let there: Vec<String> =
        local.into_iter().chain(open.iter().map(|model| format!("`{}`", model.id))).collect();
    let there = match there.is_empty() {
        true => "none is loaded".to_owned(),
        false => format!("there is {}", there.join(", ")),
    };
    let message = format!(
        "There is no such embedder as `{}`: {there}. With `null` documents are found by full text alone.",
        shown(name)
    );
    ApiError::impossible("embedder.model", "exists", message)
}
