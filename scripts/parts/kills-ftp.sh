# Kills the server (kill -9) at 300 seeded instants while clients upload over FTPS and FTPES, on the program as it is
# released, and counts what it broke of its promises. Stopped, it resumes.
cargo build --locked --release
exec /usr/bin/python3 -B -W ignore scripts/kills --over ftp --program target/release/lucca-gateway \
    --state target/kills-ftp --kills 300 --seed "${KILLS_SEED:-1}"
