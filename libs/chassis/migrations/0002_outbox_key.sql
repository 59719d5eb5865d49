-- The feed is read by (xid, seq) on PostgreSQL, and by seq on SQLite, where xid is always 0: one key, where a row had two to keep.
DROP INDEX outbox_order;
{postgresql} ALTER TABLE outbox DROP CONSTRAINT outbox_pkey;
{postgresql} ALTER TABLE outbox ADD PRIMARY KEY (xid, seq);
-- A connection takes its numbers by the thousand: they need only grow within a transaction.
{postgresql} ALTER TABLE outbox ALTER COLUMN seq SET CACHE 1000;
