-- What a token may be used for, what the history tells besides, and files of removed accounts.

-- The one instance that a token sees (NULL: all); it ends with its instance.
ALTER TABLE api_tokens ADD COLUMN instance TEXT COLLATE "C" REFERENCES instances (id) ON DELETE CASCADE;
ALTER TABLE api_tokens ADD COLUMN read_only BIGINT NOT NULL DEFAULT 0;

-- What the connection was protected by, where its protocol tells.
ALTER TABLE sign_in_attempts ADD COLUMN algorithms TEXT;

-- Accounts that were removed and whose files are still to be moved to the trash.
CREATE TABLE burials (
    account  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    instance TEXT             NOT NULL
);
