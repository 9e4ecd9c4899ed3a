<?php
// PHP's ftp: php_ftp.php put|get|put-rest|get-rest FROM TO, where and as whom by FTP_* variables. It can do FTPES alone, and
// looks at no certificate.
[, $what, $source, $target] = $argv;

set_error_handler(function (int $level, string $message): never {
    fwrite(STDERR, "$message\n");
    exit(1);
});

function done(mixed $outcome, string $what): mixed
{
    if ($outcome === false || $outcome === -1) {
        trigger_error("$what failed");
    }
    return $outcome;
}

if (getenv('FTP_MODE') !== 'explicit' || getenv('FTP_TRUST') !== 'anything') {
    trigger_error('PHP speaks FTPES alone, and looks at no certificate');
}
$ftp = done(ftp_ssl_connect(getenv('FTP_HOST'), (int) getenv('FTP_PORT'), 60), 'connect');
done(ftp_login($ftp, getenv('FTP_LOGIN'), getenv('FTP_PASSWORD')), 'login');
done(ftp_pasv($ftp, true), 'passive mode');

function put(FTP\Connection $ftp, string $local, string $remote): void
{
    done(ftp_mkdir($ftp, $remote), "mkdir $remote");
    foreach (array_diff(scandir($local), ['.', '..']) as $name) {
        if (is_dir("$local/$name")) {
            put($ftp, "$local/$name", "$remote/$name");
        } else {
            done(ftp_put($ftp, "$remote/$name", "$local/$name", FTP_BINARY), "put $name");
        }
    }
}

function get(FTP\Connection $ftp, string $remote, string $local): void
{
    mkdir($local);
    foreach (done(ftp_mlsd($ftp, $remote), "list $remote") as $entry) {
        ['name' => $name, 'type' => $type] = $entry;
        if ($type === 'dir') {
            get($ftp, "$remote/$name", "$local/$name");
        } elseif ($type === 'file') {
            done(ftp_get($ftp, "$local/$name", "$remote/$name", FTP_BINARY), "get $name");
        }
    }
}

match ($what) {
    'put' => put($ftp, $source, $target),
    'get' => get($ftp, $source, $target),
    'put-rest' => done(ftp_put($ftp, $target, $source, FTP_BINARY, done(ftp_size($ftp, $target), 'size')), 'put'),
    'get-rest' => done(ftp_get($ftp, $target, $source, FTP_BINARY, filesize($target)), 'get'),
};
ftp_close($ftp);
