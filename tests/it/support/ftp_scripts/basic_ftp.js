// basic-ftp for Node: basic_ftp.js put|get|put-rest|get-rest FROM TO, where and as whom by FTP_* variables.
const fs = require("fs");
const { Client } = require("basic-ftp");

const [what, source, target] = process.argv.slice(2);
const { FTP_HOST, FTP_PORT, FTP_LOGIN, FTP_PASSWORD, FTP_MODE, FTP_TLS, FTP_TRUST } = process.env;

const secureOptions = { servername: FTP_HOST, minVersion: `TLSv${FTP_TLS}`, maxVersion: `TLSv${FTP_TLS}` };
if (FTP_TRUST === "anything") {
    secureOptions.rejectUnauthorized = false;
} else if (FTP_TRUST !== "system") {
    secureOptions.ca = fs.readFileSync(FTP_TRUST);
}

async function main() {
    const client = new Client(60_000);
    try {
        await client.access({
            // Node before 20 tries localhost's first address alone, which is IPv6's.
            host: FTP_HOST === "localhost" ? "127.0.0.1" : FTP_HOST,
            port: Number(FTP_PORT),
            user: FTP_LOGIN,
            password: FTP_PASSWORD,
            secure: FTP_MODE === "implicit" ? "implicit" : true,
            secureOptions,
        });
        switch (what) {
            case "put":
                await client.uploadFromDir(source, target);
                break;
            case "get":
                await client.downloadToDir(target, source);
                break;
            case "put-rest":
                await client.appendFrom(source, target, { localStart: await client.size(target) });
                break;
            case "get-rest":
                await client.downloadTo(target, source, fs.statSync(target).size);
                break;
            default:
                throw new Error(`what is ${what}?`);
        }
    } finally {
        client.close();
    }
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
