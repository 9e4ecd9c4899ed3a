"""What the gateway promises, looked at after it was started again."""

import contextlib
import sqlite3

from gateway import FOLDER, ends_in_intent

# What can be wrong, and what it is called at the end.
FAULTS = {
    "missing": "acknowledged and missing",
    "partial": "partial and visible",
    "damaged": "old version damaged",
    "unrecorded": "published, unrecorded",
    "ghosts": "recorded, not published",
}


class Checks:
    """`files`: what must be there, by name; what the last kill is found to have published is added. `published`: the
    sizes of every publication of a name, in order."""

    def __init__(self, gateway, database, files, published):
        self.gateway, self.database, self.files, self.published = gateway, database, files, published

    def upload(self, upload):
        """What became of an upload that a kill was about: whether it is published, and the faults."""
        name, faults = upload["name"], []
        old = self.files.get(name)
        old_digest = old and old["digest"]
        found = self.gateway.digest_over_the_api(name)
        if found != self.gateway.digest_on_the_disk(name):
            faults.append(("partial", f"{name}: the API and the disk differ"))
        visible = found == upload["digest"] and found != old_digest
        if old_digest == upload["digest"]:
            # The same contents again: the record alone tells.
            visible = len(self.records(name)) > len(self.published.get(name, []))
        if upload["acknowledged"] and not visible:
            faults.append(("missing", f"{name}: acknowledged, and {'another' if found else 'no'} file is there"))
        if not visible and found != old_digest:
            faults.append(("damaged" if old else "partial", f"{name}: neither the old version nor the new one"))
        if visible:
            self.files[name] = {"digest": upload["digest"], "size": upload["size"]}
            self.published.setdefault(name, []).append(upload["size"])
        return visible, faults

    def everything(self, contents):
        """The faults of every name and record, whatever the last kill was about. `contents`: of every file's too."""
        faults = self.sizes() + self.every_record() + self.intents()
        for name, file in self.files.items() if contents else ():
            if self.gateway.digest_on_the_disk(name) != file["digest"]:
                faults.append(("damaged", f"{name}: other contents than were published"))
        return faults

    def sizes(self):
        sizes = {name: file["size"] for name, file in self.files.items()}
        over_the_api, on_the_disk = self.gateway.sizes_over_the_api(), self.gateway.sizes_on_the_disk()
        faults = []
        for name in sorted(sizes.keys() | over_the_api.keys() | on_the_disk.keys()):
            found = {sizes.get(name), over_the_api.get(name), on_the_disk.get(name)}
            if len(found) > 1:
                kind = "missing" if name in sizes else "partial"
                faults.append((kind, f"{name}: {sizes.get(name)} bytes expected, {over_the_api.get(name)} over the API, "
                                     f"{on_the_disk.get(name)} on the disk"))
        return faults

    def every_record(self):
        faults = []
        for name in self.every_name():
            expected, found = self.published.get(name, []), self.records(name)
            if found != expected:
                kind = "unrecorded" if len(found) < len(expected) else "ghosts"
                faults.append((kind, f"{name}: published {expected}, recorded {found}"))
        return faults

    def intents(self):
        return [("unrecorded", f"{sidecar.name}: an intent outlived the start")
                for sidecar in self.gateway.staging.glob("*.json") if ends_in_intent(sidecar.read_text())]

    def query(self, statement, *values):
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as database:
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
        return sorted(recorded | self.published.keys())
