-- What a batch does to holds: one call reads what all its requests need, reckons, and writes each
-- table once, which takes half the time of a call for each request. Whoever calls has locked the
-- accounts (see writer.py), and may call again as before, see m002.

-- A request with an Idempotency-Key holds under it, so that of several servers one answers it; and
-- where that one has died, the next need not wait for the hold's expiry. Each server has a number, and
-- an advisory lock with it as long as it is connected: the process behind a connection would not do, as
-- its number is given to another one later, and a server that was cut off and lives has a new one.
ALTER TABLE holds ADD COLUMN idempotency_key text, ADD COLUMN server bigint;
CREATE INDEX holds_named ON holds(account_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

DROP FUNCTION place_hold(bigint, bigint, bigint, bigint);
DROP FUNCTION settle(bigint, boolean, logs, text, bytea);

CREATE FUNCTION is_serving(the_server bigint) RETURNS boolean LANGUAGE sql STABLE COST 10000 AS $$
SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.objsubid = 1
    AND l.classid::bigint = the_server >> 32 AND l.objid::bigint = the_server & 4294967295)
$$;

-- Set money aside. By the number of each row: 'held', 'short' of balance, 'unknown' account, 'busy'
-- where another request holds under its Idempotency-Key, 'taken' where one was answered under it.
CREATE FUNCTION place_holds(asked json) RETURNS TABLE(number bigint, outcome text)
LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    job record;
    the_account bigint;
    free bigint;
    names text[];
    placed holds[] := '{}';
    at_ms bigint := now_ms();
BEGIN
    FOR job IN
        SELECT j.*, a.id IS NULL AS is_unknown, a.balance - a.held AS free,
            EXISTS (SELECT FROM holds h WHERE h.id = j.hold) AS is_placed,
            EXISTS (SELECT FROM holds h
                WHERE h.account_id = j.account_id AND h.idempotency_key = j.idempotency_key
                AND h.expires_ms > at_ms AND is_serving(h.server)) AS is_busy,
            EXISTS (SELECT FROM idempotency i
                WHERE i.account_id = j.account_id AND i.key = j.idempotency_key) AS is_taken
        FROM ROWS FROM (json_to_recordset(asked) AS (hold bigint, account_id bigint, amount bigint,
            lasts_ms bigint, idempotency_key text, server bigint)) WITH ORDINALITY AS j
        LEFT JOIN accounts a ON a.id = j.account_id
        ORDER BY j.account_id, j.ordinality
    LOOP
        IF job.account_id IS DISTINCT FROM the_account THEN
            the_account := job.account_id;
            free := job.free;
            names := '{}';
        END IF;
        number := job.ordinality;
        outcome := CASE
            WHEN job.is_placed THEN 'held'
            WHEN job.is_unknown THEN 'unknown'
            WHEN job.is_taken THEN 'taken'
            WHEN job.is_busy OR job.idempotency_key = ANY(names) THEN 'busy'
            WHEN free < job.amount THEN 'short'
            ELSE 'held' END;
        IF outcome = 'held' AND NOT job.is_placed THEN
            free := free - job.amount;
            placed := placed || ROW(job.hold, job.account_id, job.amount, at_ms + job.lasts_ms,
                job.idempotency_key, job.server)::holds;
            IF job.idempotency_key IS NOT NULL THEN
                names := names || job.idempotency_key;
            END IF;
        END IF;
        RETURN NEXT;
    END LOOP;
    INSERT INTO holds SELECT * FROM unnest(placed);
    UPDATE accounts a SET held = a.held + more.amount
    FROM (SELECT p.account_id, sum(p.amount)::bigint AS amount FROM unnest(placed) p GROUP BY 1) more
    WHERE a.id = more.account_id;
END $$;

-- Charge what is held. By the number of each row: 'charged' with the new balance, 'short' where the
-- money was taken meanwhile, or 'taken' where another request with the Idempotency-Key was answered.
-- The reply is put in after, as it has the balance in it.
CREATE FUNCTION settle_holds(asked json, is_again boolean)
RETURNS TABLE(number bigint, outcome text, balance_micros bigint)
LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    job record;
    the_account bigint;
    balance bigint;
    held bigint;
    names text[];
    over bigint[] := '{}';
    charged logs[] := '{}';
    balances bigint[] := '{}';
    replies idempotency[] := '{}';
BEGIN
    FOR job IN
        SELECT j.*, (j.entry).account_id, (j.entry).cost, a.balance, a.held, h.amount AS freed,
            EXISTS (SELECT FROM idempotency i WHERE i.account_id = (j.entry).account_id
                AND i.key = j.idempotency_key) AS is_taken,
            (SELECT l.balance_after FROM ledger l WHERE is_again AND l.log_id = (j.entry).id
                AND l.kind = 'charge' AND l.account_id = (j.entry).account_id) AS left_before
        FROM ROWS FROM (json_to_recordset(asked) AS (hold bigint, entry logs, idempotency_key text,
            body_hash bytea)) WITH ORDINALITY AS j
        LEFT JOIN accounts a ON a.id = (j.entry).account_id
        LEFT JOIN holds h ON h.id = j.hold
        ORDER BY (j.entry).account_id, j.ordinality
    LOOP
        IF job.account_id IS DISTINCT FROM the_account THEN
            the_account := job.account_id;
            balance := job.balance;
            held := job.held;
            names := '{}';
        END IF;
        number := job.ordinality;
        IF job.left_before IS NOT NULL THEN
            outcome := 'charged';
            balance_micros := job.left_before;
            RETURN NEXT;
            CONTINUE;
        END IF;
        IF job.freed IS NOT NULL THEN
            over := over || job.hold;
            held := held - job.freed;
        END IF;
        IF job.is_taken OR job.idempotency_key = ANY(names) THEN
            outcome := 'taken';
        -- An answer that came after its hold had expired is charged where the money is still free.
        ELSIF balance >= job.cost AND (job.freed IS NOT NULL OR balance - held >= job.cost) THEN
            outcome := 'charged';
            balance := balance - job.cost;
            charged := charged || job.entry;
            balances := balances || balance;
            IF job.idempotency_key IS NOT NULL THEN
                names := names || job.idempotency_key;
                replies := replies || ROW(job.account_id, job.idempotency_key, job.body_hash, '',
                    (job.entry).code, (job.entry).id, (job.entry).created_ms)::idempotency;
            END IF;
        ELSE
            outcome := 'short';
        END IF;
        balance_micros := balance;
        RETURN NEXT;
    END LOOP;
    WITH gone AS (DELETE FROM holds h WHERE h.id = ANY(over) RETURNING h.account_id, h.amount)
    UPDATE accounts a SET balance = a.balance - less.cost, held = a.held - less.freed
    FROM (
        SELECT one.account_id, sum(one.cost)::bigint AS cost, sum(one.freed)::bigint AS freed
        FROM (SELECT g.account_id, 0 AS cost, g.amount AS freed FROM gone g
            UNION ALL SELECT c.account_id, c.cost, 0 FROM unnest(charged) c) one
        GROUP BY 1
    ) less
    WHERE a.id = less.account_id;
    INSERT INTO ledger(account_id, kind, amount, balance_after, log_id, created_ms)
    SELECT c.account_id, 'charge', -c.cost, balances[c.ordinality], c.id, c.created_ms
    FROM unnest(charged) WITH ORDINALITY c ORDER BY c.ordinality;
    INSERT INTO logs SELECT * FROM unnest(charged);
    INSERT INTO idempotency SELECT * FROM unnest(replies);
END $$;
