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
    assert!(!takes(&["a"], "a.b") && !takes(&["a.*"], "ab.c") && !takes(&[""], "a.b"));
}

#[test]
fn what_is_kept_is_read_again() {
    let mut progress = Progress::from(7);
    progress.ahead.insert(9);
    progress.suspect = Some(Suspect { strikes: 3, passed: 1, aside: true, ..Suspect::new(8) });
    assert_eq!(Progress::read(7, &progress.text()), progress);
    let older = r#"{"ahead":[9],"width":4294967295,"failures":0,
        "suspect":{"seq":8,"strikes":3,"passed":1,"aside":true,"tried":8}}"#;
    assert_eq!(Progress::read(7, older), progress, "what an earlier version kept");
    assert_eq!(Progress::read(7, "?"), Progress::from(7));
}

#[test]
fn waits_grow_and_what_was_asked_for_is_honoured() {
    let asked = |there, here| Asked { there: Duration::from_secs(there), here: Duration::from_secs(here) };
    let wait = |failures, there, random| WAIT.wait(failures, asked(there, 0), random).as_secs_f64();
    assert_eq!(
        [1, 2, 3, 9, 10, 99].map(|failures| wait(failures, 0, 1.0)),
        [1.0, 2.0, 4.0, 256.0, 300.0, 300.0]
    );
    assert_eq!((wait(1, 0, 0.0), wait(3, 0, 0.5)), (0.5, 3.0));
    assert_eq!((wait(1, 60, 0.0), wait(1, 60, 1.0)), (60.0, 66.0));
    assert_eq!(wait(9, 60, 1.0), 256.0, "its own patience may be the longer one");
    // An exporter's own pause is one of ours: no longer than the longest, and not the same for all.
    let pause = |here, random| WAIT.wait(1, asked(0, here), random).as_secs_f64();
    assert_eq!((pause(20, 0.0), pause(20, 1.0), pause(3_000, 1.0)), (15.0, 20.0, 300.0));
}

#[test]
fn who_asked_for_a_wait() {
    let later = |cause| Report { cause, verdicts: vec![Verdict::Later(Duration::from_secs(40))], ..good(0) };
    let refused = |retry_after| Failure {
        status: Some(503),
        retry_after,
        ..Failure::new(FailureKind::Overloaded, "503")
    };
    let seconds = |report: &Report| (report.asked().there.as_secs(), report.asked().here.as_secs());
    assert_eq!(seconds(&later(None)), (0, 40), "its exporter has reasons of its own");
    assert_eq!(seconds(&later(Some(refused(None)))), (0, 40));
    assert_eq!(seconds(&later(Some(refused(Some(Duration::from_secs(90)))))), (90, 40));
    assert_eq!(seconds(&later(Some(refused(Some(Duration::MAX))))), (3_600, 40));
    let nobody = Failure::new(FailureKind::Connect, "no connection");
    assert_eq!(seconds(&later(Some(nobody))), (0, 0), "nobody was there to ask");
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
    // That nobody answers says nothing about sizes, nor about an event, whichever way an exporter tells it.
    let put_off =
        |count| Report { cause: Some(Failure::new(FailureKind::Connect, "no connection")), ..later(count) };
    for unconnected in [|count| failed(count, FailureKind::Connect), put_off] {
        let away = after(&progress, &offered[25..53], &unconnected(28)).progress;
        assert_eq!((away.width, away.failures, away.suspect), (28, 1, None));
        let away = after(&progress, &offered[25..26], &unconnected(1)).progress;
        assert_eq!((away.width, away.suspect), (28, None));
    }
}

/// The destination itself speaks of one event, whose shard is away, and takes all others.
#[test]
fn what_a_destination_puts_off_by_itself_is_waited_for_longer() {
    let (mut progress, mut waited) = (Progress::from(0), Duration::ZERO);
    for _ in 1..PUT_OFF {
        let mut report = good(3);
        report.verdicts[0] = Verdict::Later(Duration::ZERO);
        let others = progress.ahead.len() as i64 + 2;
        let step = after(&progress, &[1, others, others + 1], &report);
        assert_eq!(step.dead, []);
        let Next::Wait(pause) = step.next else { panic!("{step:?}") };
        (progress, waited) = (step.progress, waited + pause);
    }
    assert!(waited > Duration::from_secs(3_600), "{waited:?}");
    let report = Report { verdicts: vec![Verdict::Later(Duration::ZERO), Verdict::Delivered], ..good(0) };
    assert_eq!(after(&progress, &[1, 999], &report).dead.len(), 1, "but not for ever");
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
    /// From then on until so many later it does not answer so many, and then answers so many, in turn.
    flaps: Flaps,
    /// It refuses more at once.
    most: usize,
    got: Vec<i64>,
    attempts: u32,
}

