# Kills the server (kill -9) at 500 seeded instants while clients upload, rename and remove over SFTP, FTPS, FTPES and the
# API and a receiver of webhooks is told, on the program as it is released, and counts what it broke of its promises about events. Stopped, it resumes.
cargo build --locked --release
exec /usr/bin/python3 -B -W ignore scripts/kills --over events --program target/release/lucca-gateway \
    --state target/kills-events --kills 500 --seed "${KILLS_SEED:-1}"
