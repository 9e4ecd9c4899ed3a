<?php
// PHP's ftps:// stream: php_stream.php put|get FROM TO, one file, where and as whom by FTP_* variables. FTPES alone, but with
// the certificate looked at, which PHP's ftp functions cannot.
[, $what, $source, $target] = $argv;

set_error_handler(function (int $level, string $message): never {
    fwrite(STDERR, "$message\n");
    exit(1);
});

$trust = getenv('FTP_TRUST');
$context = stream_context_create(['ssl' => $trust === 'system' ? [] : ['cafile' => $trust]]);

function url(string $path): string
{
    $account = getenv('FTP_LOGIN') . ':' . getenv('FTP_PASSWORD');
    return sprintf('ftps://%s@%s:%d%s', $account, getenv('FTP_HOST'), getenv('FTP_PORT'), $path);
}

[$from, $to] = $what === 'put' ? [$source, url($target)] : [url($source), $target];
$contents = file_get_contents($from, false, $context);
if ($contents === false || file_put_contents($to, $contents, 0, $context) !== strlen($contents)) {
    trigger_error("$what failed");
}
