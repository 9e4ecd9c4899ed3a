-- How much an account may hold; NULL: as its preset says.
ALTER TABLE accounts ADD COLUMN quota_bytes BIGINT;
ALTER TABLE accounts ADD COLUMN quota_files BIGINT;
ALTER TABLE accounts ADD COLUMN quota_largest_file BIGINT;
