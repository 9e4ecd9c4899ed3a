"""The run: start, check what the last kill left, kill, again."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from checks import FAULTS, Checks
from clients import PROTOCOLS
from gateway import MIB, PATIENCE, Gateway, digest_of
from plan import Plan

# How long a client may take to notice that the server died.
MOURNING = 15.0
KEPT_BYTES = 256 * MIB


class Run:
    def __init__(self, arguments):
        self.program, self.seed, self.kills = Path(arguments.program).resolve(), arguments.seed, arguments.kills
        self.protocol = PROTOCOLS[arguments.over]
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
            kept = {"identity": identity, "done": 0, "pid": 0, "files": {}, "published": {}, "pending": None,
                    "counts": {}, "seconds_by_class": {}}
        self.kept = kept
        self.save()
        self.gateway = None

    def save(self):
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(self.kept))
        new.rename(self.file)

    def count(self, what, by=1):
        self.kept["counts"][what] = self.kept["counts"].get(what, 0) + by

    def start(self, sync_delay_ms=None):
        self.gateway = Gateway(self.program, self.folder, sync_delay_ms)
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
                self.check(finished)
                if finished:
                    return self.end()
                self.kill_during(Plan(self.seed, number, self.protocol.clients, self.kept["files"]))
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
        work = self.folder / "work"
        shutil.rmtree(work)
        work.mkdir()
        uploads = plan.uploads
        for upload in uploads:
            local = work / f"local-{upload['name']}"
            local.write_bytes(upload.pop("contents"))
            upload["command"] = self.protocol.command(upload["client"], self.gateway, local, upload["name"], work)
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
        if not first["acknowledged"] and self.gateway.is_publishing(first["name"]):
            self.count(self.protocol.window)
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
            if plan.aimed_at == "closing" and self.gateway.has_all_of(upload["name"], upload["size"]):
                # Everything has come; its end is on its way. The server then syncs five times before it answers.
                time.sleep(plan.instant * 5.5 * plan.sync_delay_ms / 1000)
                return
            time.sleep(0.0005)

    def check(self, finished):
        """What the last kill left."""
        files, uploads, faults = self.kept["files"], self.kept["pending"] or [], []
        checks = Checks(self.gateway, self.folder / "data" / "gateway.db", files, self.kept["published"])
        for upload in uploads:
            self.count("overwrites" if upload["name"] in files else "new files")
            visible, found = checks.upload(upload)
            faults += found
            if upload["acknowledged"]:
                self.count("acknowledged")
            elif visible:
                self.count("published before the answer was heard")
            self.count(f"by {upload['client']}")
            self.count(f"by {upload['client']}, published", by=int(visible))
            self.count("of 64 MiB" if upload["size"] == 64 * MIB else "of 0 B" if not upload["size"] else "between")
        self.count("recorded by the next start", by=self.gateway.recorded_at_start())
        faults += checks.everything(contents=finished or self.kept["done"] % 25 == 0)
        for kind, text in faults:
            self.count(kind)
            print(f"kill {self.kept['done']}: {kind}: {text}", flush=True)
        if uploads:
            self.count("kills")
        self.kept["pending"] = None
        while sum(file["size"] for file in files.values()) > KEPT_BYTES:
            name = next(iter(files))
            self.gateway.remove(name)
            del files[name]
        self.save()
        if uploads and self.kept["done"] % 10 == 0:
            print(f"{self.kept['done']} kills: {self.told()}", flush=True)

    def told(self):
        counts = self.kept["counts"]
        faults = ", ".join(f"{fault} {counts.get(fault, 0)}" for fault in FAULTS)
        return f"{self.protocol.window} {counts.get(self.protocol.window, 0)}; {faults}"

    def end(self):
        counts = self.kept["counts"]
        print(f"\nkills of the gateway, seed {self.seed}")
        for what in ("kills", self.protocol.window, "acknowledged", "published before the answer was heard",
                     "recorded by the next start", "new files", "overwrites", "of 0 B", "between", "of 64 MiB",
                     "clients that hung"):
            print(f"  {what:<40} {counts.get(what, 0):>5}")
        idle = []
        for client in self.protocol.clients:
            uploads, published = counts.get(f"by {client}", 0), counts.get(f"by {client}, published", 0)
            print(f"  {f'by {client}':<40} {uploads:>5}, published {published}")
            if uploads >= 10 and not published:
                idle.append(client)
        for fault, text in FAULTS.items():
            print(f"  {text:<40} {counts.get(fault, 0):>5}")
        aimed_well = counts.get(self.protocol.window, 0) * 3 >= counts.get("kills", 0)
        if not aimed_well:
            print(f"too few kills came {self.protocol.window}: less than a third")
        if idle:
            print(f"never came through, so that nothing was proved: {', '.join(idle)}")
        return aimed_well and not idle and not any(counts.get(fault) for fault in FAULTS)
