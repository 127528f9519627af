use std::fs;
use std::path::Path;

/// A folder of one test, and for cargo one target folder that they all share: the SDK and what it depends on
/// are built once.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("templates");
        let config = format!("[build]\ntarget-dir = {:?}\n", shared.to_str().expect("a path in UTF-8"));
        fs::create_dir(place.path().join(".cargo")).unwrap();
        fs::write(place.path().join(".cargo/config.toml"), config).unwrap();
        Self(place)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}
