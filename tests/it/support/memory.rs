//! How much memory a process takes.

/// The memory of a process above what it had.
pub struct Memory {
    pid: u32,
    baseline: u64,
}

impl Memory {
    /// From now on.
    pub fn watch(pid: u32) -> Self {
        let mut memory = Self { pid, baseline: 0 };
        memory.baseline = memory.kib("VmRSS:");
        // The peak from now on, not since the start (proc(5), clear_refs).
        std::fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("a peak that can be reset");
        memory
    }

    /// The most above the baseline, in KiB.
    pub fn most(&self) -> u64 {
        self.kib("VmHWM:").saturating_sub(self.baseline)
    }

    fn kib(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).expect("a running process");
        let line = status.lines().find(|line| line.starts_with(field)).expect("the field");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
    }
}
