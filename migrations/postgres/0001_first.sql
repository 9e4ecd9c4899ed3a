-- The first schema: that of migrations/sqlite, with one difference.
--
-- Text that is sorted, compared by order or unique sorts by its bytes (COLLATE "C"), as in SQLite. The database's own
-- order is a language's, which passes over the hyphens of identifiers, differs between servers, and may change with an
-- upgrade of the operating system under the feet of indexes and cursors.

-- A customer's tenant. The key stands in generated logins.
CREATE TABLE instances (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    key        TEXT COLLATE "C" NOT NULL,
    name       TEXT COLLATE "C" NOT NULL,
    created_at BIGINT           NOT NULL,
    CONSTRAINT instances_key UNIQUE (key)
);

-- An access on a server. Neither SSH nor FTP knows tenants, so a login is unique over all instances; it is compared
-- without case, which is why it is kept twice. The folded name serves searching alone.
CREATE TABLE accounts (
    id                TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    instance          TEXT COLLATE "C" NOT NULL,
    name              TEXT COLLATE "C" NOT NULL,
    name_folded       TEXT COLLATE "C" NOT NULL,
    login             TEXT COLLATE "C" NOT NULL,
    login_folded      TEXT COLLATE "C" NOT NULL,
    -- 'hosted': on this gateway, with a preset as it was at a version.
    hosting           TEXT             NOT NULL,
    preset            TEXT,
    preset_version    BIGINT,
    host              TEXT             NOT NULL,
    connection_types  TEXT             NOT NULL,
    authentication    TEXT             NOT NULL,
    state             TEXT             NOT NULL,
    expires_at        BIGINT,
    -- A JSON list of addresses and networks; an empty one allows any.
    allowed_addresses TEXT             NOT NULL,
    created_at        BIGINT           NOT NULL,
    updated_at        BIGINT           NOT NULL,
    CONSTRAINT accounts_login UNIQUE (login_folded),
    CONSTRAINT accounts_of_instance FOREIGN KEY (instance) REFERENCES instances (id)
);

CREATE INDEX accounts_by_instance ON accounts (instance, id);

-- Passwords and keys. The secret is a password's argon2 hash or a key's OpenSSH line; passwords have no fingerprint,
-- so several of them stand beside each other, while one key is kept once.
CREATE TABLE credentials (
    id                TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    account           TEXT COLLATE "C" NOT NULL,
    kind              TEXT             NOT NULL,
    secret            TEXT             NOT NULL,
    fingerprint       TEXT COLLATE "C",
    label             TEXT             NOT NULL,
    not_before        BIGINT,
    not_after         BIGINT,
    created_at        BIGINT           NOT NULL,
    last_used_at      BIGINT,
    last_used_address TEXT,
    last_used_client  TEXT,
    CONSTRAINT credentials_key UNIQUE (account, fingerprint),
    CONSTRAINT credentials_of_account FOREIGN KEY (account) REFERENCES accounts (id) ON DELETE CASCADE
);

-- Remote folders. Each index begins with the account, so that either serves looking up an account's folders.
CREATE TABLE remote_folders (
    id      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    account TEXT COLLATE "C" NOT NULL,
    name    TEXT COLLATE "C" NOT NULL,
    path    TEXT COLLATE "C" NOT NULL,
    rights  TEXT             NOT NULL,
    CONSTRAINT remote_folders_path UNIQUE (account, path),
    CONSTRAINT remote_folders_name UNIQUE (account, name),
    CONSTRAINT remote_folders_of_account FOREIGN KEY (account) REFERENCES accounts (id) ON DELETE CASCADE
);

-- Tokens of the management API. Only a SHA-256 is kept of the token itself.
CREATE TABLE api_tokens (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name         TEXT COLLATE "C" NOT NULL,
    hash         TEXT COLLATE "C" NOT NULL,
    created_at   BIGINT           NOT NULL,
    expires_at   BIGINT,
    last_used_at BIGINT,
    CONSTRAINT api_tokens_hash UNIQUE (hash)
);

-- The history outlives accounts, so nothing below refers to them by a foreign key.

-- Uploads and downloads that ended.
CREATE TABLE transfers (
    id              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    instance        TEXT COLLATE "C" NOT NULL,
    account         TEXT COLLATE "C" NOT NULL,
    actor           TEXT             NOT NULL,
    session         TEXT,
    connection_type TEXT,
    address         TEXT COLLATE "C",
    direction       TEXT             NOT NULL,
    path            TEXT COLLATE "C" NOT NULL,
    bytes           BIGINT           NOT NULL,
    started_at      BIGINT           NOT NULL,
    ended_at        BIGINT           NOT NULL,
    outcome         TEXT             NOT NULL,
    reason          TEXT
);

CREATE INDEX transfers_by_account ON transfers (account, id);
CREATE INDEX transfers_by_end ON transfers (ended_at);

-- The outbox: what other programs will be told.
CREATE TABLE events (
    id          TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    kind        TEXT             NOT NULL,
    instance    TEXT COLLATE "C" NOT NULL,
    account     TEXT COLLATE "C",
    folder      TEXT,
    occurred_at BIGINT           NOT NULL,
    data        TEXT             NOT NULL
);

CREATE INDEX events_by_instance ON events (instance, id);
CREATE INDEX events_by_time ON events (occurred_at);

-- Sign-in attempts. Whoever reaches the port can fill this table, so attempts of one day that are alike are one row
-- with a count; the identifier is a digest of what makes them alike. The account is '' where the login is unknown.
CREATE TABLE sign_in_attempts (
    id              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    account         TEXT COLLATE "C" NOT NULL,
    login           TEXT COLLATE "C" NOT NULL,
    address         TEXT COLLATE "C" NOT NULL,
    connection_type TEXT             NOT NULL,
    client          TEXT             NOT NULL,
    outcome         TEXT             NOT NULL,
    first_at        BIGINT           NOT NULL,
    last_at         BIGINT           NOT NULL,
    attempts        BIGINT           NOT NULL
);

CREATE INDEX sign_in_attempts_by_account ON sign_in_attempts (account, last_at, id);
CREATE INDEX sign_in_attempts_by_time ON sign_in_attempts (last_at);

-- Temporary refusals of one login from one address; the login in its folded form.
CREATE TABLE sign_in_blocks (
    address  TEXT COLLATE "C" NOT NULL,
    login    TEXT COLLATE "C" NOT NULL,
    reason   TEXT             NOT NULL,
    began_at BIGINT           NOT NULL,
    ends_at  BIGINT           NOT NULL,
    CONSTRAINT sign_in_blocks_key PRIMARY KEY (address, login)
);

CREATE INDEX sign_in_blocks_by_end ON sign_in_blocks (ends_at);
