"""Uploads by Python's libraries: `python_clients.py CLIENT PORT LOGIN … LOCAL REMOTE`, one upload and the end, at once."""

import ftplib
import os
import socket
import ssl
import sys


def upload_by_asyncssh(port, login, key, local, remote):
    import asyncio

    import asyncssh
    from asyncssh.sftp import SFTPClientHandler

    close = SFTPClientHandler.close

    async def acknowledged_close(handler, handle):
        # On a connection that is gone already asyncssh closes without a word, and that is no acknowledgement.
        if not handler._writer:
            raise ConnectionError("the connection is gone: nothing acknowledges this CLOSE")
        await close(handler, handle)

    SFTPClientHandler.close = acknowledged_close

    async def upload():
        where = asyncssh.connect("127.0.0.1", int(port), username=login, client_keys=[key], known_hosts=None, config=None)
        async with where as connection, connection.start_sftp_client() as sftp:
            await sftp.put(local, remote)
            os._exit(0)

    asyncio.run(upload())


class ImplicitTls(ftplib.FTP_TLS):
    """TLS from the first byte, which ftplib has not by itself."""

    def connect(self, host, port, timeout):
        self.host, self.port, self.timeout = host, port, timeout
        plain = socket.create_connection((host, port), timeout)
        self.af = plain.family
        self.sock = self.context.wrap_socket(plain, server_hostname=host)
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
        return self.welcome


def upload_by_ftplib(ftp_class, port, login, password, authority, local, remote):
    ftp = ftp_class(context=ssl.create_default_context(cafile=authority))
    ftp.connect("localhost", int(port), timeout=15)
    ftp.login(login, password)
    ftp.prot_p()
    with open(local, "rb") as file:
        # Raises whatever is not a 226 of its own.
        ftp.storbinary(f"STOR {remote}", file)
    os._exit(0)


CLIENTS = {
    "asyncssh": upload_by_asyncssh,
    "ftplib-ftps": lambda *arguments: upload_by_ftplib(ImplicitTls, *arguments),
    "ftplib-ftpes": lambda *arguments: upload_by_ftplib(ftplib.FTP_TLS, *arguments),
}

if __name__ == "__main__":
    CLIENTS[sys.argv[1]](*sys.argv[2:])
