# A web application that starman serves: answers every request with the body that it received.
# SPDX-License-Identifier: BSD-2-Clause
use strict;
use warnings;

sub {
    my ($environment) = @_;
    my $body = '';
    my $left = $environment->{CONTENT_LENGTH} // 0;
    while ($left > 0) {
        my $read = $environment->{'psgi.input'}->read($body, $left, length $body);
        last unless $read;
        $left -= $read;
    }
    return [200, ['Content-Type' => 'application/octet-stream', 'Content-Length' => length $body], [$body]];
};
