-- Who may sign in, and the key that signs.

-- The seed of the signing key: one row, the same for every replica.
CREATE TABLE signing_keys (
  id INTEGER PRIMARY KEY,
  seed TEXT NOT NULL            -- 32 bytes in hex
);

-- Registered clients. A secret is derived from the seed and the nonce when it is needed and never stored.
CREATE TABLE clients (
  client_id TEXT PRIMARY KEY,
  display_name TEXT NOT NULL,
  department TEXT NOT NULL,
  scopes TEXT NOT NULL,         -- separated by spaces
  roles TEXT NOT NULL,          -- separated by spaces
  default_purpose TEXT NOT NULL,
  nonce TEXT NOT NULL,          -- a new one gives a new secret
  request_id TEXT NOT NULL,     -- the registration's, so that its repetition gives the same answer
  created_at BIGINT NOT NULL    -- microseconds since 1970
);
