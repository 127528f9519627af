//! What is live at one moment: an immutable snapshot. A request takes one and keeps it to its end.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hardpoint_domain::manifest::Kind;

use crate::binding::{Binding, BindingSpec};
use crate::door::Door;
use crate::generation::Generation;
use crate::permits::Places;

/// The plugins and bindings of one moment.
#[derive(Debug, Default)]
pub struct Catalogue {
    plugins: BTreeMap<String, Arc<Generation>>,
    bindings: BTreeMap<String, Arc<Binding>>,
    /// By plugin, so that an upgrade keeps the places that are taken.
    places: HashMap<String, Arc<Places>>,
    /// By the name of a binding, live or not.
    doors: HashMap<String, Arc<Door>>,
}

impl Catalogue {
    /// A binding by its name.
    pub fn binding(&self, name: &str) -> Option<&Arc<Binding>> {
        self.bindings.get(name)
    }

    /// A binding by its name, where it serves this organisation.
    pub fn binding_for(&self, organization: &str, name: &str) -> Option<&Arc<Binding>> {
        self.binding(name).filter(|binding| binding.admits(organization))
    }

    /// Whether what a binding's name stands for is open to this organisation, live or not. A name that
    /// stands for nothing is open to all.
    pub fn admits(&self, organization: &str, name: &str) -> bool {
        self.doors.get(name).is_none_or(|door| door.admits(organization))
    }

    /// Every binding, by name.
    pub fn bindings(&self) -> impl Iterator<Item = &Arc<Binding>> {
        self.bindings.values()
    }

    /// Every binding of a kind, by name.
    pub fn bindings_of(&self, kind: Kind) -> impl Iterator<Item = &Arc<Binding>> {
        self.bindings.values().filter(move |binding| binding.kind() == kind)
    }

    /// The serving generation of a plugin.
    pub fn plugin(&self, id: &str) -> Option<&Arc<Generation>> {
        self.plugins.get(id)
    }

    /// The serving generation of every plugin, by id.
    pub fn plugins(&self) -> impl Iterator<Item = &Arc<Generation>> {
        self.plugins.values()
    }

    /// The next catalogue. Bindings that are the same as before are kept with their breakers, places
    /// and warm sandboxes; a spec whose plugin is not there is left out.
    pub(crate) fn succeed(&self, generations: Vec<Arc<Generation>>, specs: Vec<BindingSpec>) -> Self {
        let plugins: BTreeMap<_, _> = generations
            .into_iter()
            .map(|generation| (generation.manifest().id.clone(), generation))
            .collect();
        let mut next = Self { plugins, ..Self::default() };
        for spec in specs {
            let Some(generation) = next.plugins.get(&spec.plugin).cloned() else { continue };
            let places = self.places_for(&mut next.places, &spec);
            let kept = self
                .bindings
                .get(&spec.name)
                .filter(|old| old.spec == spec && Arc::ptr_eq(&old.generation, &generation));
            let binding = match kept {
                Some(binding) => Arc::clone(binding),
                None => Arc::new(Binding::new(spec, generation, places)),
            };
            next.bindings.insert(binding.name().to_owned(), binding);
        }
        next
    }

    /// The same, with the doors that names lead to.
    pub(crate) fn behind(self, doors: HashMap<String, Arc<Door>>) -> Self {
        Self { doors, ..self }
    }

    /// The places of a plugin: those it has, unless its caps changed.
    fn places_for(&self, next: &mut HashMap<String, Arc<Places>>, spec: &BindingSpec) -> Arc<Places> {
        let known = next.get(&spec.plugin).or_else(|| self.places.get(&spec.plugin));
        let places = match known {
            Some(places) if places.fit(&spec.limits) => Arc::clone(places),
            _ => Arc::new(Places::new(&spec.limits)),
        };
        next.insert(spec.plugin.clone(), Arc::clone(&places));
        places
    }
}
