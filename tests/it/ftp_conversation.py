"""What the FTP edge refuses and how it cuts, line by line; Python's ssl shows ends of TLS that polite clients never make."""
import socket
import ssl
import struct
import sys
import time

FTPS, FTPES, CA, LOGIN, PASSWORD, FOLDER = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:7]
TLS = ssl.create_default_context(cafile=CA)


class Session:
    def __init__(self, implicit=False, private=True, sign_in=True):
        self.s = socket.create_connection(("127.0.0.1", FTPS if implicit else FTPES), timeout=15)
        self.buffer = b""
        if implicit:
            self.tls()
        self.reply(220)
        if not private:
            return
        if not implicit:
            self.say("AUTH TLS", 234)
            self.tls()
        if sign_in:
            self.say("USER " + LOGIN, 331)
            self.say("PASS " + PASSWORD, 230)

    def tls(self):
        self.s = TLS.wrap_socket(self.s, server_hostname="localhost")

    def ready(self):
        self.say("PBSZ 0", 200)
        self.say("PROT P", 200)
        self.say("CWD " + FOLDER, 250)
        return self

    def send(self, line):
        self.s.sendall(line if isinstance(line, bytes) else line.encode() + b"\r\n")

    def reply(self, *codes):
        while True:
            while b"\n" not in self.buffer:
                read = self.s.recv(4096)
                assert read, f"the connection ended, {codes} was expected"
                self.buffer += read
            line, self.buffer = self.buffer.split(b"\n", 1)
            line = line.decode("utf-8", "replace").rstrip()
            if line[:3].isdigit() and line[3:4] == " ":
                assert not codes or int(line[:3]) in codes, f"{line}, {codes} was expected"
                return line

    def say(self, line, *codes):
        self.send(line)
        return self.reply(*codes)

    def port(self):
        return int(self.say("EPSV", 229).split("|")[3])

    def connect(self, port, source="127.0.0.1"):
        return socket.create_connection(("127.0.0.1", port), timeout=15, source_address=(source, 0))

    def data(self, port):
        return TLS.wrap_socket(self.connect(port), server_hostname="localhost", session=self.s.session)

    def ended(self):
        try:
            while self.s.recv(4096):
                pass  # Last words.
            return True
        except TimeoutError:
            return False
        except (ConnectionError, ssl.SSLError):
            return True


def store(session, name, content):
    port = session.port()
    session.send("STOR " + name)
    session.reply(150)
    data = session.data(port)
    data.sendall(content)
    data.unwrap().close()
    session.reply(226)


def fetch(session, name, end=226):
    port = session.port()
    session.send("RETR " + name)
    session.reply(150)
    return read_all(session, port, end)


def read_all(session, port, end):
    data, content = session.data(port), b""
    while block := data.recv(65536):
        content += block
    data.close()
    session.reply(end)
    return content


# Before TLS.
clear = Session(private=False)
for line in ("USER a", "PASS a", "LIST", "EPSV", "PBSZ 0"):
    assert "AUTH TLS" in clear.say(line, 530)
for line, code in (("FEAT", 211), ("HELP", 214), ("NOOP", 200), ("SYST", 215), ("HOST a", 220), ("CLNT a", 200)):
    clear.say(line, code)
clear.say("OPTS UTF8 ON", 200)
clear.say("AUTH SSL", 504)
clear.say("QUIT", 221)
smuggled = Session(private=False)
smuggled.send(b"AUTH TLS\r\nUSER a\r\n")
smuggled.reply(234)
assert smuggled.ended()

# Without PROT P, and on FTPS without having to say it.
bare = Session()
for line in ("EPSV", "PASV", "RETR a", "LIST", "STOR a"):
    assert "PROT P" in bare.say(line, 521)
bare.say("PROT C", 534)
bare.say("PBSZ 0", 200)
bare.say("PROT C", 534)
bare.say("PROT S", 536)
bare.say("CCC", 534)
implicit = Session(implicit=True)
implicit.port()

# One answer for all refusals.
stranger = Session(sign_in=False)
answers = set()
for login in (LOGIN, "nobody-here"):
    stranger.say("USER " + login, 331)
    answers.add(stranger.say("PASS wrong", 530))
assert len(answers) == 1

# Lines.
long = Session()
try:
    long.send(b"A" * 65536)
    long.reply(500)
