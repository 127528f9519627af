//! What to measure, and how much of it.

use anyhow::{Context, Result, bail};

/// The parts, in the order in which they run.
pub const PARTS: [&str; 4] = ["calls", "publish", "idle", "many"];

/// What each option means, and what it is where left out; `cargo xtask bench plugins --help` prints it too.
const HELP: &str = include_str!("options.txt");

/// The command line.
#[derive(Debug)]
pub struct Options {
    /// Print JSON and no tables.
    pub json: bool,
    /// The parts to run.
    pub only: Vec<String>,
    /// Calls in one measurement of a Python or JavaScript tool; of a Rust tool five times as many.
    pub calls: u64,
    /// Publications of each sort; the median is told.
    pub rounds: u32,
    /// How many idle plugins are looked at, ascending.
    pub idle: Vec<usize>,
    /// How many plugins `many` loads.
    pub plugins: usize,
    /// Whether `many` lays the compiled code of one plugin under the names of all, instead of compiling each.
    pub plant: bool,
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
            calls: 2_000,
            rounds: 3,
            idle: vec![10, 50],
            plugins: 1_000,
            plant: false,
        };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} takes a value"));
            match argument.as_str() {
                "--json" => options.json = true,
                "--plant" => options.plant = true,
                "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
                "--calls" => options.calls = value()?.parse()?,
                "--rounds" => options.rounds = value()?.parse()?,
                "--idle" => options.idle = value()?.split(',').map(str::parse).collect::<Result<_, _>>()?,
                "--plugins" => options.plugins = value()?.parse()?,
                _ => bail!("{argument} is no option\n\n{HELP}"),
            }
        }
        if let Some(odd) = options.only.iter().find(|part| !PARTS.contains(&part.as_str())) {
            bail!("`{odd}` is not measured here; there are {}", PARTS.join(", "));
        }
        if options.calls == 0 || options.rounds == 0 || options.plugins == 0 || options.idle.contains(&0) {
            bail!("every count is at least 1");
        }
        options.idle.sort_unstable();
        Ok(options)
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
        let counts = |all: &[usize]| all.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        for (option, value) in [
            ("--only PARTS", options.only.join(",")),
            ("--calls N", options.calls.to_string()),
            ("--rounds N", options.rounds.to_string()),
            ("--idle N,N", counts(&options.idle)),
            ("--plugins N", options.plugins.to_string()),
        ] {
            let (_, told) = HELP.split_once(option).unwrap();
            let (_, told) = told.split_once("[default: ").unwrap();
            assert_eq!(told.split_once(']').unwrap().0, value, "{option}");
        }
        let refused = Options::read(["--colour".to_owned()].into_iter()).unwrap_err().to_string();
        assert!(refused.ends_with(HELP), "{refused}");
    }
}
