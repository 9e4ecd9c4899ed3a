#!/usr/bin/python3
"""Kills the gateway (kill -9) at seeded instants while clients upload, starts it again on the same data, and checks what
it promises: an acknowledged upload is there, no partial file is ever visible, an old version stays whole until the new
one is, every published file has its record and every record its file.

    kills.py --program target/release/lucca-gateway --state DIR [--kills 300] [--seed 1]

Most kills are aimed between the moment at which the server has the client's CLOSE and its answer. That is a matter of
few milliseconds, so for those the server runs under strace, which lets it wait before every sync; its trace tells
afterwards whether the kill came in time. The rest hits an unhindered server anywhere between connecting and
after the answer.

The run can be stopped and resumed: the state folder keeps the data (some GB: what was cut stays) and the counts, and
what a kill is aimed at depends on the seed, its number and what is published by then. A run that found nothing takes
its folder away; one that found something leaves it, to be looked at and removed by hand.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

CLIENTS = ("openssh", "lftp", "asyncssh")
FOLDER = "/inbox"
# Argon2 with its real cost would be most of the run.
CONFIG = "[passwords]\nmemory_kib = 8192\niterations = 1\nparallelism = 1\n"
PATIENCE = 60.0
# How long a client may take to notice that the server died.
MOURNING = 15.0
KEPT_BYTES = 256 * 1024 * 1024
MIB = 1024 * 1024
FAULTS = ("missing", "partial", "damaged", "unrecorded", "ghosts")


class Gateway:
    """The program, started as a person would."""

    def __init__(self, program, state, sync_delay_ms=None):
        self.state, self.told = state, state / "try.json"
        self.told.unlink(missing_ok=True)
        self.trace = state / "trace" if sync_delay_ms else None
        command = [str(program), "try", "--json", str(self.told), "--data", str(state / "data")]
        command += ["--config", str(state / "gateway.toml")]
        for listener in ("--sftp", "--api", "--internal"):
            command += [listener, "127.0.0.1:0"]
        if self.trace:
            self.trace.unlink(missing_ok=True)
            calls = "fsync,fdatasync,renameat2"
            delay = f"fsync,fdatasync:delay_enter={sync_delay_ms * 1000}"
            command = ["strace", "-f", "--seccomp-bpf", "-y", "-qq", "-o", str(self.trace),
                       "-e", f"trace={calls}", "-e", f"inject={delay}", *command]
        log = open(state / "gateway.log", "ab")
        self.process = subprocess.Popen(command, cwd=state, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        deadline = time.monotonic() + PATIENCE
        while not self.told.exists() or not self.told.read_bytes().strip().endswith(b"}"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                sys.exit(f"the gateway does not start: see {state / 'gateway.log'}")
            time.sleep(0.005)
        told = json.loads(self.told.read_text())
        self.pid, self.port = told["pid"], told["sftp"]["port"]
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

    def ask(self, method, path):
        request = urllib.request.Request(f"{self.url}/v1/accounts/{self.account}{path}", method=method)
        request.add_header("Authorization", f"Bearer {self.token}")
        return urllib.request.urlopen(request, timeout=PATIENCE)

    def files(self):
        """Where the API has the files of the folder."""
        if not self.folder:
            account = json.load(self.ask("GET", ""))
            self.folder = next(one["id"] for one in account["folders"] if one["path"] == FOLDER)
        return f"/folders/{self.folder}/files"

    def names(self):
        names, cursor = {}, ""
        while True:
            page = json.load(self.ask("GET", f"{self.files()}?limit=200{cursor}"))
            names.update((entry["name"], entry["size"]) for entry in page["items"])
            if not page.get("next_cursor"):
                return names
            cursor = "&cursor=" + urllib.parse.quote(page["next_cursor"], safe="")

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
        """The sizes of what is staged for a name, and whether one of them has its intent."""
        sizes, intent = [], False
        for sidecar in self.staging.glob("*.json"):
            with contextlib.suppress(FileNotFoundError):
                text = sidecar.read_text()
                if f'"{FOLDER}/{name}"' in text:
                    intent |= '"intent"' in text.strip().rsplit("\n", 1)[-1][:10]
                    sizes.append(sidecar.with_suffix(".data").stat().st_size)
        return sizes, intent

    def has_close_of(self, name):
        """Whether the (dead) server had begun to publish: its trace says so, or its intent."""
        sizes, intent = self.staged(name)
        if intent or not self.trace:
            return intent
        # The first thing that a CLOSE brings about is the sync of the staged data.
        return bool(re.search(r"fdatasync\(\d+<[^>]*/\.staging/[^>]*\.data>", self.trace.read_text()))


def digest_of(stream):
    digest = hashlib.sha256()
    while piece := stream.read(MIB):
        digest.update(piece)
    return digest.hexdigest()


def upload_command(client, gateway, local, name, home):
    """What puts the local file; it succeeds only when the server has acknowledged its CLOSE."""
    options = ["-F", "/dev/null", "-i", gateway.key, "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none",
               "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={home / 'known_hosts'}",
               "-o", "LogLevel=ERROR", "-o", "PreferredAuthentications=publickey"]
    script = home / f"{client}-{name}.script"
    if client == "openssh":
        script.write_text(f"put {local} {FOLDER}/{name}\n")
        return ["sftp", *options, "-P", str(gateway.port), "-b", str(script), f"{gateway.login}@127.0.0.1"]
    if client == "lftp":
        ssh = " ".join(["ssh", "-a", "-x", *options])
        script.write_text(
            f'set cmd:fail-exit yes\nset net:max-retries 1\nset net:timeout 5\nset net:reconnect-interval-base 1\nset sftp:auto-confirm yes\n'
            f'set sftp:connect-program "{ssh}"\nopen -p {gateway.port} -u {gateway.login},- sftp://127.0.0.1\n'
            f'put {local} -o {FOLDER}/{name}\n')
        return ["lftp", "--norc", "-f", str(script)]
    return ["/usr/bin/python3", "-W", "ignore", __file__, "--upload-by-asyncssh",
            str(gateway.port), gateway.login, gateway.key, str(local), f"{FOLDER}/{name}"]


def upload_by_asyncssh(port, login, key, local, remote):
    import asyncio

    import asyncssh
    from asyncssh.sftp import SFTPClientHandler

    close = SFTPClientHandler.close

    async def acknowledged_close(handler, handle):
        # On a connection that is gone already asyncssh closes without a word, and that is no acknowledgement.
        if not handler._writer:
            raise ConnectionError("the connection is gone: nothing acknowledges this CLOSE")
        await close(handler, handle)

    SFTPClientHandler.close = acknowledged_close

    async def upload():
        where = asyncssh.connect("127.0.0.1", int(port), username=login, client_keys=[key], known_hosts=None, config=None)
        async with where as connection, connection.start_sftp_client() as sftp:
            await sftp.put(local, remote)
            os._exit(0)

    asyncio.run(upload())


class Plan:
    """One kill: what is uploaded, and when the server dies."""

    def __init__(self, seed, number, names):
        chance = random.Random(f"{seed}/{number}")
        self.number, self.names = number, sorted(names)
        self.aimed_at, self.sync_delay_ms = Plan.aim(chance)
        self.instant = chance.random()
        # The first upload is the one that is aimed at; another one sometimes runs beside it.
        self.uploads = [self.upload(seed, chance, index) for index in range(1 if chance.random() < 0.7 else 2)]

    @staticmethod
    def aim(chance):
        aim = chance.choices(("closing", "anywhere", "after"), (11, 7, 2))[0]
        return aim, chance.choice((5, 10, 20, 40)) if aim == "closing" else None

    @staticmethod
    def sync_delay_of(seed, number):
        """What the server must be started with: known before what there is to overwrite."""
        return Plan.aim(random.Random(f"{seed}/{number}"))[1]

    def upload(self, seed, chance, index):
        size = chance.choices(
            (0, 1, chance.randrange(2, 32 * 1024), chance.randrange(32 * 1024, MIB), chance.randrange(MIB, 16 * MIB),
             64 * MIB), (3, 1, 4, 4, 4, 2 if index == 0 else 0))[0]
        name = f"{self.number:04}-{index}.bin"
        overwrites = chance.random() < 0.45
        if overwrites and self.names:
            name = self.names.pop(chance.randrange(len(self.names)))
        contents = random.Random(f"{seed}/{self.number}/{index}/contents").randbytes(size)
        return {"name": name, "size": size, "digest": hashlib.sha256(contents).hexdigest(),
                "client": chance.choice(CLIENTS), "contents": contents}


class Run:
    def __init__(self, arguments):
        self.program, self.seed, self.kills = Path(arguments.program).resolve(), arguments.seed, arguments.kills
        self.state = Path(arguments.state).resolve()
        identity = {"seed": self.seed, "program": digest_of(open(self.program, "rb"))}
        self.file = self.state / "state.json"
        kept = json.loads(self.file.read_text()) if self.file.exists() else {}
        if not kept and self.state.exists() and any(self.state.iterdir()):
            sys.exit(f"{self.state} holds something else")
        if kept.get("identity") != identity:
            shutil.rmtree(self.state, ignore_errors=True)
            (self.state / "work").mkdir(parents=True)
            kept = {"identity": identity, "done": 0, "pid": 0, "files": {}, "published": {}, "pending": None,
                    "counts": {}, "seconds_by_class": {}}
        self.kept = kept
        self.save()
        (self.state / "gateway.toml").write_text(CONFIG)
        self.gateway = None

    def save(self):
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(self.kept))
        new.rename(self.file)

    def count(self, what, by=1):
        self.kept["counts"][what] = self.kept["counts"].get(what, 0) + by

    def start(self, sync_delay_ms=None):
        self.gateway = Gateway(self.program, self.state, sync_delay_ms)
        self.kept["pid"] = self.gateway.pid
        self.save()

    def run(self):
        self.end_an_older_gateway()
        try:
            while True:
                number = self.kept["done"]
                finished = number >= self.kills
                # What the last kill left is checked by the start that serves the next one.
                self.start(None if finished else Plan.sync_delay_of(self.seed, number))
                self.check()
                if finished:
                    return self.end()
                self.kill_during(Plan(self.seed, number, self.kept["files"]))
        finally:
            if self.gateway:
                self.gateway.kill()

    def end_an_older_gateway(self):
        """A run that was itself killed leaves its gateway."""
        pid = self.kept["pid"]
        with contextlib.suppress(OSError):
            if pid and os.path.realpath(f"/proc/{pid}/exe") == str(self.program):
                os.kill(pid, signal.SIGKILL)
                time.sleep(0.5)

    def kill_during(self, plan):
        work = self.state / "work"
        shutil.rmtree(work)
        work.mkdir()
        uploads = plan.uploads
        for upload in uploads:
            local = work / f"local-{upload['name']}"
            local.write_bytes(upload.pop("contents"))
            upload["command"] = upload_command(upload["client"], self.gateway, local, upload["name"], work)
        self.kept["pending"] = [{**upload, "acknowledged": False} for upload in uploads]
        self.save()
        environment = {**os.environ, "HOME": str(work), "LC_ALL": "C.UTF-8"}
        started = time.monotonic()
        clients = [subprocess.Popen(upload["command"], cwd=work, env=environment, stdin=subprocess.DEVNULL,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for upload in uploads]
        kind = f"{uploads[0]['client']}/{len(str(uploads[0]['size']))}"
        self.await_instant(plan, clients[0], kind, started)
        answered_before = clients[0].poll() == 0
        if answered_before:
            self.kept["seconds_by_class"][kind] = time.monotonic() - started
        self.gateway.kill()
        for upload, client in zip(self.kept["pending"], clients):
            try:
                upload["acknowledged"] = client.wait(timeout=MOURNING) == 0
            except subprocess.TimeoutExpired:
                self.count("clients that hung")
                client.kill()
                client.wait()
        first = self.kept["pending"][0]
        closing = not first["acknowledged"] and self.gateway.has_close_of(first["name"])
        if closing:
            self.count("between CLOSE received and answered")
        self.kept["done"] += 1
        self.save()

    def await_instant(self, plan, client, kind, started):
        """Waits until the server is to die."""
        upload = plan.uploads[0]
        if plan.aimed_at == "anywhere":
            usual = self.kept["seconds_by_class"].get(kind, 0.3 + upload["size"] / (80 * MIB))
            time.sleep(plan.instant * usual * 1.1)
            return
        while client.poll() is None and time.monotonic() - started < PATIENCE:
            if plan.aimed_at == "closing" and upload["size"] in self.gateway.staged(upload["name"])[0]:
                # Everything has come; CLOSE is on its way. The server then syncs five times before it answers.
                time.sleep(plan.instant * 5.5 * plan.sync_delay_ms / 1000)
                return
            time.sleep(0.0005)

    def check(self):
        """What the last kill left."""
        known, uploads = self.kept["files"], self.kept["pending"] or []
        faults = []
        for upload in uploads:
            name, old = upload["name"], known.get(upload["name"])
            found = self.gateway.digest_over_the_api(name)
            if found != self.gateway.digest_on_the_disk(name):
                faults.append(("partial", f"{name}: the API and the disk differ"))
            visible = found == upload["digest"] and found != (old or {}).get("digest")
            recorded = len(self.records(name)) - len(self.kept["published"].get(name, []))
            if old and old["digest"] == upload["digest"]:
                visible = bool(recorded)  # the same contents again: the record alone tells
            if upload["acknowledged"]:
                self.count("acknowledged")
                if not visible:
                    faults.append(("missing", f"{name}: acknowledged, and {'another' if found else 'no'} file is there"))
            if not visible and found != (old or {}).get("digest"):
                faults.append(("damaged" if old else "partial", f"{name}: neither the old version nor the new one"))
            if visible:
                known[name] = {"digest": upload["digest"], "size": upload["size"]}
                self.kept["published"].setdefault(name, []).append(upload["size"])
                if not upload["acknowledged"]:
                    self.count("published before the answer was heard")
            self.count("overwrites" if old else "new files")
            self.count(f"by {upload['client']}")
            self.count("of 64 MiB" if upload["size"] == 64 * MIB else "of 0 B" if not upload["size"] else "between")
        faults += self.check_all()
        for kind, text in faults:
            self.count(kind)
            print(f"kill {self.kept['done']}: {kind}: {text}", flush=True)
        if uploads:
            self.count("kills")
        self.kept["pending"] = None
        while sum(file["size"] for file in known.values()) > KEPT_BYTES:
            name = next(iter(known))
            self.gateway.remove(name)
            del known[name]
        self.save()
        if uploads and self.kept["done"] % 10 == 0:
            print(f"{self.kept['done']} kills: {self.told()}", flush=True)

    def check_all(self):
        """Every name and record, whatever the last kill was about."""
        faults, known = [], self.kept["files"]
        sizes = {name: file["size"] for name, file in known.items()}
        over_the_api = self.gateway.names()
        on_the_disk = {entry.name: entry.stat().st_size for entry in os.scandir(self.gateway.directory)}
        on_the_disk.pop("README.txt", None)
        if over_the_api != sizes or on_the_disk != sizes:
            for name in sorted(sizes.keys() | over_the_api.keys() | on_the_disk.keys()):
                found = {sizes.get(name), over_the_api.get(name), on_the_disk.get(name)}
                if len(found) > 1:
                    kind = "missing" if name in sizes else "partial"
                    faults.append((kind, f"{name}: {sizes.get(name)} bytes expected, {over_the_api.get(name)} over the "
                                         f"API, {on_the_disk.get(name)} on the disk"))
        for name in self.every_name():
            expected, found = self.kept["published"].get(name, []), self.records(name)
            if len(found) < len(expected):
                faults.append(("unrecorded", f"{name}: published {expected}, recorded {found}"))
            elif found != expected:
                faults.append(("ghosts", f"{name}: published {expected}, recorded {found}"))
        if self.kept["done"] % 25 == 0 or self.kept["done"] >= self.kills:
            for name, file in known.items():
                if self.gateway.digest_on_the_disk(name) != file["digest"]:
                    faults.append(("damaged", f"{name}: other contents than were published"))
        for sidecar in self.gateway.staging.glob("*.json") if self.gateway.staging.exists() else ():
            if sidecar.read_text().strip().rsplit("\n", 1)[-1].startswith('{"intent"'):
                faults.append(("unrecorded", f"{sidecar.name}: an intent outlived the start"))
        return faults

    def query(self, statement, *values):
        with contextlib.closing(sqlite3.connect(f"file:{self.state}/data/gateway.db?mode=ro", uri=True)) as database:
            return database.execute(statement, values).fetchall()

    def records(self, name):
        """The sizes of the publications of a name that are on record: an event and its transfer."""
        rows = self.query(
            "SELECT transfers.bytes FROM events JOIN transfers ON transfers.id = json_extract(events.data, '$.transfer')"
            " WHERE events.kind = 'file.uploaded' AND events.account = ?"
            " AND json_extract(events.data, '$.path') = ? AND json_extract(events.data, '$.bytes') = transfers.bytes"
            " AND transfers.path = json_extract(events.data, '$.path')"
            " AND transfers.direction = 'upload' AND transfers.outcome = 'completed' ORDER BY events.id",
            self.gateway.account, f"{FOLDER}/{name}")
        return [row[0] for row in rows]

    def every_name(self):
        paths = self.query("SELECT path FROM transfers WHERE direction = 'upload' AND outcome = 'completed'"
                           " AND account = ? UNION SELECT json_extract(data, '$.path') FROM events"
                           " WHERE kind = 'file.uploaded' AND account = ?", self.gateway.account, self.gateway.account)
        recorded = {path.rsplit("/", 1)[-1] for (path,) in paths}
        return sorted(recorded | self.kept["published"].keys())

    def told(self):
        counts = self.kept["counts"]
        faults = ", ".join(f"{fault} {counts.get(fault, 0)}" for fault in FAULTS)
        return f"between CLOSE and answer {counts.get('between CLOSE received and answered', 0)}; {faults}"

    def end(self):
        counts = self.kept["counts"]
        print(f"\nkills of the gateway, seed {self.seed}")
        for what in ("kills", "between CLOSE received and answered", "acknowledged",
                     "published before the answer was heard", "new files", "overwrites", "of 0 B", "between",
                     "of 64 MiB", *(f"by {client}" for client in CLIENTS)):
            print(f"  {what:<40} {counts.get(what, 0):>5}")
        meaning = ("acknowledged and missing", "partial and visible", "old version damaged", "published, unrecorded",
                   "recorded, not published")
        for fault, text in zip(FAULTS, meaning):
            print(f"  {text:<40} {counts.get(fault, 0):>5}")
        closing = counts.get("between CLOSE received and answered", 0)
        aimed_well = closing * 3 >= counts.get("kills", 0)
        if not aimed_well:
            print("too few kills came between CLOSE and its answer: less than a third")
        return aimed_well and not any(counts.get(fault) for fault in FAULTS)


def main():
    if sys.argv[1:2] == ["--upload-by-asyncssh"]:
        return upload_by_asyncssh(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--state", required=True, help="a folder for the data and the counts")
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for program, package in (("strace", "strace"), ("sftp", "openssh-client"), ("lftp", "lftp")):
        if not shutil.which(program):
            sys.exit(f"{program} is missing: apt-get install {package} (./check does it)")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped; the same command resumes"))
    run = Run(arguments)
    if not run.run():
        sys.exit(f"look into {run.state}")
    shutil.rmtree(run.state)


if __name__ == "__main__":
    main()
