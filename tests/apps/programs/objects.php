<?php
// Arrays, strings, closures, generators and what extensions allocate; cycles for the collector.
$state = 11;
function next_number(): int {
  global $state;
  $state = ($state * 1103515245 + 12345) & 0x7fffffff;
  return $state >> 8;
}
class Node {
  public ?Node $other = null;
  public array $values = [];
}
function words(int $count): Generator {
  for ($i = 0; $i < $count; ++$i) yield "word" . next_number() % 1000;
}

$hash = hash_init("sha256");
$kept = [];
for ($step = 0; $step < 300000; ++$step) {
  $key = next_number() % 20000;
  switch ($step % 5) {
  case 0:
    unset($kept[$key]);
    break;
  case 1:
    $kept[$key] = str_repeat("v$key", next_number() % 60);
    break;
  case 2:
    $node = new Node();
    $node->other = new Node();
    $node->other->other = $node;
    $node->values = range(0, next_number() % 20);
    $kept[$key] = $node;
    break;
  case 3:
    $kept[$key] = json_decode(json_encode(["key" => $key, "list" => iterator_to_array(words(5))]), true);
    break;
  default:
    $kept[$key] = preg_replace_callback("/[0-9]+/", fn($m) => dechex((int)$m[0]), "a$key b$step");
  }
}
ksort($kept);
foreach ($kept as $key => $value) {
  if ($value instanceof Node) $value = implode(",", $value->values);
  hash_update($hash, $key . ":" . (is_array($value) ? json_encode($value) : $value) . "\n");
}
$kept = null;
gc_collect_cycles();
echo hash_final($hash), " ", strlen(implode(get_loaded_extensions())) > 0 ? "ok" : "none", "\n";
