use proptest::prelude::*;

use super::*;

const MOST: Most = Most { events: 100, bytes: 10_000 };
const WAIT: Patience = Patience { first: Duration::from_secs(1), longest: Duration::from_secs(300) };

fn later(count: usize) -> Report {
    Report { verdicts: vec![Verdict::Later(Duration::ZERO); count], ..good(0) }
}

fn good(count: usize) -> Report {
    Report {
        verdicts: vec![Verdict::Delivered; count],
        split: false,
        parked: None,
        failure: None,
        cause: None,
    }
}

fn failed(count: usize, kind: FailureKind) -> Report {
    Report::failed(count, Failure::new(kind, "no"))
}

fn log(range: std::ops::RangeInclusive<i64>) -> Vec<Waiting> {
    range.map(|seq| Waiting { seq, bytes: 1 }).collect()
}

fn after(progress: &Progress, offered: &[i64], report: &Report) -> Step {
    let mut step = progress.after(offered, report, MOST, WAIT, 1.0);
    step.progress.pass(progress.cursor + 1..=1_000, 1_000);
    step
}

#[test]
fn batches_keep_both_limits() {
    let progress = Progress::from(0);
    let sized = |bytes: &[u64]| -> Vec<Waiting> {
        (1..).zip(bytes).map(|(seq, bytes)| Waiting { seq, bytes: *bytes }).collect()
    };
    assert_eq!(progress.choose(&sized(&[4_000, 4_000, 4_000]), MOST), [0, 1]);
    assert_eq!(progress.choose(&sized(&[20_000, 1]), MOST), [0], "too large goes alone");
    assert_eq!(progress.choose(&log(1..=1_000), MOST).len(), 100);
    assert_eq!(progress.choose(&[], MOST), [0_usize; 0]);
}

#[test]
fn the_cursor_passes_what_is_settled_and_nothing_else() {
    let mut progress = Progress::from(10);
    progress.ahead.extend([12, 15]);
    progress.pass([12, 15, 17], 20);
    assert_eq!((progress.cursor, progress.ahead.len()), (16, 0), "before the first that waits");
    progress.pass([17], 20);
    assert_eq!(progress.cursor, 16);
    progress.pass([], 30);
    assert_eq!(progress.cursor, 30, "nothing here was for it");
    progress.pass([], 20);
    assert_eq!(progress.cursor, 30, "it never goes back by itself");
}

#[test]
fn kinds_are_named_whole_or_by_their_beginning() {
    let takes =
        |kinds: &[&str], kind| takes(&kinds.iter().map(|kind| (*kind).to_owned()).collect::<Vec<_>>(), kind);
    assert!(
        takes(&[], "a.b") && takes(&["a.b"], "a.b") && takes(&["x.y", "a.*"], "a.b") && takes(&["*"], "a.b")
    );
    assert!(
        !takes(&["a"], "a.b") && !takes(&["a.*"], "ab.c") && !takes(&["a*"], "a.b") && !takes(&[""], "a.b")
    );
}

#[test]
fn what_is_kept_is_read_again() {
    let mut progress = Progress::from(7);
    progress.ahead.insert(9);
    progress.suspect = Some(Suspect { seq: 8, strikes: 3, passed: 1, aside: true, tried: 8 });
    assert_eq!(Progress::read(7, &progress.text()), progress);
    assert_eq!(Progress::read(7, "?"), Progress::from(7));
}

#[test]
fn waits_grow_and_what_was_asked_for_is_honoured() {
    let wait =
        |failures, asked, random| WAIT.wait(failures, Duration::from_secs(asked), random).as_secs_f64();
    assert_eq!(
        [1, 2, 3, 9, 10, 99].map(|failures| wait(failures, 0, 1.0)),
        [1.0, 2.0, 4.0, 256.0, 300.0, 300.0]
    );
    assert_eq!((wait(1, 0, 0.0), wait(3, 0, 0.5)), (0.5, 3.0));
    assert_eq!((wait(1, 60, 0.0), wait(1, 60, 1.0)), (60.0, 61.0));
    assert_eq!(wait(9, 60, 1.0), 256.0, "its own patience may be the longer one");
}

