"""How FTP transfers end, and whose TLS session a data connection takes up; each function below `SCENARIOS` is run by a test of its own.

Python's ssl makes the ends of TLS that polite clients never make, and takes whatever session it is told to.
"""
import concurrent.futures
import os
import socket
import ssl
import struct
import sys

SCENARIO, FTPS, FTPES, CA, FOLDER = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:6]
# One or more accounts: login, password, login, password…
ACCOUNTS = list(zip(sys.argv[6::2], sys.argv[7::2]))
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
CONTENT = os.urandom(700_000)


def context(version):
    made = ssl.create_default_context(cafile=CA)
    made.minimum_version = made.maximum_version = VERSIONS[version]
    return made


CONTEXTS = {version: context(version) for version in VERSIONS}
# As curl does: sessions are known by their ids alone.
CONTEXTS["1.2 without tickets"] = context("1.2")
CONTEXTS["1.2 without tickets"].options |= ssl.OP_NO_TICKET


class Session:
    """A control connection, signed in and ready for data."""

    def __init__(self, account=0, implicit=False, version="1.3"):
        self.context = CONTEXTS[version]
        self.socket = socket.create_connection(("127.0.0.1", FTPS if implicit else FTPES), timeout=30)
        self.buffer = b""
        if implicit:
            self.tls()
        self.reply(220)
        if not implicit:
            self.say("AUTH TLS", 234)
            self.tls()
        login, password = ACCOUNTS[account]
        self.say("USER " + login, 331)
        self.say("PASS " + password, 230)
        self.say("PBSZ 0", 200)
        self.say("PROT P", 200)
        self.say("CWD " + FOLDER, 250)

    def tls(self):
        self.socket = self.context.wrap_socket(self.socket, server_hostname="localhost")

    def send(self, line):
        self.socket.sendall(line if isinstance(line, bytes) else line.encode() + b"\r\n")

    def line(self):
        while b"\n" not in self.buffer:
            read = self.socket.recv(65536)
            assert read, "the connection ended"
            self.buffer += read
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode().rstrip("\r")

    def reply(self, *codes):
        while True:
            line = self.line()
            if line[:3].isdigit() and line[3:4] == " ":
                assert not codes or int(line[:3]) in codes, f"{line}, {codes} was expected"
                return line

    def lines(self, code):
        """A reply of several lines, without its first and its last."""
        first, lines = self.line(), []
        assert first.startswith(f"{code}-"), first
        while not (line := self.line()).startswith(f"{code} "):
            assert line.startswith(" "), line
            lines.append(line[1:])
        return lines

    def say(self, line, *codes):
        self.send(line)
        return self.reply(*codes)

    def port(self):
        return int(self.say("EPSV", 229).split("|")[3])

    def data(self, port, session="own"):
        session = self.socket.session if session == "own" else session
        raw = socket.create_connection(("127.0.0.1", port), timeout=30)
        return self.context.wrap_socket(raw, server_hostname="localhost", session=session)

    def begin(self, command):
        """The data connection of an upload."""
        port = self.port()
        self.send(command)
        self.reply(150)
        return self.data(port)

    def store(self, name, content, *codes):
        """An upload with an orderly end."""
        data = self.begin("STOR " + name)
        data.sendall(content)
        data.unwrap().close()
        return self.reply(*codes or (226,))

    def bare(self, command, content, *codes):
        """An upload that ends without close_notify; its client waits for the answer."""
        data = self.begin(command)
        data.sendall(content)
        end_barely(data)
        reply = self.reply(*codes)
        data.close()
        return reply

    def fetch(self, name):
        data = self.begin("RETR " + name)
        content = b""
        while block := data.recv(65536):
            content += block
        data.close()
        self.reply(226)
        return content

    def is_not_published(self, name):
        """Kept for its login, and a download of it refused as busy; or not there at all."""
        self.port()
        self.say("RETR " + name, 450, 550)


def end_barely(data):
    # Of the TCP connection alone: Python forgets TLS over it.
    data.shutdown(socket.SHUT_WR)


def reset(tcp):
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    tcp.close()


def cut_inside_a_record(session, name):
    """Sends all but the last bytes of the last TLS record, as a client does that is killed while it writes."""
    port = session.port()
    session.send("STOR " + name)
    session.reply(150)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = session.context.wrap_bio(incoming, outgoing, server_hostname="localhost", session=session.socket.session)
    tcp = socket.create_connection(("127.0.0.1", port), timeout=30)
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            tcp.sendall(outgoing.read())
            incoming.write(tcp.recv(65536))
    tls.write(CONTENT[:100_000])
    tcp.sendall(outgoing.read()[:-7])
    tcp.shutdown(socket.SHUT_WR)
    reply = session.reply(426)
    tcp.close()
    return reply


