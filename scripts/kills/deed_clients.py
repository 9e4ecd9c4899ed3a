"""One client that does one thing after the other until the server dies: `deed_clients.py WAY JOB JOURNAL`.

JOB is JSON: where the server is, as whom, and a list of deeds. The journal gets `begin N` before each deed and `done N`
when the server has acknowledged it; what neither line says was never asked for.
"""

import ftplib
import json
import ssl
import sys
import urllib.parse
import urllib.request
from pathlib import Path

from python_clients import ImplicitTls


class OverFtp:
    def __init__(self, job, ftp_class):
        self.ftp = ftp_class(context=ssl.create_default_context(cafile=job["authority"]))
        self.ftp.connect("localhost", job["port"], timeout=15)
        self.ftp.login(job["login"], job["password"])
        self.ftp.prot_p()

    def put(self, local, path):
        with open(local, "rb") as file:
            # Raises whatever is not a 226 of its own.
            self.ftp.storbinary(f"STOR {path}", file)

    def rename(self, source, target):
        self.ftp.rename(source, target)

    def delete(self, path):
        self.ftp.delete(path)


class OverSftp:
    """paramiko: each call returns when its last request was answered, and raises when it was not."""

    def __init__(self, job):
        import paramiko

        self.transport = paramiko.Transport(("127.0.0.1", job["port"]))
        self.transport.banner_timeout = 15
        self.transport.connect(username=job["login"], password=job["password"])
        self.sftp = paramiko.SFTPClient.from_transport(self.transport)

    def put(self, local, path):
        contents = Path(local).read_bytes()
        file = self.sftp.open(path, "wb")
        # Answers of writes are looked at one by one, and so is that of CLOSE.
        for start in range(0, len(contents), 32 * 1024):
            file.write(contents[start:start + 32 * 1024])
        file.flush()
        self.sftp._request(4, file.handle)
        file._closed = True

    def rename(self, source, target):
        self.sftp.posix_rename(source, target)

    def delete(self, path):
        self.sftp.remove(path)


class OverApi:
    def __init__(self, job):
        self.job = job

    def ask(self, method, path, body=None):
        name = urllib.parse.quote(path.rsplit("/", 1)[-1])
        request = urllib.request.Request(f"{self.job['files']}/{name}", method=method, data=body)
        request.add_header("Authorization", f"Bearer {self.job['token']}")
        with urllib.request.urlopen(request, timeout=15) as answer:
            answer.read()

    def put(self, local, path):
        self.ask("PUT", path, Path(local).read_bytes())

    def delete(self, path):
        self.ask("DELETE", path)


WAYS = {
    "sftp": OverSftp,
    "ftps": lambda job: OverFtp(job, ImplicitTls),
    "ftpes": lambda job: OverFtp(job, ftplib.FTP_TLS),
    "api": OverApi,
}


def main():
    way, job, journal = sys.argv[1:]
    job = json.loads(Path(job).read_text())
    client = WAYS[way](job)
    with open(journal, "a", buffering=1) as journal:
        for deed in job["deeds"]:
            print("begin", deed["number"], file=journal)
            if deed["do"] == "put":
                client.put(deed["local"], deed["path"])
            elif deed["do"] == "rename":
                client.rename(deed["from"], deed["path"])
            else:
                client.delete(deed["path"])
            print("done", deed["number"], file=journal)


if __name__ == "__main__":
    main()
