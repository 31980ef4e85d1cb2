-- Deterministic inserts, indexes, joins, aggregates, updates, deletes and a rebuild, in memory.
PRAGMA journal_mode = MEMORY;
PRAGMA cache_size = -200000;
CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT, region INTEGER);
CREATE TABLE purchase (id INTEGER PRIMARY KEY, customer INTEGER, cents INTEGER, note TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
INSERT INTO customer SELECT i, printf('customer %d %s', i, hex(i * 7919)), i % 17 FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250000)
INSERT INTO purchase
SELECT i, (i * 7919) % 20000 + 1, (i * 104729) % 100000, printf('%.*c', i % 90, 'x') FROM n;
CREATE INDEX purchase_customer ON purchase (customer, cents);
CREATE INDEX purchase_note ON purchase (note);
SELECT region, count(*), sum(cents), max(length(note)), min(name)
FROM customer JOIN purchase ON purchase.customer = customer.id GROUP BY region ORDER BY region;
SELECT count(*), sum(rank) FROM (
  SELECT rank() OVER (PARTITION BY customer ORDER BY cents) AS rank FROM purchase);
UPDATE purchase SET note = note || customer WHERE cents % 3 = 0;
DELETE FROM purchase WHERE cents % 5 = 1;
SELECT length(group_concat(name, ',')) FROM customer;
SELECT count(*), sum(length(note)), count(DISTINCT note) FROM purchase;
SELECT json_group_array(id) FROM (SELECT id FROM purchase WHERE cents < 300 ORDER BY id);
VACUUM;
PRAGMA integrity_check;
SELECT sum(id * (cents % 97)) FROM purchase;
