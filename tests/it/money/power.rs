//! Power that fails: what was not synced is gone, wholly or in part.

use hardpoint_tests::disk::{Disk, Left};
use hardpoint_tests::double::openai::OpenAi;
use hardpoint_tests::host::Host;
use hardpoint_tests::patience::soon;

use super::{accounted_for, client, count, customer, load, lost, options, ready};

/// One run under load, ended by a power cut. Says who was answered, and how many changes were lost.
async fn until_power_fails(
    host: &mut Host,
    key: &str,
    double: &OpenAi,
    disk: &mut Disk,
    left: Left,
) -> (Vec<String>, usize) {
    let load = tokio::spawn(load(client(host, key)));
    let before = double.seen_for("gpt").len();
    soon("load", double.wait_for("gpt", before + 60)).await;
    host.kill();
    let known = load.await.expect("no panic");
    let lost = disk.lose_power(&host.folder().join("data"), left);
    host.restart().await;
    ready(host).await;
    (known, lost)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_without_its_charge_when_power_fails() {
    let double = OpenAi::start().await.expect("a double");
    let mut disk = Disk::new();
    let mut host = Host::start(disk.under(options(&double, None))).await;
    ready(&host).await;
    let customer = customer(&host, 10_000).await;
    let (mut known, mut lost) = (Vec::new(), 0);
    for round in 0..count("HARDPOINT_CUTS", 4) {
        let left = if round % 2 == 0 { Left::Nothing } else { Left::Some(u64::from(round)) };
        let (some, changes) = until_power_fails(&mut host, &customer.1, &double, &mut disk, left).await;
        known.extend(some);
        lost += changes;
    }
    assert!(known.len() > 30, "{}", known.len());
    accounted_for(&host, &customer, &known, double.seen_for("gpt").len()).await;
    eprintln!("{lost} changes that were not synced were lost on the way");
    // What the oracle sees of the disk is all of it.
    assert!(host.stop().await.success());
    assert!(disk.knows(&host.folder().join("data"), "hardpoint.db"));
}

/// The disk does forget: with `durability = "process"`, which promises nothing for this case, answers are lost.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_synced_is_lost_when_power_fails() {
    let double = OpenAi::start().await.expect("a double");
    let mut disk = Disk::new();
    let mut host = Host::start(disk.under(options(&double, None))).await;
    ready(&host).await;
    // What the customer has is on the disk: that was promised.
    let (_, key) = customer(&host, 10_000).await;
    assert!(host.stop().await.success());
    let file = host.folder().join("hardpoint.toml");
    let config = std::fs::read_to_string(&file).expect("the configuration");
    std::fs::write(&file, config + "\n[database]\ndurability = \"process\"\n").expect("it is written");
    host.restart().await;
    ready(&host).await;
    let (known, changes) = until_power_fails(&mut host, &key, &double, &mut disk, Left::Nothing).await;
    assert!(changes > 0, "everything was synced");
    let lost = lost(&host, &key, &known).await;
    assert!(!lost.is_empty(), "all of {} answers are there", known.len());
    eprintln!("{changes} changes and {} of {} answers were lost", lost.len(), known.len());
}
