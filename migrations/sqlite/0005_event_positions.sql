-- Events in the order in which they were recorded: whoever reads them asks for what comes behind a position, and must
-- miss none. An identifier would not do: a record that is tried again has the identifier of its first try.

CREATE TABLE events_by_position (
    -- Never used again, also when its row was removed.
    position    INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id          TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    instance    TEXT    NOT NULL,
    account     TEXT,
    folder      TEXT,
    occurred_at BIGINT  NOT NULL,
    data        TEXT    NOT NULL,
    CONSTRAINT events_id UNIQUE (id)
);

INSERT INTO events_by_position (id, kind, instance, account, folder, occurred_at, data)
SELECT id, kind, instance, account, folder, occurred_at, data FROM events ORDER BY id;

DROP TABLE events;
ALTER TABLE events_by_position RENAME TO events;

CREATE INDEX events_by_instance ON events (instance, position);
CREATE INDEX events_by_time ON events (occurred_at);
