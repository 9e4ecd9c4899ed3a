-- What a token may be used for, and what the history tells besides.

-- The one instance that a token sees (NULL: all); it ends with its instance.
ALTER TABLE api_tokens ADD COLUMN instance TEXT REFERENCES instances (id) ON DELETE CASCADE;
ALTER TABLE api_tokens ADD COLUMN read_only BIGINT NOT NULL DEFAULT 0;

-- What the connection was protected by, where its protocol tells.
ALTER TABLE sign_in_attempts ADD COLUMN algorithms TEXT;
