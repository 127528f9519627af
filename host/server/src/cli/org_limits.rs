//! `hardpoint org limits`: what is let in of an organisation, in the place of what its plan lets in.

use clap::Args;
use hardpoint_domain::plan::Rates;

use super::{Failure, print_json};
use crate::api::limits::OrganizationLimits;
use crate::service::accounts::limits::Limits;
use crate::service::accounts::{Accounts, Principal};

#[derive(Args)]
pub(super) struct Limited {
    /// org_…
    id: String,
    /// Requests in a minute.
    #[arg(long, value_name = "N|plan", value_parser = bound)]
    requests_per_minute: Option<Bound>,
    /// Requests in an hour.
    #[arg(long, value_name = "N|plan", value_parser = bound)]
    requests_per_hour: Option<Bound>,
    /// Requests in a day.
    #[arg(long, value_name = "N|plan", value_parser = bound)]
    requests_per_day: Option<Bound>,
    /// Requests at once.
    #[arg(long, value_name = "N|plan", value_parser = bound)]
    concurrent_requests: Option<Bound>,
    /// Of these, requests that a model answers, in a minute.
    #[arg(long, value_name = "N|plan", value_parser = bound)]
    completions_per_minute: Option<Bound>,
    /// Of these, requests that a model answers, in a day.
    #[arg(long, value_name = "N|plan", value_parser = bound)]
    completions_per_day: Option<Bound>,
    /// Of these, requests that a model answers, at once.
    #[arg(long, value_name = "N|plan", value_parser = bound)]
    concurrent_completions: Option<Bound>,
    /// What models read and write, in a minute.
    #[arg(long, value_name = "N|plan", value_parser = bound)]
    tokens_per_minute: Option<Bound>,
    /// All of them as its plan has them; what else is given here is set after that.
    #[arg(long)]
    reset: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// What a limit is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    /// As the plan has it.
    Plan,
    /// So many.
    At(u32),
}

fn bound(text: &str) -> Result<Bound, String> {
    match text {
        "plan" => Ok(Bound::Plan),
        number => number.parse().map(Bound::At).map_err(|_| "write a number, or `plan`".to_owned()),
    }
}

/// Sets what is given, and shows what holds then.
pub(super) async fn run(accounts: &Accounts, wanted: Limited) -> Result<(), Failure> {
    let by = Principal::Cli;
    let mut found = accounts.limits(&by, Some(&wanted.id)).await?;
    let own = wanted.over(&found.own);
    if own != found.own {
        found = accounts.set_limits(&by, &wanted.id, own).await?;
    }
    if wanted.json {
        return print_json(&OrganizationLimits::from(found));
    }
    tell(&found);
    Ok(())
}

impl Limited {
    /// Whether nothing is to be set.
    pub(super) fn looks(&self) -> bool {
        let given = [
            self.requests_per_minute,
            self.requests_per_hour,
            self.requests_per_day,
            self.concurrent_requests,
            self.completions_per_minute,
            self.completions_per_day,
            self.concurrent_completions,
            self.tokens_per_minute,
        ];
        !self.reset && given.iter().all(Option::is_none)
    }

    fn over(&self, own: &Rates) -> Rates {
        let mut rates = if self.reset { Rates::default() } else { own.clone() };
        let wide = |most: Option<u32>| most.map(u64::from);
        let set = |given: Option<Bound>, most: &mut Option<u64>| match given {
            None => {}
            Some(Bound::Plan) => *most = None,
            Some(Bound::At(number)) => *most = Some(u64::from(number)),
        };
        let narrow = |given: Option<Bound>, most: Option<u32>| {
            let mut changed = wide(most);
            set(given, &mut changed);
            changed.and_then(|most| u32::try_from(most).ok())
        };
        set(self.requests_per_minute, &mut rates.requests_per_minute);
        set(self.requests_per_hour, &mut rates.requests_per_hour);
        set(self.requests_per_day, &mut rates.requests_per_day);
        set(self.completions_per_minute, &mut rates.completions_per_minute);
        set(self.completions_per_day, &mut rates.completions_per_day);
        set(self.tokens_per_minute, &mut rates.tokens_per_minute);
        rates.concurrent = narrow(self.concurrent_requests, rates.concurrent);
        rates.concurrent_completions = narrow(self.concurrent_completions, rates.concurrent_completions);
        rates
    }
}

fn tell(limits: &Limits) {
    println!("{}  {}", limits.organization_id, limits.plan);
    let shown = |most: Option<u64>| most.map_or_else(|| "none".to_owned(), |most| most.to_string());
    let all = limits.held().named().into_iter().zip(limits.own.named()).zip(limits.of_plan.named());
    for (((name, held), (_, own)), (_, plan)) in all {
        let beside = match own {
            Some(_) => format!("its own; its plan has {}", shown(plan)),
            None => String::new(),
        };
        println!("  {}", format!("{name:<24}{:>12}  {beside}", shown(held)).trim_end());
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        limited: Limited,
    }

    fn limited(line: &str) -> Limited {
        Line::try_parse_from(["limits", "org_1"].into_iter().chain(line.split_whitespace())).unwrap().limited
    }

    fn over(line: &str, own: &Rates) -> Rates {
        limited(line).over(own)
    }

    #[test]
    fn who_sets_nothing_only_looks() {
        assert!(limited("").looks() && limited("--json").looks());
        assert!(!limited("--reset").looks());
        let own = Rates::default();
        for (name, _) in own.named() {
            let line = format!("--{} plan", name.replace('_', "-"));
            assert!(!limited(&line).looks(), "{line}");
        }
    }

    #[test]
    fn what_is_not_given_stays() {
        let own = Rates { requests_per_minute: Some(5), concurrent: Some(2), ..Rates::default() };
        assert_eq!(over("", &own), own);
        let changed =
            over("--requests-per-minute 600 --concurrent-requests plan --tokens-per-minute 1000", &own);
        let expected =
            Rates { requests_per_minute: Some(600), tokens_per_minute: Some(1_000), ..Rates::default() };
        assert_eq!(changed, expected);
        assert_eq!(over("--reset", &own), Rates::default());
        assert_eq!(
            over("--reset --concurrent-completions 1", &own),
            Rates { concurrent_completions: Some(1), ..Rates::default() }
        );
        assert!(bound("all").is_err() && bound("-1").is_err());
    }
}
