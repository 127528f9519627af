//! The host's process, seen from outside.

use std::fs;
use std::process::Command;
use std::time::Duration;

/// Ticks of `/proc/PID/stat` in a second: the kernel shows user space 100 on every architecture.
const TICKS: u64 = 100;

/// CPU time of a process so far, user and system.
pub fn cpu(pid: u32) -> Duration {
    ticks(pid, 11)
}

/// CPU time of those of its children that have ended and were waited for.
pub fn children_cpu(pid: u32) -> Duration {
    ticks(pid, 13)
}

/// Two neighbouring fields of `/proc/PID/stat`, counted from behind the name.
fn ticks(pid: u32, place: usize) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The second field is the name in parentheses, which may hold spaces; count from its end.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(place) + ticks(place + 1)) * 1_000 / TICKS)
}

/// What a process holds of the machine's memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Everything that is resident: `VmRSS`.
    pub resident: u64,
    /// Of that, what no file stands behind: only the process itself can give it back.
    pub anonymous: u64,
}

impl Memory {
    /// Pages of files, which the kernel takes back when it needs them: the program, compiled code.
    pub fn of_files(self) -> u64 {
        self.resident.saturating_sub(self.anonymous)
    }
}

/// What a process holds now, as `/proc/PID/smaps_rollup` counts it.
pub fn memory(pid: u32) -> Memory {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let bytes = |name: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
    };
    Memory { resident: bytes("Rss"), anonymous: bytes("Anonymous") }
}

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
