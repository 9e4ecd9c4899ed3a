# 10 GiB and 1 GiB both ways, a hole of 5 GiB, 200 sign-ins and 600 long copies at once, on the program as it is released. Takes 24 GiB of disk
# below target/, one test at a time, and gives them back.
cargo test --locked --release --test it -- --ignored --test-threads=1 hostile:: sftp_copies::
