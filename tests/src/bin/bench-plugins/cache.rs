//! Compiled code, laid where a host will look for it: the code of a component is the same under any manifest,
//! so one compilation does for a thousand plugins.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::host::Place;
use crate::tools::{Language, Work, built, named};

/// How long one compilation may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// What was built and compiled so far in this run.
#[derive(Default)]
pub struct Shelf(Vec<Tool>);

/// A tool and its code.
#[derive(Clone)]
pub struct Tool {
    pub language: Language,
    pub work: Work,
    pub component: Rc<Vec<u8>>,
    pub code: Rc<Compiled>,
}

impl Shelf {
    /// A tool, built and compiled.
    pub async fn take(&mut self, language: Language, work: Work) -> Result<Tool> {
        let known = self.0.iter().find(|tool| tool.language == language && tool.work == work);
        if let Some(known) = known {
            return Ok(known.clone());
        }
        let component = built(language, work)?;
        eprintln!("compiling the {} tool that does {}", language.name(), work.name());
        let code = Compiled::of(&component).await?;
        let tool = Tool { language, work, component: Rc::new(component), code: Rc::new(code) };
        self.0.push(tool.clone());
        Ok(tool)
    }
}

impl Tool {
    /// Drops it into a place under this id, its code beside it.
    pub fn drop_into(&self, place: &Place, id: &str, instance: &str) -> Result<()> {
        let bytes = named(&self.component, id, "0.1.0", instance);
        self.code.plant(place, &bytes)?;
        place.drop_plugin(id, &bytes)
    }
}

/// The compiled code of one component.
pub struct Compiled {
    /// `HEX-ENGINE.cwasm` and `HEX-ENGINE.sum`, as the host keeps them.
    folder: TempDir,
    engine: String,
    /// Of the code, in bytes.
    pub size: u64,
}

impl Compiled {
    /// Lets a host of its own compile it.
    async fn of(component: &[u8]) -> Result<Self> {
        let place = Place::new("process")?;
        place.drop_plugin("compiled", &named(component, "compiled", "0.1.0", "fresh"))?;
        let mut host = place.launch()?;
        host.ready(PATIENCE, |_| {}).await?;
        host.stop().await?;
        let folder = TempDir::with_prefix("hardpoint-bench-code-")?;
        let code = code_in(&place.compiled())?;
        let name = code.file_stem().and_then(|name| name.to_str()).context("the cache has odd names")?;
        let (_, engine) = name.split_once('-').context("the cache has odd names")?;
        fs::copy(&code, folder.path().join("code"))?;
        fs::copy(code.with_extension("sum"), folder.path().join("sum"))?;
        Ok(Self { size: fs::metadata(&code)?.len(), engine: engine.to_owned(), folder })
    }

    /// Lays it where a host in this place will look for it when it loads these bytes.
    fn plant(&self, place: &Place, bytes: &[u8]) -> Result<()> {
        let cache = place.compiled();
        fs::create_dir_all(&cache)?;
        fs::set_permissions(&cache, fs::Permissions::from_mode(0o700))?;
        let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let path = cache.join(format!("{digest}-{}.cwasm", self.engine));
        // A file for each, as it would be: plugins do not share pages.
        fs::copy(self.folder.path().join("sum"), path.with_extension("sum"))?;
        fs::copy(self.folder.path().join("code"), path)?;
        Ok(())
    }
}

/// The only code in a cache.
fn code_in(cache: &Path) -> Result<PathBuf> {
    let mut entries =
        fs::read_dir(cache)?.collect::<Result<Vec<_>, _>>()?.into_iter().map(|entry| entry.path());
    entries.find(|path| path.extension().is_some_and(|end| end == "cwasm")).context("nothing was compiled")
}
