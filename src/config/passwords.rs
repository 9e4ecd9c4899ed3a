//! `[passwords]`: how hard a password is to guess from its hash, and what that may cost the gateway.

use std::time::Duration;

use super::reader::{Reader, Section, lasting, section, within};

section! {
    /// Argon2id's parameters (RFC 9106), and how many hashes are computed at a time.
    PasswordSettings {
        /// Memory of one hash, in KiB; at least 8 for each lane. The default is the second recommendation of RFC 9106 §4.
        /// Hashes made with other parameters keep working, and are renewed when their login signs in.
        memory_kib: u32 = "65536", within(8, 4_194_304);
        /// Passes over that memory.
        iterations: u32 = "3", within(1, 1000);
        /// Lanes of one hash.
        parallelism: u32 = "4", within(1, 64);
        /// Hashes computed at a time: bounds memory and processors spent on sign-ins.
        concurrent: usize = "2", within(1, 256);
        /// Sign-ins that may wait for their turn; more are refused as overloaded.
        queue: usize = "256", within(0, 65_536);
        /// The fewest characters of a password that someone chooses, its login not counted where it holds it.
        shortest: usize = "12", within(1, 64);
        /// How long a right password is remembered (in memory, keyed), since payroll pollers sign in every minute;
        /// "0s": never.
        remember: Duration = "5m", lasting("0s", "1h");
    }
}

/// Reads `[passwords]`, and checks what concerns two options.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<PasswordSettings> {
    let settings = PasswordSettings::read(reader)?;
    if settings.memory_kib < 8 * settings.parallelism {
        // Argon2 refuses it (RFC 9106 §3.1).
        let least = 8 * settings.parallelism;
        reader
            .problem("memory_kib", format!("{} is too little for parallelism: at least {least}", settings.memory_kib));
        return None;
    }
    Some(settings)
}
