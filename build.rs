//! The migrations are embedded by `sqlx::migrate!`, which cargo does not see: say that they are read.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
