# Every client, every credential, with large files both ways, on the program as it is released.
cargo test --locked --release --test it -- --ignored clients::
