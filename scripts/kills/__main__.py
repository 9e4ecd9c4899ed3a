"""Kills the gateway (kill -9) at seeded instants while clients upload, starts it again on the same data, and checks what
it promises: an acknowledged upload is there, no partial file is ever visible, an old version stays whole until the new
one is, every published file has its record and every record its file.

    python3 -B scripts/kills --over sftp|ftp|events --program target/release/lucca-gateway --state DIR [--kills 300] [--seed 1]

Most kills are aimed between the moment at which the server has the end of a file (SFTP's CLOSE; over FTPS and FTPES the
orderly end of the data connection) and its answer. That is a matter of few milliseconds, so for those the server runs
under strace, which lets it wait before every sync; its trace tells afterwards whether the kill came in time. The rest
hits an unhindered server anywhere between connecting and after the answer, and is never counted as in time.

`--over events` kills amid uploads, renames and removals by every way in, and counts what was done and not told, and told
and not done (deeds.py).

The run can be stopped and resumed: the state folder keeps the data (some GB: what was cut stays) and the counts, and
what a kill is aimed at depends on the seed, its number and what is published by then. A run that found nothing takes
its folder away; one that found something leaves it, to be looked at and removed by hand.
"""

import argparse
import shutil
import signal
import sys

import deeds
from clients import PROTOCOLS
from run import Run


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--over", required=True, choices=(*PROTOCOLS, "events"), help="ftp: FTPS and FTPES")
    parser.add_argument("--program", required=True)
    parser.add_argument("--state", required=True, help="a folder for the data and the counts")
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    programs = PROTOCOLS[arguments.over].programs if arguments.over in PROTOCOLS else deeds.PACKAGES
    for program, package in (("strace", "strace"), *programs):
        if not shutil.which(program):
            sys.exit(f"{program} is missing: apt-get install {package} (./check does it)")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped; the same command resumes"))
    run = Run(arguments) if arguments.over in PROTOCOLS else deeds.Deeds(arguments)
    if not run.run():
        sys.exit(f"look into {run.folder}")
    shutil.rmtree(run.folder)


main()