#[test]
fn wrong_credentials_park_and_drop_nothing() {
    let progress = Progress::from(0);
    for report in [
        Report { parked: Some("403".to_owned()), ..later(3) },
        failed(3, FailureKind::Authentication),
        failed(3, FailureKind::Denied),
    ] {
        let step = after(&progress, &[1, 2, 3], &report);
        assert!(matches!(step.next, Next::Park(_)), "{step:?}");
        assert_eq!((step.progress, step.dead), (progress.clone(), Vec::new()));
    }
}

#[test]
fn what_the_host_has_no_room_for_is_no_failure() {
    let step = after(&Progress::from(0), &[1, 2], &failed(2, FailureKind::Busy));
    assert_eq!((step.progress, step.next), (Progress::from(0), Next::Wait(NO_ROOM)));
}

#[test]
fn batches_shrink_by_halves_and_grow_by_steps() {
    let mut progress = Progress { width: 100, ..Progress::from(0) };
    let offered: Vec<i64> = (1..=100).collect();
    progress = after(&progress, &offered, &failed(100, FailureKind::Overloaded)).progress;
    assert_eq!((progress.width, progress.failures), (50, 1));
    progress = after(&progress, &offered[..50], &later(50)).progress;
    assert_eq!((progress.width, progress.attempt()), (25, 3));
    progress = after(&progress, &offered[..25], &good(25)).progress;
    assert_eq!((progress.width, progress.failures, progress.cursor), (28, 0, 25));
    // That nobody answers says nothing about sizes.
    let away = after(&progress, &offered[25..53], &failed(28, FailureKind::Connect)).progress;
    assert_eq!((away.width, away.failures), (28, 1));
}

#[test]
fn one_that_is_refused_alone_is_a_dead_letter() {
    let refused = |count| Report { split: true, ..later(count) };
    let step = after(&Progress::from(0), &[1, 2, 3, 4], &refused(4));
    assert_eq!((step.progress.width, step.next), (2, Next::Go));
    let step = after(&step.progress, &[1], &refused(1));
    assert_eq!((step.dead.len(), step.progress.cursor), (1, 1));
}

/// A destination, and what it got.
#[derive(Debug)]
struct Double {
    /// Places of events that spoil whatever they are in, and how.
    poison: BTreeSet<i64>,
    how: How,
    /// Attempts that it does not answer, from the so-manieth on.
    away: std::ops::Range<u32>,
    /// It refuses more at once.
    most: usize,
    got: Vec<i64>,
    attempts: u32,
}

#[derive(Clone, Copy, Debug)]
enum How {
    /// Nothing of a batch with it in it is taken: a failure without a reason.
    All,
    /// The same, by a guest that trapped.
    Trap,
    /// The same, though what stands before it was taken: accept-then-500.
    Rest,
    /// It alone is put off.
    Alone,
    /// It alone is refused for good.
    Drop,
}

impl Double {
    fn take(&mut self, offered: &[i64]) -> Report {
        self.attempts += 1;
        if self.away.contains(&self.attempts) {
            let kinds =
                [FailureKind::Connect, FailureKind::Timeout, FailureKind::Upstream, FailureKind::RateLimited];
            return failed(offered.len(), kinds[self.attempts as usize % kinds.len()]);
        }
        if offered.len() > self.most {
            return Report { split: true, ..later(offered.len()) };
        }
        let first = offered.iter().position(|seq| self.poison.contains(seq));
        let verdict = |seq: &i64| match (self.poison.contains(seq), self.how) {
            (false, _) => Verdict::Delivered,
            (true, How::Drop) => Verdict::Dropped("bad".to_owned()),
            (true, _) => Verdict::Later(Duration::ZERO),
        };
        let report = match (first, self.how) {
            (Some(_), How::All) => later(offered.len()),
            (Some(_), How::Trap) => failed(offered.len(), FailureKind::Plugin),
            (Some(first), How::Rest) => {
                self.got.extend(&offered[..first]);
                return later(offered.len());
            }
            _ => Report { verdicts: offered.iter().map(verdict).collect(), ..good(0) },
        };
        let taken =
            offered.iter().zip(&report.verdicts).filter(|(_, verdict)| **verdict == Verdict::Delivered);
        self.got.extend(taken.map(|(seq, _)| *seq));
        report
    }
}

