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

/// Sends a signal (`TERM`, `HUP`, `STOP`) to a process that the test started.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &pid.to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "no signal {name} to {pid}");
}
