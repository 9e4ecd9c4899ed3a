-- What happens to the files of a remote folder: JSON, where what is left out does nothing.
ALTER TABLE remote_folders ADD COLUMN rules TEXT NOT NULL DEFAULT '{}';