/// Delivers a log to the end, kept and read anew after each attempt. Gives the dead letters.
fn run(double: &mut Double, count: i64) -> Vec<i64> {
    let (mut progress, mut dead, log) = (Progress::from(0), Vec::new(), log(1..=count));
    for _ in 0..20_000 {
        let page: Vec<Waiting> = log.iter().skip(progress.cursor as usize).copied().collect();
        let page = &page[..page.len().min(progress.reach(MOST) as usize)];
        let chosen = progress.choose(page, MOST);
        if chosen.is_empty() {
            assert_eq!(progress.cursor, count);
            return dead;
        }
        assert!(chosen.len() <= MOST.events as usize && chosen.is_sorted());
        let offered: Vec<i64> = chosen.into_iter().map(|at| page[at].seq).collect();
        let report = double.take(&offered);
        let mut step = progress.after(&offered, &report, MOST, WAIT, 0.5);
        let before = step.progress.cursor;
        step.progress.pass(page.iter().map(|one| one.seq), page.last().map_or(count, |one| one.seq));
        assert!(step.progress.cursor >= before);
        dead.extend(step.dead.iter().map(|(seq, _)| *seq));
        progress = Progress::read(step.progress.cursor, &step.progress.text());
    }
    panic!("it does not end: {progress:?}, {} attempts", double.attempts);
}

/// Long enough for others to be taken while the last bad one is not.
const LOG: i64 = 3_000;

fn any_double() -> impl Strategy<Value = Double> {
    let how = prop::sample::select(vec![How::All, How::Trap, How::Rest, How::Alone, How::Drop]);
    let poison = prop::collection::btree_set(1_i64..250, 0..4);
    (poison, how, 0_u32..60, 0_u32..40, 1_usize..150).prop_map(|(poison, how, from, away, most)| Double {
        poison,
        how,
        away: from..from + away,
        most,
        got: Vec::new(),
        attempts: 0,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a destination does: every event arrives or is a dead letter, and dead letters are those that it never
    /// takes, and no others, however long it was away meanwhile.
    #[test]
    fn every_event_arrives_or_is_a_dead_letter(mut double in any_double()) {
        let mut dead = run(&mut double, LOG);
        dead.sort_unstable();
        let poison: Vec<i64> = double.poison.iter().copied().collect();
        prop_assert_eq!(&dead, &poison);
        let got: BTreeSet<i64> = double.got.iter().copied().collect();
        let good: BTreeSet<i64> = (1..=LOG).filter(|seq| !double.poison.contains(seq)).collect();
        prop_assert_eq!(got, good);
    }

    /// A destination to which nothing is poison gets everything once, and in order; but that, where it took an event by
    /// itself three times in a row not, the next one may go first.
    #[test]
    fn in_order_and_once(away in 0_u32..60, most in 1_usize..150) {
        let mut double = Double {
            poison: BTreeSet::new(), how: How::All, away: 3..3 + away, most, got: Vec::new(), attempts: 0,
        };
        prop_assert_eq!(run(&mut double, 300), Vec::<i64>::new());
        let first = double.got.iter().zip(1..).position(|(seq, place)| *seq != place);
        let aside = first.filter(|_| away > ASIDE).map(|at| double.got.remove(at));
        prop_assert!(double.got.is_sorted(), "{:?}", double.got);
        double.got.extend(aside);
        double.got.sort_unstable();
        prop_assert_eq!(double.got, (1..=300).collect::<Vec<_>>());
    }

    /// A trap in the middle of a full batch is found by bisection, in few attempts.
    #[test]
    fn what_spoils_a_batch_is_found_by_halves(place in 1_i64..=100) {
        let mut double = Double {
            poison: BTreeSet::from([place]), how: How::Trap, away: 0..0, most: 1_000, got: Vec::new(), attempts: 0,
        };
        prop_assert_eq!(run(&mut double, 300), [place]);
        prop_assert!(double.attempts < 60, "{}", double.attempts);
    }
}
