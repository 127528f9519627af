//! What to measure, and how much of it.

use anyhow::{Context, Result, bail};

/// The parts, in the order in which they run.
pub const PARTS: [&str; 3] = ["store", "deliver", "export"];

/// Where events are kept.
pub const DATABASES: [&str; 2] = ["sqlite", "postgresql"];

/// What each option means, and what it is where left out; `cargo xtask bench events --help` prints it too.
const HELP: &str = include_str!("options.txt");

/// The command line.
#[derive(Debug)]
pub struct Options {
    /// Print JSON and no tables.
    pub json: bool,
    /// The parts to run.
    pub only: Vec<String>,
    /// On which databases.
    pub databases: Vec<String>,
    /// As in the configuration: `process` or `power`.
    pub durability: String,
    /// Changes in one measurement with as many at once as there are writers.
    pub changes: u64,
    /// Changes a second at which delays are looked at.
    pub rates: Vec<u32>,
    /// How long each rate is kept up.
    pub seconds: u32,
    /// Events in the log that is exported.
    pub events: u64,
}

impl Options {
    /// From the command line.
    ///
    /// # Errors
    /// An unknown option, or a value that is none.
    pub fn read(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            json: false,
            only: PARTS.map(str::to_owned).to_vec(),
            databases: DATABASES.map(str::to_owned).to_vec(),
            durability: "process".to_owned(),
            changes: 20_000,
            rates: vec![250, 500, 1_000, 2_000],
            seconds: 10,
            events: 50_000,
        };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} takes a value"));
            let words = |text: String| text.split(',').map(str::to_owned).collect::<Vec<_>>();
            match argument.as_str() {
                "--json" => options.json = true,
                "--only" => options.only = words(value()?),
                "--databases" => options.databases = words(value()?),
                "--durability" => options.durability = value()?,
                "--changes" => options.changes = value()?.parse()?,
                "--rates" => {
                    options.rates = value()?.split(',').map(str::parse).collect::<Result<_, _>>()?;
                }
                "--seconds" => options.seconds = value()?.parse()?,
                "--events" => options.events = value()?.parse()?,
                _ => bail!("{argument} is no option\n\n{HELP}"),
            }
        }
        options.check()?;
        Ok(options)
    }

    fn check(&self) -> Result<()> {
        let is_known = |word: &String, all: &[&str]| all.contains(&word.as_str());
        if let Some(odd) = self.only.iter().find(|part| !is_known(part, &PARTS)) {
            bail!("`{odd}` is not measured here; there are {}", PARTS.join(", "));
        }
        if let Some(odd) = self.databases.iter().find(|name| !is_known(name, &DATABASES)) {
            bail!("`{odd}` is no database; there are {}", DATABASES.join(", "));
        }
        if !is_known(&self.durability, &["process", "power"]) {
            bail!("`{}` is no durability; there are process, power", self.durability);
        }
        if self.changes == 0 || self.seconds == 0 || self.events == 0 || self.rates.contains(&0) {
            bail!("every count is at least 1");
        }
        Ok(())
    }

    /// Whether a part is to run.
    pub fn measures(&self, part: &str) -> bool {
        self.only.iter().any(|only| only == part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those that the help tells, where each is left out.
    #[test]
    fn the_help_tells_the_defaults() {
        let options = Options::read(std::iter::empty()).unwrap();
        let rates = options.rates.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        for (option, value) in [
            ("--only PARTS", options.only.join(",")),
            ("--databases NAMES", options.databases.join(",")),
            ("--durability WORD", options.durability.clone()),
            ("--changes N", options.changes.to_string()),
            ("--rates N,N", rates),
            ("--seconds N", options.seconds.to_string()),
            ("--events N", options.events.to_string()),
        ] {
            let (_, told) = HELP.split_once(option).unwrap();
            let (_, told) = told.split_once("[default: ").unwrap();
            assert_eq!(told.split_once(']').unwrap().0, value, "{option}");
        }
        let refused = Options::read(["--colour".to_owned()].into_iter()).unwrap_err().to_string();
        assert!(refused.ends_with(HELP), "{refused}");
    }
}
