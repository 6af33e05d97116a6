#!/usr/bin/env perl
# A kline aggregator that speaks kline-subject/1. With --bug a trade at the end of a kline joins it.
use strict; use warnings; use Math::BigInt; use JSON::PP; use Time::Local 'timegm';
binmode STDOUT; $| = 1;
my ($BUG, $NS, $SCALE) = ((grep { $_ eq '--bug' } @ARGV) ? 1 : 0, 1_000_000_000, 40);
my %SECONDS = (s => 1, m => 60, h => 3600, d => 86400, w => 604800);
my (%klines, @order, %seen, @intervals);
my $json = JSON::PP->new->utf8->canonical;
sub say_ { print $json->encode({@_}), "\n" }
sub number { my ($whole, $part) = split /\./, shift; Math::BigInt->new($whole . substr(($part // '') . '0' x $SCALE, 0, $SCALE)) }
sub text { my $t = shift->bstr; $t = '0' x ($SCALE + 1 - length $t) . $t if length $t <= $SCALE; $t = substr($t, 0, -$SCALE) . '.' . substr($t, -$SCALE); $t =~ s/\.?0+$//r }
sub span { # the open and close time of the kline that holds a time
    my ($interval, $time) = @_; use integer;
    if ($interval eq '1M') {
        my (undef, undef, undef, undef, $month, $year) = gmtime($time / $NS);
        return map { $_ * $NS } timegm(0, 0, 0, 1, $month, $year + 1900), timegm(0, 0, 0, 1, ($month + 1) % 12, $year + 1900 + ($month == 11));
    }
    my ($count, $unit) = $interval =~ /(\d+)(\w)/;
    my ($size, $monday) = ($count * $SECONDS{$unit} * $NS, $interval eq '1w' ? 4 * 86400 * $NS : 0);
    my $start = $time - ($time - $monday) % $size;
    return ($start, $start + $size);
}
sub fresh { my ($s, $i, $start, $price) = @_; my ($open, $close) = span($i, $start); my $zero = Math::BigInt->bzero;
    return {s => $s, i => $i, open => $open, close => $close, f => -1, l => -1, (map { $_ => $price } qw(O H L C)), (map { $_ => $zero } qw(V Q TV TQ)), n => 0} }
sub final { my $k = shift;
    say_(type => 'final', symbol => $k->{s}, interval => $k->{i}, open_time_ns => $k->{open} + 0, open => text($k->{O}), high => text($k->{H}), low => text($k->{L}), close => text($k->{C}),
        volume => text($k->{V}), quote_volume => text($k->{Q}), taker_buy_volume => text($k->{TV}), taker_buy_quote_volume => text($k->{TQ}), count => $k->{n} + 0, first_id => $k->{f} + 0, last_id => $k->{l} + 0) }
sub move { my ($key, $time) = @_; # make final what is over at a time
    while ($klines{$key}{close} <= $time) { my $k = $klines{$key}; final($k); $klines{$key} = fresh(@$k{qw(s i close C)}) } }
sub trade { my ($s, $id, $p, $q, $quote, $first, $last, $time, $maker) = @_;
    for my $i (@intervals) {
        my ($key, $start) = ("$i $s", (span($i, $time - $BUG))[0]);
        if (!$klines{$key}) { $klines{$key} = fresh($s, $i, $start, $p); push @order, $key }
        move($key, $start);
        my $k = $klines{$key};
        next if $start < $k->{open}; # late
        @$k{qw(lo hi O H L C f l)} = ($id, $id, ($p) x 4, $first, $last) if !defined $k->{lo};
        @$k{qw(lo O f)} = ($id, $p, $first) if $id < $k->{lo};
        @$k{qw(hi C l)} = ($id, $p, $last) if $id > $k->{hi};
        $k->{H} = $p if $p > $k->{H}; $k->{L} = $p if $p < $k->{L};
        $k->{V} = $k->{V} + $q; $k->{Q} = $k->{Q} + $quote; $k->{n} += $last - $first + 1;
        if (!$maker) { $k->{TV} = $k->{TV} + $q; $k->{TQ} = $k->{TQ} + $quote }
    } }
while (my $line = <STDIN>) {
    my $m = $json->decode($line); my $type = $m->{type};
    if ($type eq 'hello') { @intervals = @{$m->{intervals}}; say_(type => 'ready', protocol => 1, name => 'perl example', wants => ['trades', 'ticks']) }
    elsif ($type eq 'trades') { for my $row (0 .. $#{$m->{id}}) {
        my $id = $m->{id}[$row];
        next if $m->{kind}[$row] ne 'MARKET' || $seen{$m->{symbol}}{$id}++;
        trade($m->{symbol}, $id + 0, (map { number($m->{$_}[$row]) } qw(price quantity quote)), (map { $m->{$_}[$row] + 0 } qw(first_id last_id event_time_ns)), $m->{buyer_is_maker}[$row]) } }
    elsif ($type eq 'tick') { move($_, $m->{time_ns}) for @order }
    elsif ($type eq 'sync') { say_(type => 'synced', n => $m->{n}) }
    elsif ($type eq 'end') { for (@order) { final($klines{$_}) if $klines{$_}{n} } say_(type => 'done') }
    else { die "unknown message $type\n" }
}
