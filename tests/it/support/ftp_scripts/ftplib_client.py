"""Python's ftplib: ftplib_client.py put|get|put-rest|get-rest|cut FROM TO [BYTES], where and as whom by FTP_* variables."""
import ftplib
import os
import socket
import ssl
import sys

what, source, target = sys.argv[1:4]
reuse = "FTP_REUSE" in os.environ


class Client(ftplib.FTP_TLS):
    """ftplib as it is (explicit)."""


class Reusing(ftplib.FTP_TLS):
    """Data connections resume the control connection's TLS session."""

    def ntransfercmd(self, cmd, rest=None):
        conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p:
            conn = self.context.wrap_socket(conn, server_hostname=self.host, session=self.sock.session)
        return conn, size


class Implicit:
    """TLS from the first byte, which ftplib does not know: to be mixed in."""

    def connect(self, host="", port=990, timeout=20, source_address=None):
        self.host, self.port, self.timeout = host, port, timeout
        plain = socket.create_connection((host, port), timeout, source_address)
        self.af = plain.family
        self.sock = self.context.wrap_socket(plain, server_hostname=host)
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
        return self.welcome


def context():
    trust = os.environ["FTP_TRUST"]
    if trust == "anything":
        made = ssl._create_unverified_context()
    else:
        made = ssl.create_default_context(cafile=None if trust == "system" else trust)
    version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[os.environ["FTP_TLS"]]
    made.minimum_version = made.maximum_version = version
    return made


def sign_in():
    kind = Reusing if reuse else Client
    if os.environ["FTP_MODE"] == "implicit":
        kind = type("ImplicitClient", (Implicit, kind), {})

    class Watched(kind):
        def ntransfercmd(self, cmd, rest=None):
            conn, size = super().ntransfercmd(cmd, rest)
            assert conn.session_reused == reuse, f"{cmd}: the TLS session was {'not ' * reuse}resumed"
            return conn, size

    ftp = Watched(context=context())
    ftp.connect(os.environ["FTP_HOST"], int(os.environ["FTP_PORT"]), timeout=60)
    ftp.login(os.environ["FTP_LOGIN"], os.environ["FTP_PASSWORD"])
    ftp.prot_p()
    return ftp


def put(local, remote):
    ftp.mkd(remote)
    for name in sorted(os.listdir(local)):
        below = os.path.join(local, name)
        if os.path.isdir(below):
            put(below, f"{remote}/{name}")
        else:
            with open(below, "rb") as file:
                ftp.storbinary(f"STOR {remote}/{name}", file)


def get(remote, local):
    os.makedirs(local)
    for name, facts in list(ftp.mlsd(remote)):
        below = os.path.join(local, name)
        if facts["type"] == "dir":
            get(f"{remote}/{name}", below)
        elif facts["type"] == "file":
            with open(below, "wb") as file:
                ftp.retrbinary(f"RETR {remote}/{name}", file.write)
            assert os.path.getsize(below) == int(facts["size"])


ftp = sign_in()
if what == "put":
    put(source, target)
elif what == "get":
    get(source, target)
elif what == "put-rest":
    ftp.voidcmd("TYPE I")
    with open(source, "rb") as file:
        file.seek(ftp.size(target))
        ftp.storbinary(f"STOR {target}", file, rest=file.tell())
elif what == "get-rest":
    with open(target, "ab") as file:
        ftp.retrbinary(f"RETR {source}", file.write, rest=file.tell())
elif what == "cut":
    ftp.voidcmd("TYPE I")
    conn = ftp.transfercmd(f"STOR {target}")
    with open(source, "rb") as file:
        conn.sendall(file.read(int(sys.argv[4])))
    # No close_notify: this is not the end of the file.
    conn.shutdown(socket.SHUT_RDWR)
    conn.close()
    try:
        print(ftp.voidresp())
        sys.exit("a cut upload was taken for a whole one")
    except ftplib.error_temp as refusal:
        assert str(refusal).startswith("426"), refusal
ftp.quit()
