"""A receiver of webhooks over TLS, behind the function `verify` of docs/OPERATIONS.md, which stands above this text.

Arguments: a folder, a certificate and its key. The folder holds `secret`, what to verify with, and `status`, what to
answer; `port` is written there, and `requests`: a line of JSON for each request.
"""

import http.server
import pathlib
import ssl
import sys

folder, certificate, key = (pathlib.Path(argument) for argument in sys.argv[1:])


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        status = int((folder / "status").read_text())
        line = {
            "id": self.headers["webhook-id"],
            "status": status,
            "signatures": len(self.headers["webhook-signature"].split()),
            "type": self.headers["content-type"],
        }
        try:
            line["event"] = verify((folder / "secret").read_text(), self.headers, body)
        except ValueError as problem:
            line["problem"] = str(problem)
        with open(folder / "requests", "a") as requests:
            requests.write(json.dumps(line) + "\n")
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
(folder / "requests").touch()
(folder / "port.new").write_text(str(server.server_address[1]))
(folder / "port.new").rename(folder / "port")
server.serve_forever()
