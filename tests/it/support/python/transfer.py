"""Copies a folder to or from the gateway: transfer.py LIBRARY put|get FROM TO PORT LOGIN PASSWORD KEY"""

import asyncio
import os
import socket
import stat
import sys

library, what, source, target, port, login, password, key = sys.argv[1:]


def with_paramiko():
    import paramiko

    transport = paramiko.Transport(socket.create_connection(("127.0.0.1", int(port)), timeout=20))
    if key:
        # Either kind of key begins with the same line in OpenSSH's format.
        try:
            pkey = paramiko.Ed25519Key.from_private_key_file(key)
        except paramiko.SSHException:
            pkey = paramiko.RSAKey.from_private_key_file(key)
        transport.connect(username=login, pkey=pkey)
    else:
        transport.connect(username=login, password=password)
    sftp = paramiko.SFTPClient.from_transport(transport)

    def put(local, remote):
        sftp.mkdir(remote)
        for name in os.listdir(local):
            below = os.path.join(local, name)
            (put if os.path.isdir(below) else sftp.put)(below, remote + "/" + name)

    def get(remote, local):
        os.makedirs(local)
        for entry in sftp.listdir_attr(remote):
            below = remote + "/" + entry.filename
            (get if stat.S_ISDIR(entry.st_mode) else sftp.get)(below, os.path.join(local, entry.filename))

    (put if what == "put" else get)(source, target)
    transport.close()


async def with_asyncssh():
    import asyncssh

    proof = {"client_keys": [key]} if key else {"client_keys": None, "password": password}
    async with asyncssh.connect(
        "127.0.0.1", int(port), username=login, known_hosts=None, agent_path=None, config=[], **proof
    ) as connection:
        async with connection.start_sftp_client() as sftp:
            await (sftp.put if what == "put" else sftp.get)(source, target, recurse=True)


if library == "paramiko":
    with_paramiko()
else:
    asyncio.run(with_asyncssh())
