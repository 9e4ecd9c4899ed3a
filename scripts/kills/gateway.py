"""The gateway, started as a person would, and what can be seen of it: over the API, on the disk, in its trace."""

import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

FOLDER = "/inbox"
PATIENCE = 60.0
MIB = 1024 * 1024
# Argon2 with its real cost would be most of the run.
CONFIG = """\
[passwords]
memory_kib = 8192
iterations = 1
parallelism = 1
[webhooks]
allow_networks = ["127.0.0.0/8"]
allow_http = true
"""


class Gateway:
    def __init__(self, program, state, sync_delay_ms=None):
        self.told = state / "try.json"
        self.told.unlink(missing_ok=True)
        self.trace = state / "trace" if sync_delay_ms else None
        config = state / "gateway.toml"
        config.write_text(CONFIG)
        command = [str(program), "try", "--json", str(self.told), "--data", str(state / "data"), "--config", str(config)]
        for listener in ("--sftp", "--ftps", "--ftpes", "--api", "--internal"):
            command += [listener, "127.0.0.1:0"]
        if self.trace:
            self.trace.unlink(missing_ok=True)
            calls = "fsync,fdatasync,renameat2"
            delay = f"fsync,fdatasync:delay_enter={sync_delay_ms * 1000}"
            command = ["strace", "-f", "--seccomp-bpf", "-y", "-qq", "-o", str(self.trace),
                       "-e", f"trace={calls}", "-e", f"inject={delay}", *command]
        self.log = state / "gateway.log"
        log = open(self.log, "ab")
        self.log_begins = log.tell()
        self.process = subprocess.Popen(command, cwd=state, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        deadline = time.monotonic() + PATIENCE
        while not self.told.exists() or not self.told.read_bytes().strip().endswith(b"}"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                sys.exit(f"the gateway does not start: see {state / 'gateway.log'}")
            time.sleep(0.005)
        told = json.loads(self.told.read_text())
        self.pid, self.authority = told["pid"], told["tls_ca"]
        self.ports = {kind: told[kind]["port"] for kind in ("sftp", "ftps", "ftpes")}
        self.url, self.token = told["api"]["url"], told["api"]["token"]
        account = next(one for one in told["accounts"] if one["login"] == "demo")
        self.login, self.password, self.key = account["login"], account["password"], account["private_key"]
        folder = next(one for one in account["folders"] if one["path"] == FOLDER)
        self.directory = Path(folder["directory"])
        self.account = self.directory.parent.name
        self.staging = self.directory.parent.parent.parent / ".staging" / self.account
        self.folder = None

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.process.wait()

    def recorded_at_start(self):
        """How many publications this start recorded: the one before had put them in place and no more."""
        return int(re.search(rb"rolled_forward=(\d+)", self.log.read_bytes()[self.log_begins:])[1])

    def ask(self, method, path):
        return self.ask_for(method, f"/accounts/{self.account}{path}")

    def ask_for(self, method, path, body=None):
        request = urllib.request.Request(f"{self.url}/v1{path}", method=method, data=body)
        request.add_header("Authorization", f"Bearer {self.token}")
        if body is not None:
            request.add_header("Content-Type", "application/json")
        return urllib.request.urlopen(request, timeout=PATIENCE)

    def files(self):
        """Where the API has the files of the folder."""
        if not self.folder:
            account = json.load(self.ask("GET", ""))
            self.folder = next(one["id"] for one in account["folders"] if one["path"] == FOLDER)
        return f"/folders/{self.folder}/files"

    def sizes_over_the_api(self):
        sizes, cursor = {}, ""
        while True:
            page = json.load(self.ask("GET", f"{self.files()}?limit=200{cursor}"))
            sizes.update((entry["name"], entry["size"]) for entry in page["items"])
            if not page.get("next_cursor"):
                return sizes
            cursor = "&cursor=" + urllib.parse.quote(page["next_cursor"], safe="")

    def sizes_on_the_disk(self):
        return {entry.name: entry.stat().st_size for entry in os.scandir(self.directory)}

    def digest_over_the_api(self, name):
        try:
            with self.ask("GET", f"{self.files()}/{name}") as answer:
                return digest_of(answer)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def digest_on_the_disk(self, name):
        try:
            with open(self.directory / name, "rb") as file:
                return digest_of(file)
        except FileNotFoundError:
            return None

    def remove(self, name):
        self.ask("DELETE", f"{self.files()}/{name}").close()

    def staged(self, name):
        """What is staged for a name: the files that tell of its uploads."""
        for sidecar in self.staging.glob("*.json"):
            with contextlib.suppress(FileNotFoundError):
                if f'"{FOLDER}/{name}"' in sidecar.read_text():
                    yield sidecar

    def has_all_of(self, name, size):
        """Whether the whole file has come. Of an empty one only its publication shows it."""
        if not size:
            return self.is_publishing(name)
        for sidecar in self.staged(name):
            with contextlib.suppress(FileNotFoundError):
                if sidecar.with_suffix(".data").stat().st_size == size:
                    return True
        return False

    def is_publishing(self, name):
        """Whether the (dead) server, which was traced, had begun to publish and not yet come to the answer."""
        trace = self.trace.read_text() if self.trace else ""
        return any(is_between(trace, sidecar.stem) for sidecar in self.staged(name))


def is_between(trace, upload):
    """A publication begins with the sync of the staged data; after the rename two folders are synced by the same thread,
    and the client is told."""
    if not re.search(rf"fdatasync\(\d+<[^>]*/\.staging/[^>]*/{upload}\.data>", trace):
        return False
    renamed = re.search(rf'^(\d+) renameat2\([^\n]*"{upload}\.data".*\Z', trace, re.MULTILINE | re.DOTALL)
    if not renamed:
        return True
    synced = rf"^{renamed[1]} (?:fsync\(|<\.\.\. fsync resumed).*\) += 0"
    return len(re.findall(synced, renamed[0], re.MULTILINE)) < 2


def ends_in_intent(sidecar):
    """Of a publication, of a removal or of a rename."""
    return sidecar.strip().rsplit("\n", 1)[-1].startswith(('{"intent"', '{"change"', '"made"'))


def digest_of(stream):
    digest = hashlib.sha256()
    while piece := stream.read(MIB):
        digest.update(piece)
    return digest.hexdigest()
