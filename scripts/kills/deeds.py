"""Kills amid everything that other programs are told of: uploads, uploads by way of a temporary name, renames, removals,
over SFTP, FTPS, FTPES and the API, all at once, while a receiver of webhooks is told of them.

After each start every deed that was acknowledged must be there and told by exactly one event; the one that was under way
in each client is there and told, or neither; and no event ever changes. In the end the receiver has every event. To let
more take part, give WAYS a client and CYCLE its deeds, and `signature` what they are told as.
"""

import collections
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from gateway import FOLDER, Gateway, digest_of, ends_in_intent
from receiver import Receiver

WORKER = Path(__file__).with_name("deed_clients.py")
WAYS = ("sftp", "ftps", "ftpes", "api")
PACKAGES = (("python3", "python3"),)
# What a client does over and over; the API has no renames.
CYCLE = {
    "api": ("put", "put over it", "delete", "put"),
    "login": ("put", "rename", "put temporary", "to final", "put over it", "delete", "put temporary", "to temporary",
              "to final", "rename", "delete", "put temporary", "delete temporary"),
}
# More than a client can do before the latest kill.
DEEDS = 400
LATEST_KILL = 1.6
MOURNING = 20.0

FAULTS = {
    "unmade": "acknowledged and not there",
    "partial": "neither as before nor as after",
    "untold": "acknowledged without an event",
    "ghosts": "an event of what did not happen, or twice",
    "changed": "one event id with two contents",
    "unreceived": "an event that the receiver never got",
}
KINDS = ("file.uploaded", "file.renamed", "file.deleted")
# For a claim of a killed gateway to end, and retries behind it.
LAST_DELIVERIES = 900.0


