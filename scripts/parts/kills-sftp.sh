# Kills the server (kill -9) at 300 seeded instants while SFTP clients upload, on the program as it is released, and
# counts what it broke of its promises. Stopped, it resumes.
cargo build --locked --release
exec /usr/bin/python3 -B -W ignore scripts/kills --over sftp --program target/release/lucca-gateway \
    --state target/kills-sftp --kills 300 --seed "${KILLS_SEED:-1}"
