-- A top-up that was sent twice is one: the ledger knows it by its key.
ALTER TABLE ledger ADD COLUMN idempotency_key text;
CREATE UNIQUE INDEX ledger_idempotency ON ledger(idempotency_key) WHERE idempotency_key IS NOT NULL;

-- What finds entries of one type or outcome whosever they are.
CREATE INDEX logs_every_type ON logs(type_id, id, created_ms, outcome);
CREATE INDEX logs_every_answer ON logs(id, created_ms) WHERE outcome = 'ok';
CREATE INDEX logs_every_failure ON logs(outcome, id, created_ms) WHERE outcome <> 'ok';
CREATE INDEX logs_every_failure_of_type ON logs(outcome, type_id, id, created_ms)
WHERE outcome <> 'ok';
