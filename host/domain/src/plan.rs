//! The plans that an organisation may be on.

/// Their ids, from least to most.
pub const IDS: [&str; 4] = ["free", "standard", "professional", "enterprise"];

/// The id of the plan that is called this; `standard` answers to `starter` too.
pub fn named(name: &str) -> Option<&'static str> {
    let name = if name == "starter" { "standard" } else { name };
    IDS.into_iter().find(|id| *id == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_by_name() {
        for (name, id) in [
            ("free", Some("free")),
            ("starter", Some("standard")),
            ("standard", Some("standard")),
            ("Free", None),
            ("", None),
        ] {
            assert_eq!(named(name), id, "{name}");
        }
    }
}