#[derive(Clone, Copy, Debug)]
struct Flaps {
    fails: u32,
    answers: u32,
    attempts: u32,
}

const STEADY: Flaps = Flaps { fails: 0, answers: 1, attempts: 0 };

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
    fn is_away(&self) -> bool {
        let Flaps { fails, answers, attempts } = self.flaps;
        let since = self.attempts.checked_sub(self.away.end.max(1));
        let flaps = since.is_some_and(|since| since < attempts && since % (fails + answers) < fails);
        flaps || self.away.contains(&self.attempts)
    }

    fn take(&mut self, offered: &[i64]) -> Report {
        self.attempts += 1;
        if self.is_away() {
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
    for _ in 0..60_000 {
        let rest = &log[progress.cursor as usize..];
        let page = &rest[..rest.len().min(progress.reach(MOST) as usize)];
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
const LOG: i64 = 9_000;

fn any_double() -> impl Strategy<Value = Double> {
    let how = prop::sample::select(vec![How::All, How::Trap, How::Rest, How::Alone, How::Drop]);
    let poison = prop::collection::btree_set(1_i64..250, 0..4);
    let times = (0_u32..60, 0_u32..80, any_flaps());
    (poison, how, times, 1_usize..150).prop_map(|(poison, how, (from, away, flaps), most)| Double {
        poison,
        how,
        away: from..from + away,
        flaps,
        most,
        got: Vec::new(),
        attempts: 0,
    })
}

fn any_flaps() -> impl Strategy<Value = Flaps> {
    let flaps = |(fails, answers, attempts)| Flaps { fails, answers, attempts };
    (0_u32..6, 1_u32..6, 0_u32..1_000).prop_map(flaps)
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

    /// However it comes and goes, after whatever outage, for however long: an event that it takes is no dead letter.
    #[test]
    fn what_is_taken_at_last_is_no_dead_letter(away in 0_u32..100, flaps in any_flaps(), most in 1_usize..150) {
        let mut double = Double {
            poison: BTreeSet::new(), how: How::All, away: 1..1 + away,
            flaps: Flaps { attempts: u32::MAX, ..flaps }, most, got: Vec::new(), attempts: 0,
        };
        prop_assert_eq!(run(&mut double, 600), Vec::<i64>::new());
    }

    /// A destination to which nothing is poison gets everything once, and in order; but that, where it took an event by
    /// itself three times in a row not, one or two of the next may go first.
    #[test]
    fn in_order_and_once(away in 0_u32..60, most in 1_usize..150) {
        let mut double = Double {
            poison: BTreeSet::new(), how: How::All, away: 3..3 + away, flaps: STEADY, most, got: Vec::new(),
            attempts: 0,
        };
        prop_assert_eq!(run(&mut double, 300), Vec::<i64>::new());
        let first = double.got.iter().zip(1..).position(|(seq, place)| *seq != place);
        let first = first.filter(|_| away > ASIDE).unwrap_or(double.got.len());
        let ahead = double.got[first..].iter().take_while(|seq| **seq > first as i64 + 1).count().min(2);
        let aside: Vec<i64> = double.got.drain(first..first + ahead).collect();
        prop_assert!(double.got.is_sorted(), "{:?}", double.got);
        double.got.extend(aside);
        double.got.sort_unstable();
        prop_assert_eq!(double.got, (1..=300).collect::<Vec<_>>());
    }

    /// A trap in the middle of a full batch is found by bisection, in few attempts.
    #[test]
    fn what_spoils_a_batch_is_found_by_halves(place in 1_i64..=100) {
        let mut double = Double {
            poison: BTreeSet::from([place]), how: How::Trap, away: 0..0, flaps: STEADY, most: 1_000, got: Vec::new(),
            attempts: 0,
        };
        prop_assert_eq!(run(&mut double, 300), [place]);
        prop_assert!(double.attempts < 60, "{}", double.attempts);
    }
}