class Deeds:
    def __init__(self, arguments):
        self.program, self.seed, self.kills = Path(arguments.program).resolve(), arguments.seed, arguments.kills
        self.folder = Path(arguments.state).resolve()
        with open(self.program, "rb") as program:
            identity = {"over": arguments.over, "seed": self.seed, "program": digest_of(program)}
        self.file = self.folder / "state.json"
        kept = json.loads(self.file.read_text()) if self.file.exists() else {}
        if not kept and self.folder.exists() and any(self.folder.iterdir()):
            sys.exit(f"{self.folder} holds something else")
        if kept.get("identity") != identity:
            shutil.rmtree(self.folder, ignore_errors=True)
            (self.folder / "work").mkdir(parents=True)
            kept = {"identity": identity, "done": 0, "pid": 0, "files": {}, "puts": {}, "told": {}, "events": {}, "pending": {},
                    "counts": {}, "receiver": 0, "received": {}}
        self.kept, self.gateway = kept, None
        self.receiver = Receiver(kept["receiver"], self.seed, kept["received"])
        self.save()

    def save(self):
        new = self.file.with_suffix(".new")
        with self.receiver.lock:
            new.write_text(json.dumps(self.kept))
        new.rename(self.file)

    def count(self, what, by=1):
        self.kept["counts"][what] = self.kept["counts"].get(what, 0) + by

    def run(self):
        self.end_an_older_gateway()
        try:
            while True:
                number = self.kept["done"]
                chance = random.Random(f"{self.seed}/{number}/deeds")
                # Slow syncs keep what is under way there for longer; a part of the kills meets an unhindered server.
                delay = chance.choice((None, 3, 8, 20))
                self.gateway = Gateway(self.program, self.folder, None if number >= self.kills else delay)
                self.kept["pid"] = self.gateway.pid
                self.save()
                self.make_webhook()
                self.check()
                if number >= self.kills:
                    self.wait_for_deliveries()
                    return self.end()
                self.kill_during(number, chance)
        finally:
            if self.gateway:
                self.gateway.kill()

    def make_webhook(self):
        if not self.kept["receiver"]:
            webhook = {"url": f"http://127.0.0.1:{self.receiver.port}/", "kinds": KINDS}
            self.gateway.ask_for("POST", "/webhooks", json.dumps(webhook).encode()).close()
            self.kept["receiver"] = self.receiver.port
            self.save()

    def wait_for_deliveries(self):
        """The receiver is well from now on, and so is the gateway: everything comes."""
        self.receiver.is_well = True
        deadline = time.monotonic() + LAST_DELIVERIES
        while (missing := self.kept["events"].keys() - self.kept["received"].keys()) and time.monotonic() < deadline:
            time.sleep(0.2)
        self.count("unreceived", by=len(missing))
        for fault in self.receiver.changed:
            self.count("changed")
            print(f"the receiver got {fault} with two contents", flush=True)
        self.count("told to the receiver again", by=self.receiver.again)

    def end_an_older_gateway(self):
        """A run that was itself killed leaves its gateway."""
        pid = self.kept["pid"]
        with contextlib.suppress(OSError):
            if pid and os.path.realpath(f"/proc/{pid}/exe") == str(self.program):
                os.kill(pid, signal.SIGKILL)
                time.sleep(0.5)

    def deeds_of(self, way, number, chance, work):
        """Each client has names of its own, so that what it was told is all that happened to them."""
        locals_by_size = {}
        deeds, name, count = [], None, 0
        cycle = CYCLE["api" if way == "api" else "login"]
        for step in range(DEEDS):
            what = cycle[step % len(cycle)]
            deed = {"number": step, "what": what}
            if what in ("put", "put temporary", "put over it"):
                if what != "put over it":
                    count += 1
                    name = f"{FOLDER}/{number:04}-{way}-{count}" + (".part" if what == "put temporary" else ".csv")
                size = chance.choice((0, 1, 700, chance.randrange(2, 64 * 1024), chance.randrange(2, 64 * 1024)))
                if size not in locals_by_size:
                    contents = random.Random(f"{self.seed}/{number}/{way}/{size}").randbytes(size)
                    local = work / f"{way}-{size}"
                    local.write_bytes(contents)
                    locals_by_size[size] = str(local), hashlib.sha256(contents).hexdigest()
                local, digest = locals_by_size[size]
                deed |= {"do": "put", "path": name, "size": size, "digest": digest, "local": local}
            elif what.startswith("delete"):
                deed |= {"do": "delete", "path": name}
            else:
                source, count = name, count + 1
                ending = ".tmp" if what == "to temporary" else ".csv"
                name = f"{FOLDER}/{number:04}-{way}-{count}{ending}"
                deed |= {"do": "rename", "from": source, "path": name}
            deeds.append(deed)
        return deeds

    def kill_during(self, number, chance):
        work = self.folder / "work"
        shutil.rmtree(work)
        work.mkdir()
        gateway, clients, pending = self.gateway, [], {}
        files = f"{gateway.url}/v1/accounts/{gateway.account}{gateway.files()}"
        environment = {**os.environ, "HOME": str(work), "LC_ALL": "C.UTF-8"}
        for way in WAYS:
            deeds = self.deeds_of(way, number, chance, work)
            job = {"port": gateway.ports.get(way), "login": gateway.login, "password": gateway.password,
                   "authority": gateway.authority, "files": files, "token": gateway.token, "deeds": deeds}
            (work / f"{way}.json").write_text(json.dumps(job))
            pending[way] = deeds
            command = ["/usr/bin/python3", "-B", "-W", "ignore", str(WORKER), way, str(work / f"{way}.json"),
                       str(work / f"{way}.journal")]
            clients.append(subprocess.Popen(command, cwd=work, env=environment, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        # From the moment at which the first one works.
        deadline = time.monotonic() + MOURNING
        while time.monotonic() < deadline and not any((work / f"{way}.journal").exists() for way in WAYS):
            time.sleep(0.001)
        time.sleep(chance.random() * LATEST_KILL)
        gateway.kill()
        for client in clients:
            try:
                client.wait(timeout=MOURNING)
            except subprocess.TimeoutExpired:
                self.count("clients that hung")
                client.kill()
                client.wait()
        self.kept["pending"] = {way: self.journalled(work / f"{way}.journal", deeds) for way, deeds in pending.items()}
        self.kept["done"] += 1
        self.save()

    @staticmethod
    def journalled(journal, deeds):
        """The deeds that were asked for; whether each was acknowledged."""
        begun = []
        for line in journal.read_text().splitlines() if journal.exists() else ():
            word, number = line.split()
            if word == "begin":
                begun.append({**deeds[int(number)], "acknowledged": False})
            else:
                begun[-1]["acknowledged"] = True
        return begun

    def check(self):
        faults = []
        self.count("recorded by the next start", by=self.gateway.recorded_at_start())
        for way, deeds in self.kept["pending"].items():
            for deed in deeds:
                faults += self.settle(way, deed)
        faults += self.events() + self.all_files()
        faults += [("untold", f"{sidecar.name}: an intent outlived the start")
                   for sidecar in self.gateway.staging.glob("*.json") if ends_in_intent(sidecar.read_text())]
        for kind, text in faults:
            self.count(kind)
            print(f"kill {self.kept['done']}: {kind}: {text}", flush=True)
        if self.kept["pending"]:
            self.count("kills")
            if self.kept["done"] % 10 == 0:
                print(f"{self.kept['done']} kills: {self.told()}", flush=True)
        self.kept["pending"] = {}
        self.save()

    def settle(self, way, deed):
        """Takes into the account what one deed came to."""
        files, path, faults = self.kept["files"], deed["path"], []
        if deed["acknowledged"]:
            happened = True
            self.count(f"{way}: {deed['what']}")
        else:
            self.count("under way at a kill")
            happened = self.has_happened(deed)
            if happened is None:
                return [("partial", f"{way} {deed}")]
            self.count("that had happened", by=int(happened))
        if happened:
            signature = self.signature(deed)
            if deed["do"] == "put":
                files[path] = [deed["size"], deed["digest"]]
                self.kept["puts"][path] = self.kept["puts"].get(path, 0) + 1
            elif deed["do"] == "rename":
                files[path] = files.pop(deed["from"])
            else:
                del files[path]
            if signature:
                self.kept["told"][signature] = self.kept["told"].get(signature, 0) + 1
        return faults

    def has_happened(self, deed):
        """`None`: it is half-done."""
        before, now = self.kept["files"].get(deed["path"]), self.on_disk(deed["path"])
        if deed["do"] == "put":
            after = [deed["size"], deed["digest"]]
            if before == after:
                # The same contents again: only its transfer tells, which the event is checked against.
                return self.transfers(deed["path"]) > self.kept["puts"].get(deed["path"], 0)
            return True if now == after else False if now == before else None
        if deed["do"] == "delete":
            return True if now is None else False if now == before else None
        source, moved = self.kept["files"][deed["from"]], self.on_disk(deed["from"])
        if moved is None and now == source:
            return True
        return False if moved == source and now == before else None

    def signature(self, deed):
        """What it is told as; `None`: it raises no event."""
        path, files = deed["path"], self.kept["files"]
        is_temporary = path.endswith((".part", ".tmp"))
        if deed["do"] == "put":
            return None if is_temporary else f"file.uploaded {path} {deed['size']}"
        if deed["do"] == "delete":
            return None if is_temporary else f"file.deleted {path} {files[path][0]}"
        size = files[deed["from"]][0]
        if deed["from"].endswith((".part", ".tmp")):
            return None if is_temporary else f"file.uploaded {path} {size}"
        return f"file.renamed {deed['from']} {path} {size}"

    def on_disk(self, path):
        file = self.gateway.directory / path.rsplit("/", 1)[-1]
        try:
            contents = file.read_bytes()
        except FileNotFoundError:
            return None
        return [len(contents), hashlib.sha256(contents).hexdigest()]

    def query(self, statement, *values):
        url = f"file:{self.folder / 'data' / 'gateway.db'}?mode=ro"
        with contextlib.closing(sqlite3.connect(url, uri=True, timeout=30)) as database:
            return database.execute(statement, values).fetchall()

    def transfers(self, path):
        """Uploads under this very name; one that was renamed to it came under another."""
        found = self.query("SELECT COUNT(*) FROM transfers WHERE path = ? AND direction = 'upload'"
                           " AND outcome = 'completed' AND account = ?", path, self.gateway.account)
        return found[0][0]

    def events(self):
        """Everything that was told against everything that happened, over all kills."""
        found, faults = collections.Counter(), []
        known, now = self.kept["events"], {}
        for identity, kind, data in self.query(
                f"SELECT id, kind, data FROM events WHERE account = ? AND kind IN {KINDS}", self.gateway.account):
            now[identity] = hashlib.sha256(f"{kind} {data}".encode()).hexdigest()
            if known.get(identity, now[identity]) != now[identity]:
                faults.append(("changed", f"{identity}: {kind} {data}"))
            data = json.loads(data)
            source = f"{data['from_path']} " if kind == "file.renamed" else ""
            found[f"{kind} {source}{data['path']} {data['bytes']}"] += 1
        faults += [("changed", f"{identity} is gone") for identity in known.keys() - now.keys()]
        for signature in found.keys() | self.kept["told"].keys():
            expected, told = self.kept["told"].get(signature, 0), found[signature]
            if told != expected:
                faults.append(("untold" if told < expected else "ghosts", f"{signature}: {told} instead of {expected}"))
        self.kept["events"] = now
        return faults

    def all_files(self):
        expected = {path.rsplit("/", 1)[-1]: file[0] for path, file in self.kept["files"].items()}
        found, over_the_api = self.gateway.sizes_on_the_disk(), self.gateway.sizes_over_the_api()
        faults = []
        for name in expected.keys() | found.keys() | over_the_api.keys():
            if not expected.get(name) == found.get(name) == over_the_api.get(name):
                kind = "unmade" if name in expected else "partial"
                faults.append((kind, f"{name}: {expected.get(name)} bytes expected, {found.get(name)} on the disk, "
                                     f"{over_the_api.get(name)} over the API"))
        return faults

    def told(self):
        counts = self.kept["counts"]
        faults = ", ".join(f"{text} {counts.get(fault, 0)}" for fault, text in FAULTS.items())
        return f"under way at a kill {counts.get('under way at a kill', 0)}; {faults}"

    def end(self):
        counts = self.kept["counts"]
        print(f"\nkills of the gateway amid uploads, renames and removals, seed {self.seed}")
        for what in ("kills", "under way at a kill", "that had happened", "recorded by the next start",
                     "clients that hung", "told to the receiver again"):
            print(f"  {what:<44} {counts.get(what, 0):>6}")
        idle = []
        for way in WAYS:
            for what in dict.fromkeys(CYCLE["api" if way == "api" else "login"]):
                done = counts.get(f"{way}: {what}", 0)
                print(f"  {f'acknowledged over {way}: {what}':<44} {done:>6}")
                if not done:
                    idle.append(f"{way}: {what}")
        print(f"  {'events':<44} {len(self.kept['events']):>6}")
        print(f"  {'that the receiver has':<44} {len(self.kept['received']):>6}")
        for fault, text in FAULTS.items():
            print(f"  {text:<44} {counts.get(fault, 0):>6}")
        aimed_well = counts.get("recorded by the next start", 0) * 3 >= counts.get("kills", 0)
        if not aimed_well:
            print("too few kills came between what happened and its record: less than one for three kills")
        if idle:
            print(f"never acknowledged, so that nothing was proved: {', '.join(idle)}")
        return aimed_well and not idle and not any(counts.get(fault) for fault in FAULTS)
