//! The host's process, seen from outside.

use std::fs;
use std::process::Command;

/// A figure of `/proc/PID/status` in bytes: `VmRSS`, `VmHWM`.
pub fn status_bytes(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// CPU time of the process so far, all threads, user and system, in clock ticks of 10 ms.
pub fn cpu_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in brackets may hold anything; the figures follow its last bracket.
    let figures = stat.rsplit_once(") ").map_or("", |(_, figures)| figures);
    figures.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

/// Sends a signal (`TERM`, `HUP`, `STOP`) to a process that the test started.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &pid.to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "no signal {name} to {pid}");
}
