-- By which software a file came or went, and what protected the connection, where its protocol tells.

ALTER TABLE transfers ADD COLUMN client TEXT;
ALTER TABLE transfers ADD COLUMN algorithms TEXT;
