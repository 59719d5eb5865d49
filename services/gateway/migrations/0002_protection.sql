-- Identity protected: hashes in the place of secrets, keys that follow each other, revocation, what guessing costs.

-- Was a nonce from which the secret could be derived again; the start of the suite turns each into an argon2id hash (PHC form).
ALTER TABLE clients RENAME COLUMN nonce TO secret_hash;
ALTER TABLE clients ADD COLUMN keys TEXT NOT NULL DEFAULT '';          -- "kid=x kid=x": the client's public keys, for private_key_jwt
ALTER TABLE clients ADD COLUMN signed_in_at BIGINT NOT NULL DEFAULT 0; -- the last sign-in; 0: none yet

-- Signing keys follow each other: the one that signs is the newest whose time has come.
ALTER TABLE signing_keys ADD COLUMN active_from BIGINT NOT NULL DEFAULT 0; -- seconds since 1970
ALTER TABLE signing_keys ADD COLUMN ends_at BIGINT NOT NULL DEFAULT 0;     -- its last token ended then; 0: it is not replaced yet

-- Grows with whatever verifiers must hear of: a revocation, a key that comes or goes. One row, once there was any.
CREATE TABLE standing (
  id INTEGER PRIMARY KEY,
  version BIGINT NOT NULL
);

-- Clients whose tokens are refused although they have not ended.
CREATE TABLE revocations (
  client_id TEXT PRIMARY KEY,
  issued_until BIGINT NOT NULL, -- tokens of this second, since 1970, and before
  shown_until BIGINT NOT NULL   -- those tokens have ended by themselves then
);

-- Wrong secrets, by "client:<id>" and "address:<ip>"; replicas share it.
CREATE TABLE sign_ins (
  who TEXT PRIMARY KEY,
  failures BIGINT NOT NULL,
  last_at BIGINT NOT NULL,       -- of the last failure; seconds since 1970, as the next
  blocked_until BIGINT NOT NULL,
  good_address TEXT NOT NULL     -- of a client: where its last good sign-in came from, which others' guessing does not lock out
);

-- Assertions that were used, until they would have ended.
CREATE TABLE assertions (
  digest TEXT PRIMARY KEY, -- SHA-256 of client and jti
  ends_at BIGINT NOT NULL
);
