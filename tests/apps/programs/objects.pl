# Hashes, strings that grow, regular expressions, sorting and forks.
use strict;
use warnings;
use Digest::SHA;

my $state = 42;
sub next_number { $state = ($state * 1103515245 + 12345) & 0x7fffffff; return $state >> 8; }

my $sha = Digest::SHA->new(256);
my %table;
for my $step (1 .. 300_000) {
    my $key = 'key' . (next_number() % 20_000);
    if ($step % 3 == 0) { delete $table{$key}; }
    elsif ($step % 3 == 1) { $table{$key} .= 'value ' x (next_number() % 20); }
    else { $table{$key} = join ',', ($key) x (next_number() % 8); }
}
$sha->add("$_=$table{$_}\n") for sort keys %table;
my $text = join ' ', map { $table{$_} } sort keys %table;
my %count;
$count{$1}++ while $text =~ /key(\d\d)/g;
$text =~ s/value (\w+)/<$1>/g;
$sha->add($text, map { "$_:$count{$_}" } sort keys %count);
for my $child (1 .. 20) {
    my $pid = open(my $pipe, '-|') // die "fork: $!";
    if ($pid == 0) {
        my @words = sort { $b cmp $a } map { "w$child" . $_ * 7 % 5000 } 1 .. 5000;
        print scalar(@words), $words[17], "\n";
        exit 0;
    }
    $sha->add(<$pipe>);
    close $pipe or die "child: $?";
}
print $sha->hexdigest, "\n";