except OSError:
    pass  # It was cut off before the client had sent it all.
assert long.ended()
session = Session().ready()
session.send(b"RETR a\0b\r\n")
session.reply(500)
session.send(b"NOOP\n")
session.reply(500)
session.send(b"PWD\r\nNOOP\r\nSYST\r\n")
for code in (257, 200, 215):
    session.reply(code)

# No bounce.
session.say("PORT 10,0,0,1,10,10", 502)
session.say("EPRT |1|10.0.0.1|2000|", 502)

# Escapes.
for line in ("CWD /../../etc", "RETR ../../etc/passwd", "SIZE /etc/passwd", "MDTM ..\\..\\x", "MKD /outside", "DELE " + FOLDER):
    session.say(line, 550, 553, 425)

# A stranger at the data port costs nobody a file.
content = bytes(range(256)) * 4000
store(session, "whole", content)
port = session.port()
thief = session.connect(port, "127.0.0.2")
session.send("RETR whole")
session.reply(150)
assert thief.recv(10) == b""
assert read_all(session, port, 226) == content

# In order behind a transfer; REST for one transfer; 550 without 150.
port = session.port()
session.send(b"RETR whole\r\nPWD\r\nSIZE whole\r\n")
session.reply(150)
assert read_all(session, port, 226) == content
session.reply(257)
assert session.reply(213) == f"213 {len(content)}"
session.say("REST 1000", 350)
assert fetch(session, "whole") == content[1000:]
assert fetch(session, "whole") == content
session.port()
session.say("RETR missing", 550)
session.say("REST 99999999", 350)
session.port()
session.say("RETR whole", 554)
session.port()
session.say("REST 99999999", 350)
session.say("STOR whole", 554)

# ALLO.
session.say("TYPE I", 200)
session.say("ALLO 5", 200)
port = session.port()
session.send("STOR announced")
session.reply(150)
data = session.data(port)
data.sendall(b"123")
data.unwrap().close()
session.reply(451)


def garbage(session, port, name):
    data = session.connect(port)
    data.sendall(b"no TLS at all\r\n\r\n")
    data.close()


def wait_until_staged(name):
    """Until most of what was sent of an upload is staged: another session of the login sees it grow by whole blocks."""
    deadline = time.time() + 10
    while True:
        reply = watcher.say("SIZE " + name)
        if reply.startswith("213 ") and int(reply.split()[1]) > len(content) / 2:
            return
        assert time.time() < deadline, f"{name} is not staged: {reply}"
        time.sleep(0.02)


def end_without_close_notify(session, port, name):
    data = session.data(port)
    data.sendall(content)
    data.shutdown(socket.SHUT_WR)
    return data


def reset(session, port, name):
    data = session.data(port)
    data.sendall(content)
    wait_until_staged(name)
    data.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    data.close()


def aborted(session, port, name):
    data = session.data(port)
    data.sendall(content)
    wait_until_staged(name)
    session.say("NOOP", 200)
    session.say("STAT", 211)
    session.send(b"\xff\xf4\xff\xf2ABOR\r\n")
    return data


watcher = Session().ready()
for number, cut in enumerate((garbage, end_without_close_notify, reset, aborted)):
    name = f"cut-{number}"
    port = session.port()
    session.send("STOR " + name)
    session.reply(150)
    kept = cut(session, port, name)
    session.reply(425 if cut is garbage else 426)
    if cut is aborted:
        session.reply(226)
    session.port()
    session.say("RETR " + name, 550 if cut is garbage else 450)
    if cut is not garbage:
        # Resumed from where it was cut, on the same session.
        size = int(session.say("SIZE " + name, 213).split()[1])
        assert 0 < size <= len(content)
        session.say(f"REST {size}", 350)
        store(session, name, content[size:])
        assert fetch(watcher, name) == content

# The control connection is lost: cut, kept, and another session goes on.
lost = Session().ready()
port = lost.port()
lost.send("STOR lost")
lost.reply(150)
data = lost.data(port)
data.sendall(content)
wait_until_staged("lost")
lost.s.close()
deadline = time.time() + 10
while not watcher.say("SIZE lost", 213, 550).startswith("213") or watcher.say("STAT", 211) is None:
    assert time.time() < deadline
    time.sleep(0.1)
watcher.port()
watcher.say("RETR lost", 450)
print("all as it should be")
