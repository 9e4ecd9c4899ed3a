"""Speaks SFTP request by request: one JSON request a line in, one JSON answer a line out.

session.py sftp|interactive PORT LOGIN PASSWORD KEY
"""

import json
import socket
import sys

import paramiko
from paramiko import sftp as wire
from paramiko.sftp_attr import SFTPAttributes

try:
    from paramiko.sftp import int64
except ImportError:  # paramiko 2
    from paramiko.py3compat import long as int64


class Refused(Exception):
    def __init__(self, code, text):
        super().__init__(text)
        self.code, self.text = code, text


class Client(paramiko.SFTPClient):
    def _convert_status(self, message):
        code, text = message.get_int(), message.get_text()
        if code != wire.SFTP_OK:
            raise Refused(code, text)


def sign_in(how, port, login, password, key):
    transport = paramiko.Transport(socket.create_connection(("127.0.0.1", int(port)), timeout=20))
    transport.start_client(timeout=20)
    partial = []
    if key:
        # Either kind of key begins with the same line in OpenSSH's format.
        try:
            pkey = paramiko.Ed25519Key.from_private_key_file(key)
        except paramiko.SSHException:
            pkey = paramiko.RSAKey.from_private_key_file(key)
        partial = transport.auth_publickey(login, pkey)
    if password and (not key or partial):
        if how == "interactive":
            transport.auth_interactive(login, lambda title, text, fields: [password for _ in fields])
        else:
            transport.auth_password(login, password, fallback=False)
    if not transport.is_authenticated():
        raise Refused(0xFFFFFFFF, "more is needed: %s" % partial)
    return Client.from_transport(transport)


def answer(value=None, error=None, code=None):
    print(json.dumps({"value": value, "error": error, "code": code}), flush=True)


def path(text):
    return bytes.fromhex(text)


def status(sftp, kind, *arguments):
    sftp._request(kind, *arguments)


def read_all_names(sftp, folder):
    _, message = sftp._request(wire.CMD_OPENDIR, path(folder))
    handle, names = message.get_binary(), []
    try:
        while True:
            try:
                _, message = sftp._request(wire.CMD_READDIR, handle)
            except Refused as refused:
                if refused.code != wire.SFTP_EOF:
                    raise
                return names
            for _ in range(message.get_int()):
                name = message.get_binary()
                message.get_binary()
                SFTPAttributes._from_msg(message, name)
                names.append(name.hex())
    finally:
        sftp._request(wire.CMD_CLOSE, handle)


def attributes(message):
    found = SFTPAttributes._from_msg(message)
    return {"size": found.st_size, "permissions": found.st_mode, "modified": found.st_mtime}


def changed(**fields):
    attributes = SFTPAttributes()
    if "size" in fields:
        attributes.st_size = fields["size"]
    if "seconds" in fields:
        attributes.st_atime = attributes.st_mtime = fields["seconds"]
    if "permissions" in fields:
        attributes.st_mode = fields["permissions"]
    return attributes


def operations(sftp):
    handles = {}

    def open_file(name, flags):
        _, message = sftp._request(wire.CMD_OPEN, path(name), flags, SFTPAttributes())
        handle = message.get_binary()
        handles[handle.hex()] = handle
        return handle.hex()

    def read(handle, offset, length):
        _, message = sftp._request(wire.CMD_READ, handles[handle], int64(offset), length)
        return message.get_binary().hex()

    def named(kind):
        def ask(name):
            _, message = sftp._request(kind, path(name))
            message.get_int()
            return message.get_binary().hex()

        return ask

    def extended(name):
        return lambda one, other: status(sftp, wire.CMD_EXTENDED, name, path(one), path(other))

    return {
        "open": open_file,
        "read": read,
        "write": lambda handle, offset, data: status(
            sftp, wire.CMD_WRITE, handles[handle], int64(offset), bytes.fromhex(data)
        ),
        "close": lambda handle: status(sftp, wire.CMD_CLOSE, handles.pop(handle)),
        "list": lambda name: read_all_names(sftp, name),
        "stat": lambda name: attributes(sftp._request(wire.CMD_STAT, path(name))[1]),
        "mkdir": lambda name: status(sftp, wire.CMD_MKDIR, path(name), SFTPAttributes()),
        "rmdir": lambda name: status(sftp, wire.CMD_RMDIR, path(name)),
        "remove": lambda name: status(sftp, wire.CMD_REMOVE, path(name)),
        "rename": lambda one, other: status(sftp, wire.CMD_RENAME, path(one), path(other)),
        "posix_rename": extended("posix-rename@openssh.com"),
        "hardlink": extended("hardlink@openssh.com"),
        "symlink": lambda target, link: status(sftp, wire.CMD_SYMLINK, path(target), path(link)),
        "readlink": named(wire.CMD_READLINK),
        "realpath": named(wire.CMD_REALPATH),
        "set_size": lambda name, size: status(sftp, wire.CMD_SETSTAT, path(name), changed(size=size)),
        "set_times": lambda name, seconds: status(sftp, wire.CMD_SETSTAT, path(name), changed(seconds=seconds)),
        "set_mode": lambda name, mode: status(sftp, wire.CMD_SETSTAT, path(name), changed(permissions=mode)),
    }


def main():
    try:
        sftp = sign_in(*sys.argv[1:])
    except Exception as error:
        answer(error="%s: %s" % (type(error).__name__, error))
        return
    answer()
    known = operations(sftp)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer(known[request["operation"]](*request["arguments"]))
        except Refused as refused:
            answer(error=refused.text or "refused", code=refused.code)
        except Exception as error:
            answer(error="%s: %s" % (type(error).__name__, error))


main()
