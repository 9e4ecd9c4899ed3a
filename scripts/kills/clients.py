"""The clients that upload, by protocol. Each succeeds only when the server has acknowledged the file."""

from dataclasses import dataclass
from pathlib import Path

from gateway import FOLDER

BY_PYTHON = Path(__file__).with_name("python_clients.py")


@dataclass
class Protocol:
    # What the kills are aimed at.
    window: str
    clients: tuple
    # Programs and the Debian packages that bring them.
    programs: tuple
    # Answers the command line of an upload.
    command: callable


def by_python(client, *arguments):
    return ["/usr/bin/python3", "-B", "-W", "ignore", str(BY_PYTHON), client, *map(str, arguments)]


def over_sftp(client, gateway, local, name, home):
    options = ["-F", "/dev/null", "-i", gateway.key, "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none",
               "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={home / 'known_hosts'}",
               "-o", "LogLevel=ERROR", "-o", "PreferredAuthentications=publickey"]
    port, script = gateway.ports["sftp"], home / f"openssh-{name}.script"
    if client == "openssh":
        script.write_text(f"put {local} {FOLDER}/{name}\n")
        return ["sftp", *options, "-P", str(port), "-b", str(script), f"{gateway.login}@127.0.0.1"]
    if client == "lftp":
        ssh = " ".join(["ssh", "-a", "-x", *options])
        settings = ("sftp:auto-confirm yes", f'sftp:connect-program "{ssh}"')
        return lftp(settings, f"-p {port} -u {gateway.login},- sftp://127.0.0.1", local, name, home)
    return by_python("asyncssh", port, gateway.login, gateway.key, local, f"{FOLDER}/{name}")


def over_ftp(client, gateway, local, name, home):
    client, _, kind = client.partition(" over ")
    implicit, port = kind == "ftps", gateway.ports[kind]
    if client == "curl":
        options = home / f"curl-{name}.conf"
        url = f"{'ftps' if implicit else 'ftp'}://localhost:{port}{FOLDER}/{name}"
        options.write_text(f'user = "{gateway.login}:{gateway.password}"\ncacert = "{gateway.authority}"\nssl-reqd\n'
                           f'upload-file = "{local}"\nurl = "{url}"\n')
        return ["curl", "--disable", "--silent", "--config", str(options)]
    if client == "lftp":
        # No times afterwards (MFMT, SITE UTIME): lftp would fail for a server that died after its 226.
        no_times = ("ftp:use-feat no", "ftp:use-site-utime no", "ftp:use-site-utime2 no")
        settings = (f'ssl:ca-file "{gateway.authority}"', "ftp:ssl-force yes", "ftp:ssl-protect-data yes", *no_times)
        url = f"{'ftps' if implicit else 'ftp'}://localhost"
        return lftp(settings, f"-p {port} -u {gateway.login},{gateway.password} {url}", local, name, home)
    return by_python(f"ftplib-{kind}", port, gateway.login, gateway.password, gateway.authority, local,
                     f"{FOLDER}/{name}")


def lftp(settings, where, local, name, home):
    usual = ("cmd:fail-exit yes", "net:max-retries 1", "net:timeout 5", "net:reconnect-interval-base 1")
    script = home / f"lftp-{name}.script"
    lines = [*(f"set {setting}" for setting in (*usual, *settings)), f"open {where}", f"put {local} -o {FOLDER}/{name}"]
    script.write_text("\n".join(lines) + "\n")
    return ["lftp", "--norc", "-f", str(script)]


PROTOCOLS = {
    "sftp": Protocol(
        "between CLOSE received and answered",
        ("openssh", "lftp", "asyncssh"),
        (("sftp", "openssh-client"), ("lftp", "lftp")),
        over_sftp,
    ),
    "ftp": Protocol(
        "between the end of the data and the 226",
        tuple(f"{client} over {kind}" for kind in ("ftps", "ftpes") for client in ("curl", "lftp", "ftplib")),
        (("curl", "curl"), ("lftp", "lftp")),
        over_ftp,
    ),
}
