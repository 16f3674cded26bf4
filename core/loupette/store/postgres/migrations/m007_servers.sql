-- Whose a hold is. The process behind a connection did not tell: its number is given to another one
-- later, and a server that lives has a new one after it was cut off. Now each server has a number of
-- its own, and holds an advisory lock with it as long as it is connected.
ALTER TABLE holds RENAME COLUMN backend_pid TO server;
ALTER TABLE holds ALTER COLUMN server TYPE bigint;

CREATE FUNCTION is_serving(the_server bigint) RETURNS boolean LANGUAGE sql STABLE COST 10000 AS $$
SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.objsubid = 1
    AND l.classid::bigint = the_server >> 32 AND l.objid::bigint = the_server & 4294967295)
$$;

-- Set money aside. By the number of each row: 'held', 'short' of balance, 'unknown' account, 'busy'
-- where another request holds under its Idempotency-Key, 'taken' where one was answered under it.
CREATE OR REPLACE FUNCTION place_holds(asked json) RETURNS TABLE(number bigint, outcome text)
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
