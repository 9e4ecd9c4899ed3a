-- How strict FTP is with an account, and uploads whose end nothing proves.

-- NULL: as the account's preset says.
ALTER TABLE accounts ADD COLUMN close_notify TEXT;
ALTER TABLE accounts ADD COLUMN tls_resumption TEXT;

-- 1: an upload that was published although its data connection ended without TLS's close_notify.
ALTER TABLE transfers ADD COLUMN unproven_end BIGINT NOT NULL DEFAULT 0;
