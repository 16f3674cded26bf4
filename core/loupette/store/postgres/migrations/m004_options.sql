-- What a request asked for beside its type, as JSON; older entries do not say.
ALTER TABLE logs ADD COLUMN options text;
