-- What a reader of the feed has missed, and who is told of events over HTTP.

-- Up to which position events were forgotten, in one row, "forgotten": who asks for what is behind a lower one has missed
-- some.
CREATE TABLE event_marks (
    name     TEXT COLLATE "C"   NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL
);
INSERT INTO event_marks (name, position) VALUES ('forgotten', 0);

-- Where events are sent to.
CREATE TABLE webhooks (
    id              TEXT COLLATE "C"   NOT NULL PRIMARY KEY,
    -- Whose events alone it is told (NULL: all); it ends with its instance.
    instance        TEXT COLLATE "C"   REFERENCES instances (id) ON DELETE CASCADE,
    url             TEXT   NOT NULL,
    description     TEXT   NOT NULL,
    -- A JSON list; NULL: every kind.
    kinds           TEXT,
    state           TEXT COLLATE "C"   NOT NULL,
    -- Why it is paused.
    pause_reason    TEXT,
    -- Sealed, and bound to this row.
    secret          TEXT   NOT NULL,
    -- The one before, which signs as well until then.
    previous_secret TEXT,
    previous_until  BIGINT,
    -- Up to which position events were looked at for it.
    position        BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    -- Since when no delivery has succeeded though some were tried; NULL: the last one did, or none was tried.
    failing_since   BIGINT,
    last_success_at BIGINT
);
CREATE INDEX webhooks_by_instance ON webhooks (instance);

-- One event for one endpoint.
CREATE TABLE webhook_deliveries (
    webhook       TEXT COLLATE "C"   NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event         TEXT COLLATE "C"   NOT NULL,
    -- The event's.
    position      BIGINT NOT NULL,
    kind          TEXT COLLATE "C"   NOT NULL,
    instance      TEXT COLLATE "C"   NOT NULL,
    -- What is delivered in order, one after the other.
    lane          TEXT COLLATE "C"   NOT NULL,
    -- As it is sent, the same bytes each time.
    body          TEXT   NOT NULL,
    state         TEXT COLLATE "C"   NOT NULL,
    occurred_at   BIGINT NOT NULL,
    -- When it is tried next, while it waits.
    due_at        BIGINT NOT NULL,
    -- The first attempt since it was queued, replayed or its endpoint resumed.
    tried_since   BIGINT,
    -- Attempts since then, and all that were ever made.
    tries         BIGINT NOT NULL,
    attempts      BIGINT NOT NULL,
    -- Who is at it, and until when.
    lease         TEXT COLLATE "C",
    leased_until  BIGINT NOT NULL,
    ended_at      BIGINT,
    last_status   BIGINT,
    last_error    TEXT,
    PRIMARY KEY (webhook, event)
);
CREATE INDEX webhook_deliveries_by_lane ON webhook_deliveries (webhook, state, lane, position);
CREATE INDEX webhook_deliveries_by_state ON webhook_deliveries (state, due_at);
CREATE INDEX webhook_deliveries_by_position ON webhook_deliveries (webhook, position);
CREATE INDEX webhook_deliveries_by_end ON webhook_deliveries (ended_at);

CREATE TABLE webhook_attempts (
    webhook      TEXT COLLATE "C"   NOT NULL,
    event        TEXT COLLATE "C"   NOT NULL,
    number       BIGINT NOT NULL,
    at           BIGINT NOT NULL,
    milliseconds BIGINT NOT NULL,
    -- Of the answer, if there was one.
    status       BIGINT,
    error        TEXT,
    PRIMARY KEY (webhook, event, number),
    FOREIGN KEY (webhook, event) REFERENCES webhook_deliveries (webhook, event) ON DELETE CASCADE
);
