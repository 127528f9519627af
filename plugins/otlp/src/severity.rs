//! Severities, by the log data model: <https://opentelemetry.io/docs/specs/otel/logs/data-model/>, and its
//! appendix for syslog's names.

/// The number of a severity that goes by this name, in any case; none for an unknown name.
pub(crate) fn number(name: &str) -> Option<i32> {
    const NUMBERS: [(&str, i32); 18] = [
        ("trace", 1),
        ("debug", 5),
        ("info", 9),
        ("information", 9),
        ("informational", 9),
        ("notice", 10),
        ("warn", 13),
        ("warning", 13),
        ("err", 17),
        ("error", 17),
        ("crit", 18),
        ("critical", 18),
        ("alert", 19),
        ("emerg", 21),
        ("emergency", 21),
        ("fatal", 21),
        ("panic", 21),
        ("severe", 17),
    ];
    let found = NUMBERS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.trim()));
    found.map(|(_, number)| *number)
}

/// What an outcome is worth: a failure is a fault, a refusal worth a look.
pub(crate) fn of_outcome(outcome: Option<&str>) -> &'static str {
    match outcome {
        Some("failure") => "ERROR",
        Some("refused") => "WARN",
        _ => "INFO",
    }
}
