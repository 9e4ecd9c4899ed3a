"""A receiver of webhooks that outlives the gateway's deaths, and is not always well itself."""

import hashlib
import http.server
import random
import threading
import time


class Receiver:
    """What came is in `bodies`: a digest of each event's body, by the event's identifier."""

    def __init__(self, port, seed, bodies):
        self.bodies, self.refused, self.again, self.changed = bodies, 0, 0, []
        self.is_well, self.chance, self.lock = False, random.Random(f"{seed}/receiver"), threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                what = receiver.take(self.headers["webhook-id"], body)
                if what == "reset":
                    self.close_connection = True
                    return
                if what == "late":
                    time.sleep(0.3)
                self.send_response(503 if what == "refuse" else 204)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, identity, body):
        """What to do with a request."""
        digest = hashlib.sha256(body).hexdigest()
        with self.lock:
            known = self.bodies.get(identity)
            if known not in (None, digest):
                self.changed.append(identity)
            luck = 1.0 if self.is_well else self.chance.random()
            if luck < 0.005:
                self.refused += 1
                return "refuse"
            # It has taken it from here on, whether it says so or not.
            self.again += known is not None
            self.bodies[identity] = digest
            return "reset" if luck < 0.01 else "late" if luck < 0.02 else "take"
