use proptest::prelude::*;

use super::*;

fn limit(subject: &str, window: Window, most: u64) -> Limit {
    Limit { count: Count { subject: subject.into(), meter: Meter::Requests, window }, most }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

/// What hosts share: how much was leased of which window.
#[derive(Default)]
struct Shared(HashMap<Count, (Timestamp, u64)>);

impl Shared {
    fn lease(&mut self, wish: &Wish) -> Lease {
        let (begin, granted) = self.0.entry(wish.limit.count.clone()).or_insert((wish.begin, 0));
        if *begin < wish.begin {
            (*begin, *granted) = (wish.begin, 0);
        }
        let free = if *begin == wish.begin { wish.limit.most.saturating_sub(*granted) } else { 0 };
        let size = wish.size.min(free);
        *granted += size;
        let is_last = size < wish.size;
        Lease { limit: wish.limit.clone(), begin: wish.begin, size, granted: *granted, is_last }
    }
}

/// A request, as a host treats it: it leases until it knows.
fn ask(host: &mut Counters, shared: &mut Shared, limits: &[Limit], now: Timestamp) -> Admission {
    ask_for(host, shared, limits, 1, now)
}

fn ask_for(
    host: &mut Counters,
    shared: &mut Shared,
    limits: &[Limit],
    amount: u64,
    now: Timestamp,
) -> Admission {
    take(host, shared, limits, amount, now).0
}

fn take(
    host: &mut Counters,
    shared: &mut Shared,
    limits: &[Limit],
    amount: u64,
    now: Timestamp,
) -> (Admission, Taken) {
    loop {
        match host.take(limits, amount, now) {
            (Admission::Lease(wishes), _) => {
                wishes.iter().for_each(|wish| host.receive(&shared.lease(wish)));
            }
            decided => return decided,
        }
    }
}

fn admits(host: &mut Counters, shared: &mut Shared, limits: &[Limit], now: Timestamp) -> bool {
    matches!(ask(host, shared, limits, now), Admission::Admitted(_))
}

#[test]
fn windows_begin_at_whole_minutes_hours_and_days() {
    let now = at(1_711_234_567);
    let begins = [Window::Minute, Window::Hour, Window::Day].map(|window| window.begin(now).seconds());
    assert_eq!(begins, [1_711_234_560, 1_711_234_800 - 3_600, 1_711_152_000]);
    assert_eq!(Window::Day.begin(at(-1)).seconds(), -86_400);
}

#[test]
fn exactly_the_limit_is_admitted_and_who_waits_as_told_is_admitted_again() {
    for most in [1, 10, 60, 1_000, 10_000] {
        let (mut host, mut shared) = (Counters::default(), Shared::default());
        let limits = [limit("key_1", Window::Minute, most)];
        let admitted = (0..most * 2).filter(|_| admits(&mut host, &mut shared, &limits, at(37))).count();
        assert_eq!(admitted as u64, most);
        let Admission::Refused { standing, retry_after } = ask(&mut host, &mut shared, &limits, at(37))
        else {
            panic!("admitted");
        };
        assert_eq!((standing.remaining, standing.reset, retry_after.as_secs()), (0, at(60), 23));
        assert!(!admits(&mut host, &mut shared, &limits, at(59)));
        assert!(admits(&mut host, &mut shared, &limits, at(37).plus(retry_after)));
    }
}

#[test]
fn a_request_counts_against_all_limits_or_none() {
    let (mut host, mut shared) = (Counters::default(), Shared::default());
    let limits = [limit("org_1", Window::Hour, 3), limit("key_1", Window::Minute, 2)];
    let ask = |host: &mut Counters, shared: &mut Shared, now| ask(host, shared, &limits, now);
    let Admission::Admitted(Some(first)) = ask(&mut host, &mut shared, at(0)) else { panic!("refused") };
    assert_eq!((first.limit.most, first.remaining, first.reset), (2, 1, at(60)));
    assert!(matches!(ask(&mut host, &mut shared, at(1)), Admission::Admitted(_)));
    for _ in 0..5 {
        let Admission::Refused { retry_after, .. } = ask(&mut host, &mut shared, at(2)) else {
            panic!("admitted")
        };
        assert_eq!(retry_after.as_secs(), 58);
    }
    // What was refused did not count against the hour.
    assert!(matches!(ask(&mut host, &mut shared, at(60)), Admission::Admitted(_)));
    let Admission::Refused { standing, retry_after } = ask(&mut host, &mut shared, at(61)) else {
        panic!("admitted")
    };
    assert_eq!((standing.limit.count.window, retry_after.as_secs()), (Window::Hour, 3_539));
}

#[test]
fn a_clock_that_is_set_back_admits_nothing_twice() {
    let (mut host, mut shared) = (Counters::default(), Shared::default());
    let limits = [limit("key_1", Window::Minute, 4)];
    let mut times = [61, 61, 59, 30, 61, 62].into_iter();
    let admitted = times.by_ref().filter(|second| admits(&mut host, &mut shared, &limits, at(*second)));
    assert_eq!(admitted.count(), 4);
}

#[test]
fn a_clock_that_was_wrong_keeps_nobody_out_when_it_is_right_again() {
    let (mut host, mut shared) = (Counters::default(), Shared::default());
    let limits = [limit("key_1", Window::Minute, 1)];
    const YEAR: i64 = 365 * 86_400;
    assert!(admits(&mut host, &mut shared, &limits, at(9 * YEAR)));
    // What the store makes of it is the store's to test.
    shared.0.clear();
    assert!(admits(&mut host, &mut shared, &limits, at(60)));
    assert!(!admits(&mut host, &mut shared, &limits, at(60)));
}

#[test]
fn keys_that_are_gone_are_forgotten() {
    let (mut host, mut shared) = (Counters::default(), Shared::default());
    for key in 0..10_000 {
        let limits = [limit(&format!("key_{key}"), Window::Minute, 4), limit("org_1", Window::Day, 20_000)];
        // A hundred of them a minute.
        assert!(admits(&mut host, &mut shared, &limits, at(key / 100 * 60)));
    }
    assert!(host.0.len() < 1_000, "{}", host.0.len());
    assert!(host.0.contains_key(&limit("org_1", Window::Day, 1).count));
}

#[test]
fn a_limit_that_is_lowered_holds_at_once() {
    let (mut host, mut shared) = (Counters::default(), Shared::default());
    let (high, low) = ([limit("key_1", Window::Minute, 160)], [limit("key_1", Window::Minute, 3)]);
    assert!((0..3).all(|_| admits(&mut host, &mut shared, &high, at(0))));
    assert!(!admits(&mut host, &mut shared, &low, at(0)));
    assert!(admits(&mut host, &mut shared, &high, at(0)));
}

#[test]
fn a_limit_that_is_raised_holds_at_once() {
    let (mut hosts, mut shared) = (<[Counters; 2]>::default(), Shared::default());
    let (low, high) = ([limit("key_1", Window::Minute, 3)], [limit("key_1", Window::Minute, 5)]);
    assert!(admits(&mut hosts[0], &mut shared, &low, at(0)));
    assert_eq!((0..9).filter(|_| admits(&mut hosts[1], &mut shared, &low, at(0))).count(), 2);
    // The second host was told that there is no more, and has to ask again.
    assert_eq!((0..9).filter(|_| admits(&mut hosts[1], &mut shared, &high, at(0))).count(), 2);
    assert!(!admits(&mut hosts[0], &mut shared, &high, at(0)));
}

#[test]
fn what_was_leased_under_a_higher_limit_gives_no_more() {
    let (mut hosts, mut shared) = (<[Counters; 2]>::default(), Shared::default());
    let (high, low) = ([limit("key_1", Window::Minute, 160)], [limit("key_1", Window::Minute, 12)]);
    for host in &mut hosts {
        assert!(admits(host, &mut shared, &high, at(0)));
    }
    // Each has nine left of its ten: more than the lower limit, together with what was used.
    let more: usize =
        hosts.iter_mut().map(|host| (0..20).filter(|_| admits(host, &mut shared, &low, at(1))).count()).sum();
    assert_eq!(more, 0);
}

fn tokens(most: u64) -> [Limit; 1] {
    let count = Count { subject: "org_1".into(), meter: Meter::Tokens, window: Window::Minute };
    [Limit { count, most }]
}

#[test]
fn tokens_that_were_not_used_are_free_again_while_the_minute_lasts() {
    let (mut host, mut shared, limits) = (Counters::default(), Shared::default(), tokens(1_000));
    let mut take = |host: &mut Counters, amount, second| {
        let (admission, taken) = take(host, &mut shared, &limits, amount, at(second));
        matches!(admission, Admission::Admitted(_)).then_some(taken)
    };
    let first = take(&mut host, 700, 0).unwrap();
    assert!(take(&mut host, 301, 1).is_none());
    let second = take(&mut host, 300, 1).unwrap();
    host.correct(first, 100);
    host.correct(second, 0);
    let third = take(&mut host, 900, 2).unwrap();
    assert!(take(&mut host, 1, 3).is_none());
    // What ends in the next minute changes nothing of it.
    assert!(take(&mut host, 1_000, 60).is_some());
    host.correct(third, 5);
    assert!(take(&mut host, 1, 61).is_none());
}

#[test]
fn tokens_of_a_higher_limit_that_come_back_give_no_more() {
    let (mut hosts, mut shared) = (<[Counters; 2]>::default(), Shared::default());
    let taken = hosts.each_mut().map(|host| take(host, &mut shared, &tokens(160), 80, at(0)).1);
    let low = tokens(40);
    for (host, taken) in hosts.iter_mut().zip(taken) {
        assert!(matches!(host.look(&low, 1, at(1)), Admission::Refused { .. }));
        host.correct(taken, 0);
    }
    for host in &mut hosts {
        assert!(matches!(ask_for(host, &mut shared, &low, 40, at(2)), Admission::Refused { .. }));
    }
    assert!(matches!(ask_for(&mut hosts[0], &mut shared, &low, 40, at(60)), Admission::Admitted(_)));
}

#[test]
fn more_tokens_than_were_taken_count_too() {
    let (mut host, mut shared, limits) = (Counters::default(), Shared::default(), tokens(1_000));
    let (_, taken) = take(&mut host, &mut shared, &limits, 100, at(0));
    host.correct(taken, 900);
    let Admission::Refused { standing, retry_after } = ask_for(&mut host, &mut shared, &limits, 101, at(0))
    else {
        panic!("admitted")
    };
    assert_eq!((standing.remaining, retry_after.as_secs()), (100, 60));
    assert!(matches!(ask_for(&mut host, &mut shared, &limits, 100, at(0)), Admission::Admitted(_)));
}

#[test]
fn what_never_fits_is_known_beforehand() {
    let limits = [tokens(1_000), tokens(200)].concat();
    assert_eq!(never(&limits, 200), None);
    assert_eq!(never(&limits, 201).map(|limit| limit.most), Some(200));
    assert_eq!(never(&limits, 5_000).map(|limit| limit.most), Some(200));
}

#[test]
fn windows_that_are_over_are_forgotten() {
    let (mut host, mut shared) = (Counters::default(), Shared::default());
    let limits = [limit("key_1", Window::Minute, 4), limit("key_1", Window::Hour, 4)];
    assert!(admits(&mut host, &mut shared, &limits, at(0)));
    host.forget(at(60));
    assert!(!host.is_empty());
    host.forget(at(3_600));
    assert!(host.is_empty());
}

proptest! {
    /// Whatever hosts do at once, and whenever one of them forgets all it knew, they never admit more than the
    /// limit together; and a host that is alone and lives admits all of it.
    #[test]
    fn hosts_together_never_exceed_a_limit(
        most in 1_u64..200,
        steps in prop::collection::vec((0_usize..3, 0_i64..3, 0_u8..40), 1..600),
    ) {
        let limits = [limit("key_1", Window::Minute, most), limit("org_1", Window::Hour, most * 2)];
        let mut shared = Shared::default();
        let mut hosts: [Counters; 3] = Default::default();
        let (mut now, mut by_minute, mut by_hour) = (0, HashMap::new(), HashMap::new());
        for (host, seconds, restart) in steps {
            now += seconds;
            if restart == 0 {
                hosts[host] = Counters::default();
            }
            if admits(&mut hosts[host], &mut shared, &limits, at(now)) {
                *by_minute.entry(now / 60).or_insert(0) += 1;
                *by_hour.entry(now / 3_600).or_insert(0) += 1;
            }
        }
        prop_assert!(by_minute.values().all(|count| *count <= most), "{by_minute:?}");
        prop_assert!(by_hour.values().all(|count| *count <= most * 2), "{by_hour:?}");
    }

    /// The same of tokens: what is taken and what was used never come to more than the limit, whatever is corrected
    /// when; and who waits for the next minute is let in.
    #[test]
    fn tokens_together_never_exceed_a_limit(
        most in 50_u64..2_000,
        steps in prop::collection::vec((0_usize..3, 0_i64..6, 1_u64..50, 0_u64..100, 0_u8..60), 1..300),
    ) {
        let limits = tokens(most);
        let mut shared = Shared::default();
        let mut hosts: [Counters; 3] = Default::default();
        let mut now = 0;
        let mut open: Vec<(usize, i64, u64, Taken)> = Vec::new();
        let mut counted = HashMap::<i64, u64>::new();
        for (host, seconds, amount, share, restart) in steps {
            now += seconds;
            if restart == 0 {
                hosts[host] = Counters::default();
                open.retain(|(of, ..)| *of != host);
            }
            match take(&mut hosts[host], &mut shared, &limits, amount, at(now)) {
                (Admission::Admitted(_), taken) => {
                    *counted.entry(now / 60).or_default() += amount;
                    open.push((host, now / 60, amount, taken));
                }
                (Admission::Refused { retry_after, .. }, _) => {
                    let next = at(now).plus(retry_after);
                    prop_assert_eq!(next.seconds() % 60, 0);
                }
                (Admission::Lease(_), _) => unreachable!(),
            }
            if share < 50 && !open.is_empty() {
                let (host, minute, amount, taken) = open.swap_remove(share as usize % open.len());
                let used = amount * share / 50;
                *counted.entry(minute).or_default() -= amount - used;
                hosts[host].correct(taken, used);
            }
            prop_assert!(counted.values().all(|count| *count <= most), "{counted:?}");
        }
    }
}
