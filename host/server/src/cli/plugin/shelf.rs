//! The compiled code that `plugin call`, `test` and `record` keep for the next time.

use std::io;
use std::path::Path;

/// Leaves the code of as many components as that in a folder, those that were compiled last.
///
/// # Errors
/// If the folder is there and cannot be read, or a file in it cannot be removed.
pub(super) fn keep_newest(folder: &Path, most: usize) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    let mut kept = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let is_code = path.extension().is_some_and(|extension| extension == "cwasm");
        // What is gone by now need not be removed.
        if is_code && let Ok(metadata) = path.metadata() {
            kept.push((metadata.modified()?, path));
        }
    }
    kept.sort_by(|one, other| other.cmp(one));
    for (_, code) in kept.into_iter().skip(most) {
        for file in [code.with_extension("sum"), code] {
            match std::fs::remove_file(file) {
                // Another command was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn what_was_compiled_last_stays() {
        let place = tempfile::tempdir().unwrap();
        assert!(keep_newest(&place.path().join("nothing"), 1).is_ok());
        for (name, age) in [("old", 1), ("new", 3), ("middle", 2)] {
            fs::write(place.path().join(format!("{name}.sum")), "").unwrap();
            let code = File::create(place.path().join(format!("{name}.cwasm"))).unwrap();
            code.set_modified(UNIX_EPOCH + Duration::from_secs(age)).unwrap();
        }
        fs::write(place.path().join("other"), "").unwrap();
        keep_newest(place.path(), 2).unwrap();
        let left = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut left: Vec<String> = left.map(|name| name.to_string_lossy().into_owned()).collect();
        left.sort();
        assert_eq!(left, ["middle.cwasm", "middle.sum", "new.cwasm", "new.sum", "other"]);
    }
}
