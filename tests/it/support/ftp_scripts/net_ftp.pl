# Perl's Net::FTP: net_ftp.pl put|get|put-rest|get-rest FROM TO, where and as whom by FTP_* variables.
use strict;
use warnings;
use Net::FTP;

eval { require IO::Socket::SSL }
    or die "IO::Socket::SSL is missing: apt-get install libio-socket-ssl-perl (./check does it)\n";

my ($what, $source, $target) = @ARGV;
my $is_implicit = $ENV{FTP_MODE} eq 'implicit';
my %trust =
      $ENV{FTP_TRUST} eq 'anything' ? (SSL_verify_mode => IO::Socket::SSL::SSL_VERIFY_NONE())
    : $ENV{FTP_TRUST} eq 'system'   ? (SSL_verify_mode => IO::Socket::SSL::SSL_VERIFY_PEER())
    :   (SSL_verify_mode => IO::Socket::SSL::SSL_VERIFY_PEER(), SSL_ca_file => $ENV{FTP_TRUST});

my $ftp = Net::FTP->new(
    $ENV{FTP_HOST},
    Port    => $ENV{FTP_PORT},
    Passive => 1,
    Timeout => 60,
    ($is_implicit ? (SSL => 1) : ()),
    SSL_version => $ENV{FTP_TLS} eq '1.2' ? 'TLSv1_2' : 'TLSv1_3',
    %trust,
) or die "connect: $@ $IO::Socket::SSL::SSL_ERROR\n";
if (!$is_implicit) {
    $ftp->starttls or die "starttls: $IO::Socket::SSL::SSL_ERROR\n";
}
$ftp->login($ENV{FTP_LOGIN}, $ENV{FTP_PASSWORD}) or complain('login');
$ftp->binary;

sub complain {
    my ($doing) = @_;
    die "$doing: " . $ftp->code . ' ' . $ftp->message;
}

sub put {
    my ($local, $remote) = @_;
    $ftp->mkdir($remote) or complain("mkdir $remote");
    opendir(my $folder, $local) or die "$local: $!";
    for my $name (sort grep { !/^\.\.?$/ } readdir $folder) {
        if (-d "$local/$name") { put("$local/$name", "$remote/$name") }
        else                   { $ftp->put("$local/$name", "$remote/$name") or complain("put $name") }
    }
}

sub get {
    my ($remote, $local) = @_;
    mkdir $local or die "$local: $!";
    for my $path ($ftp->ls($remote)) {
        my ($name) = $path =~ m{([^/]+)$};
        # Only a file has a size.
        if (defined $ftp->size("$remote/$name")) { $ftp->get("$remote/$name", "$local/$name") or complain("get $name") }
        else                                     { get("$remote/$name", "$local/$name") }
    }
}

if ($what eq 'put') {
    put($source, $target);
} elsif ($what eq 'get') {
    get($source, $target);
} elsif ($what eq 'put-rest') {
    my $there = $ftp->size($target) // complain('size');
    open(my $file, '<:raw', $source) or die "$source: $!";
    seek($file, $there, 0);
    # Net::FTP reads a handle on from where it stands.
    $ftp->append($file, $target) or complain('append');
} elsif ($what eq 'get-rest') {
    $ftp->get($source, $target, -s $target) or complain('get');
} else {
    die "what is $what?";
}
$ftp->quit;
