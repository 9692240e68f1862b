#!/usr/bin/perl
# Two messages on one connection, each in a TLS layer of its own that both sides end by close_notify. Arguments: port, TLS version.
use strict;
use warnings;
use IO::Socket::INET;
use IO::Socket::SSL;

my ($port, $version) = @ARGV;
$SIG{ALRM} = sub { die "nothing happened\n" };
alarm 30;

# One octet at a time: what follows a reply must stay in the socket for whoever reads next.
sub reply {
  my ($socket) = @_;
  my $all = '';
  while (1) {
    my $line = '';
    until ($line =~ /\n\z/) {
      my $count = sysread($socket, my $octet, 1);
      die "the end, after: $all$line\n" unless $count;
      $line .= $octet;
    }
    $all .= $line;
    return $all if substr($line, 3, 1) eq ' ';
  }
}

sub say_it {
  my ($socket, $command, $code) = @_;
  syswrite($socket, "$command\r\n") or die "write: $!\n";
  my $reply = reply($socket);
  die "$command: $reply" unless $reply =~ /^$code/;
  return $reply;
}

my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") or die "connect: $!\n";
reply($socket);
for my $layer (1, 2) {
  die "no STARTTLS\n" unless say_it($socket, 'EHLO perl.example', 250) =~ /STARTTLS/;
  say_it($socket, 'STARTTLS', 220);
  (my $protocol = "TLSv$version") =~ tr/./_/;
  IO::Socket::SSL->start_SSL($socket, SSL_verify_mode => SSL_VERIFY_NONE, SSL_version => $protocol) or die "TLS: $SSL_ERROR\n";
  say_it($socket, 'EHLO perl.example', 250);
  say_it($socket, 'MAIL FROM:<a@example.org>', 250);
  say_it($socket, 'RCPT TO:<b@example.net>', 250);
  say_it($socket, 'DATA', 354);
  say_it($socket, "Subject: perl $layer\r\n\r\nbody\r\n.", 250);
  # Without SSL_fast_shutdown it waits for their close_notify; the socket is plain again behind it.
  $socket->stop_SSL(SSL_fast_shutdown => 0) or die "stop_SSL: $SSL_ERROR\n";
}
say_it($socket, 'EHLO perl.example', 250);
say_it($socket, 'QUIT', 221);
