use super::result;

fn refused(expression: &str) -> String {
    result(expression).expect_err(expression)
}

#[test]
fn numbers_stay_small_enough_to_compute_with() {
    let too_large = "the number is too large: 10^400 or more";
    let too_small = "the number is too close to zero: under 10^-400";
    for (expression, reason) in [
        ("2^1000000", too_large),
        ("9^9^9", too_large),
        ("9^9^9^9", too_large),
        ("10^400", too_large),
        ("10^399 * 10", too_large),
        ("1e400", too_large),
        ("1e99999999999999999999", too_large),
        ("(0-10)^401", too_large),
        ("1.0001^1e9", too_large),
        ("0.5^-1000000", too_large),
        ("1e-401", too_small),
        ("1e-99999999999999999999", too_small),
        ("0.5^1000000", too_small),
        ("2^-1000000", too_small),
        ("2^1e18", too_large),
        ("2^1e30", "the exponent is too large"),
    ] {
        assert!(refused(expression).ends_with(reason), "{expression}: {}", refused(expression));
    }
    assert_eq!(refused("9^9^9"), "expression, character 2: the number is too large: 10^400 or more");
}

#[test]
fn expressions_are_as_long_and_as_deep_as_said() {
    let nested = |depth: usize| format!("{}1{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(result(&nested(99)), Ok("1".to_owned()));
    for deep in
        [nested(100), nested(499), "(".repeat(1_000), "-".repeat(1_000), "2^".repeat(500), "abs(".repeat(250)]
    {
        assert!(refused(&deep).ends_with("nest deeper than 100"), "{}", refused(&deep));
    }
    assert_eq!(result(&("1+".repeat(499) + "10")), Ok("509".to_owned()));
    assert_eq!(result(&"7".repeat(400)).unwrap().len(), 400);
    assert!(refused(&"7".repeat(401)).ends_with("too large: 10^400 or more"));
    assert_eq!(refused(&"7".repeat(1_001)), "expression: it is longer than 1000 characters");
    assert_eq!(refused(&"é".repeat(1_000_000)), "expression: it is longer than 1000 characters");
    assert_eq!(result(&format!("1{}e-1300", "0".repeat(920))).unwrap().len(), 382);
}

/// Each is the most work of its kind that fits in, and comes to its end in some milliseconds.
#[test]
fn work_is_bounded() {
    let fill = |piece: &str| {
        let whole = piece.repeat(990 / piece.len());
        format!("1{whole}")
    };
    for piece in [
        "+1e399/3e398",
        "+1/7e398",
        "-1/9e5+1e9",
        "*1.0000000000001",
        "/3",
        "+sqrt(3)",
        "*sqrt(7)",
        "+sqrt(1e-399/7)",
        "+1.01^99999",
        "%1.1e-9+1e99",
        "+round(1/7,400)",
        "+1/(1e199+1)-1/(1e199+3)",
    ] {
        let _ = result(&fill(piece));
    }
    assert!(refused(&fill("+1.01^9999")).ends_with("600 operations, powers by squaring"));
    let primes = (2..400_u32).filter(|n| (2..*n).all(|d| n % d != 0));
    let sum: Vec<String> = primes.map(|prime| format!("1/{prime}")).collect();
    assert!(result(&sum.join("+")).unwrap().starts_with("2.0"));
}