# Scenarios ------------------------------------------------------------------------------------------------------------


def strict():
    for version in VERSIONS:
        session = Session(version=version)
        reply = session.bare(f"STOR strict-{version}", CONTENT, 426)
        assert "close_notify" in reply and "strict" in reply, reply
        session.is_not_published(f"strict-{version}")
        # The session goes on, and an orderly end is an end.
        session.store(f"orderly-{version}", CONTENT)
        session.say("TYPE I", 200)
        session.say(f"ALLO {len(CONTENT)}", 200)
        session.bare("STOR announced", CONTENT, 426)
        session.is_not_published("announced")


def guarded_once(implicit=False, version="1.3"):
    session = Session(implicit=implicit, version=version)
    name = f"guarded-{implicit}-{version}"
    reply = session.bare("STOR " + name, CONTENT, 226)
    assert "close_notify" in reply, reply
    assert session.fetch(name) == CONTENT


def guarded():
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(guarded_once, (False, False, True, True), [*VERSIONS, *VERSIONS]))
    session = Session()
    session.store("orderly", CONTENT)
    # What is announced in bytes agrees, or is not in bytes.
    session.say("TYPE I", 200)
    session.say(f"ALLO {len(CONTENT)}", 200)
    session.bare("STOR agreed", CONTENT, 226)
    session.say("TYPE A", 200)
    session.say("ALLO 5", 200)
    session.bare("STOR announced-as-text", CONTENT, 226)
    session.say("TYPE I", 200)
    # The rest of a file, and more of one.
    session.bare("STOR resumed", CONTENT[:1000], 226)
    session.say("REST 600", 350)
    session.bare("STOR resumed", CONTENT[600:900], 226)
    assert session.fetch("resumed") == CONTENT[:900]
    session.bare("APPE resumed", CONTENT[900:], 226)
    assert session.fetch("resumed") == CONTENT


def guarded_another_size():
    session = Session()
    session.say("TYPE I", 200)
    for announced in (len(CONTENT) + 1, len(CONTENT) - 1, 0):
        session.say(f"ALLO {announced}", 200)
        reply = session.bare("STOR another-size", CONTENT, 426)
        assert "ALLO" in reply and str(len(CONTENT)) in reply, reply
        session.is_not_published("another-size")
    reply = cut_inside_a_record(session, "inside-a-record")
    assert "record" in reply, reply
    session.is_not_published("inside-a-record")
    # Another one is not held to what was announced for the one before.
    session.bare("STOR another", CONTENT, 226)


def guarded_control_lost():
    """Whether anything of it is published, the test sees in the history."""

    def lost(name, lose):
        session = Session()
        data = session.begin("STOR " + name)
        data.sendall(CONTENT)
        lose(session.socket, data)

    def both_at_once(control, data):
        end_barely(data)
        control.close()

    def control_first(control, data):
        control.close()
        end_barely(data)

    def by_reset(control, data):
        end_barely(data)
        reset(control)

    def with_goodbye_of_control(control, data):
        end_barely(data)
        try:
            control.unwrap().close()
        except ssl.SSLError:
            pass  # The server's last words cross the goodbye.

    for number, lose in enumerate((both_at_once, control_first, by_reset, with_goodbye_of_control)):
        lost(f"lost-{number}", lose)


def guarded_not_waited():
    session = Session()
    data = session.begin("STOR aborted")
    data.sendall(CONTENT)
    end_barely(data)
    session.send("ABOR")
    session.reply(426)
    session.reply(226)
    session.is_not_published("aborted")
    # Whoever goes on to something else does not wait for the file.
    data = session.begin("STOR left")
    data.sendall(CONTENT)
    end_barely(data)
    session.send("PWD")
    session.reply(426)
    session.reply(257)
    session.is_not_published("left")
    # A sign of life is none of that.
    data = session.begin("STOR waited")
    data.sendall(CONTENT)
    end_barely(data)
    session.say("NOOP", 200)
    session.say("STAT", 211)
    session.reply(226)
    assert session.fetch("waited") == CONTENT


