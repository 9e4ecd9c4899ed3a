-- Who changed what. Each row's hash is of its own fields and of the hash of the row before it; label_folded, by which
-- labels are searched, follows from the label.

CREATE TABLE audit (
    -- Without a gap: it comes from audit_chain.
    position      BIGINT NOT NULL,
    id            TEXT COLLATE "C" NOT NULL,
    happened_at   BIGINT NOT NULL,
    operator      TEXT COLLATE "C" NOT NULL,
    token         TEXT COLLATE "C",
    request       TEXT COLLATE "C",
    action        TEXT COLLATE "C" NOT NULL,
    resource      TEXT COLLATE "C" NOT NULL,
    resource_id   TEXT COLLATE "C" NOT NULL,
    instance      TEXT COLLATE "C",
    account       TEXT COLLATE "C",
    label         TEXT COLLATE "C" NOT NULL,
    label_folded  TEXT COLLATE "C" NOT NULL,
    -- JSON.
    state_before  TEXT,
    state_after   TEXT,
    previous_hash TEXT COLLATE "C" NOT NULL,
    hash          TEXT COLLATE "C" NOT NULL,
    CONSTRAINT audit_pkey PRIMARY KEY (position)
);

CREATE INDEX audit_by_instance ON audit (instance, position);
CREATE INDEX audit_by_account ON audit (account, position);

-- One row: where the chain begins (behind what its term has removed) and ends. Written with every row of audit.
CREATE TABLE audit_chain (
    one            BIGINT NOT NULL,
    forgotten      BIGINT NOT NULL,
    forgotten_hash TEXT COLLATE "C" NOT NULL,
    head           BIGINT NOT NULL,
    head_hash      TEXT COLLATE "C" NOT NULL,
    CONSTRAINT audit_chain_pkey PRIMARY KEY (one),
    CONSTRAINT audit_chain_one CHECK (one = 1)
);

INSERT INTO audit_chain (one, forgotten, forgotten_hash, head, head_hash) VALUES
    (1, 0, '0000000000000000000000000000000000000000000000000000000000000000',
     0, '0000000000000000000000000000000000000000000000000000000000000000');