def require():
    """The first account must resume, the second need not."""
    for version in CONTEXTS:
        session, other, lenient = Session(version=version), Session(version=version), Session(1, version=version)
        session.store("own", CONTENT)
        refused = None
        # Without any, of other control connections, and that of a connection that was refused before.
        for wrong in (lambda: None, lambda: other.socket.session, lambda: lenient.socket.session, lambda: refused):
            for command in ("STOR refused", "RETR own", "LIST"):
                port = session.port()
                session.send(command)
                session.reply(150)
                try:
                    data = session.data(port, wrong())
                    refused = data.session or refused
                    assert not data.session_reused, "another's session is not taken up"
                    data.close()
                except (ConnectionError, ssl.SSLError):
                    pass  # It was closed when the handshake was done.
                reply = session.reply(425)
                assert "resume" in reply, reply
            session.say("SIZE refused", 550)
        # Again and again with the session's own, which a refusal has not spent.
        for _ in range(6):
            data = session.begin("RETR own")
            assert data.session_reused
            while data.recv(65536):
                pass
            data.close()
            session.reply(226)
        # On the same listeners at the same time.
        for lax in (None, other.socket.session, lenient.socket.session):
            port = lenient.port()
            lenient.send("STOR lenient")
            lenient.reply(150)
            data = lenient.data(port, lax)
            data.sendall(CONTENT)
            data.unwrap().close()
            lenient.reply(226)


def as_the_listener_demands():
    session = Session()
    port = session.port()
    session.send("STOR refused")
    session.reply(150)
    try:
        session.data(port, None).close()
    except (ConnectionError, ssl.SSLError):
        pass
    session.reply(425)
    session.store("own", CONTENT)


def of_the_preset():
    """The first account has what its preset says, guarded and require; the second says strict and offered itself."""
    session, own = Session(), Session(1)
    session.bare("STOR guarded", CONTENT, 226)
    own.bare("STOR strict", CONTENT, 426)
    own.is_not_published("strict")
    for one, code in ((session, 425), (own, 226)):
        port = one.port()
        one.send("STOR unresumed")
        one.reply(150)
        try:
            data = one.data(port, None)
            data.sendall(b"x")
            data.unwrap().close()
        except (ConnectionError, ssl.SSLError):
            assert code == 425
        one.reply(code)


def downloads():
    """Which downloads the history calls complete: the order matters to the test that reads it."""
    session = Session()
    session.store("file", CONTENT)
    # No transfer at all.
    session.say("HASH file", 213)
    assert session.fetch("file") == CONTENT
    # All of its bytes, and then cut before the goodbyes.
    data, left = session.begin("RETR file"), len(CONTENT)
    while left:
        left -= len(data.recv(left))
    reset(data)
    session.reply(426)
    session.store("empty", b"")
    port = session.port()
    session.send("RETR empty")
    session.reply(150)
    socket.create_connection(("127.0.0.1", port)).close()
    session.reply(425)


def listings():
    """STAT of a folder whose listing is far longer than any reply that is held in memory."""
    names = {f"un-nom-assez-long-pour-un-fichier-de-paie-{number:05}.csv" for number in range(6_000)}
    session = Session()
    session.send(b"STAT .\r\nNOOP\r\nSTAT\r\nPWD\r\n")
    lines = session.lines(213)
    assert sum(map(len, lines)) > 512 * 1024
    assert {line.split()[-1] for line in lines} == names and len(lines) == len(names)
    session.reply(200)  # In its turn: within the listing it would have been a line of it.
    session.lines(211)
    session.reply(257)
    # One file, a pattern, and nothing.
    assert len(session.say("STAT un-nom-assez-long-pour-un-fichier-de-paie-00007.csv", 213)) > 0
    session.send("STAT *-0599?.csv")
    assert len(session.lines(213)) == 10
    session.send("STAT *.xml")
    assert session.lines(213) == []
    session.say("STAT missing", 550)
    # Given up in the middle: ended, and not as if it were all.
    session.send("STAT .")
    first = session.line()
    assert first.startswith("213-"), first
    session.send("ABOR")
    while not (line := session.line()).startswith("213 "):
        assert line.startswith(" "), line
    session.reply(226)
    session.say("PWD", 257)
    # What can be neither removed nor renamed is not offered to be.
    def facts(path):
        session.send("MLST " + path)
        return session.lines(250)[0]

    assert "perm=clmpe;" in facts(FOLDER), "its root stays where it is"
    assert "perm=le;" in facts("/"), "and so does what leads to it"
    session.say("MKD sub", 257)
    assert "perm=cdflmpe;" in facts("sub")
    listed = session.begin("MLSD /")
    content = b""
    while block := listed.recv(65536):
        content += block
    listed.close()
    session.reply(226)
    entries = dict(reversed(line.split("; ", 1)) for line in content.decode().splitlines())
    assert "perm=clmpe" in entries[FOLDER.strip("/")], entries


SCENARIOS = [
    strict, guarded, guarded_once, guarded_another_size, guarded_control_lost, guarded_not_waited, require, as_the_listener_demands,
    of_the_preset, downloads, listings,
]
{scenario.__name__: scenario for scenario in SCENARIOS}[SCENARIO]()
print("all as it should be")
