-- What a server does for each request: a function for each step, called for many in one statement.
-- Whoever calls has locked the accounts, in the order of their ids (see writer.py). All may be
-- called again with the same arguments by a server that did not hear of its commit, and then find
-- what they did.

CREATE FUNCTION now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS
$$ SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint $$;

-- Set money aside: 'held', 'short' of balance, or 'unknown' account.
CREATE FUNCTION place_hold(the_hold bigint, the_account bigint, wanted bigint, lasts_ms bigint)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO holds(id, account_id, amount, expires_ms)
    VALUES (the_hold, the_account, wanted, now_ms() + lasts_ms) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN 'held';
    END IF;
    UPDATE accounts SET held = held + wanted WHERE id = the_account AND balance - held >= wanted;
    IF FOUND THEN
        RETURN 'held';
    END IF;
    DELETE FROM holds WHERE id = the_hold;
    RETURN CASE WHEN EXISTS (SELECT FROM accounts WHERE id = the_account)
        THEN 'short' ELSE 'unknown' END;
END $$;

-- Give held money back; whether there was a hold, which may have expired.
CREATE FUNCTION release_hold(the_hold bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    gone holds;
BEGIN
    DELETE FROM holds WHERE id = the_hold RETURNING * INTO gone;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE accounts SET held = held - gone.amount WHERE id = gone.account_id;
    RETURN true;
END $$;

-- Charge what is held: 'charged' with the new balance, 'short' where the money was taken meanwhile,
-- or 'taken' where another request with the Idempotency-Key was charged. The reply is put in after,
-- as it has the balance in it.
CREATE FUNCTION settle(
    the_hold bigint, is_again boolean, entry logs, idempotency_key text, body_hash bytea,
    OUT outcome text, OUT balance_micros bigint
) LANGUAGE plpgsql AS $$
DECLARE
    freed bigint;
BEGIN
    IF is_again THEN
        SELECT l.balance_after INTO balance_micros FROM ledger l
        WHERE l.log_id = entry.id AND l.kind = 'charge' AND l.account_id = entry.account_id;
        IF FOUND THEN
            outcome := 'charged';
            RETURN;
        END IF;
    END IF;
    IF idempotency_key IS NOT NULL AND EXISTS (SELECT FROM idempotency i
        WHERE i.account_id = entry.account_id AND i.key = idempotency_key)
    THEN
        PERFORM release_hold(the_hold);
        outcome := 'taken';
        RETURN;
    END IF;
    DELETE FROM holds h WHERE h.id = the_hold RETURNING h.amount INTO freed;
    -- An answer that came after its hold had expired is charged where the money is still free.
    UPDATE accounts a SET balance = a.balance - entry.cost, held = a.held - coalesce(freed, 0)
    WHERE a.id = entry.account_id AND a.balance >= entry.cost
        AND (freed IS NOT NULL OR a.balance - a.held >= entry.cost)
    RETURNING a.balance INTO balance_micros;
    IF NOT FOUND THEN
        UPDATE accounts a SET held = a.held - coalesce(freed, 0) WHERE a.id = entry.account_id;
        outcome := 'short';
        RETURN;
    END IF;
    INSERT INTO ledger(account_id, kind, amount, balance_after, log_id, created_ms)
    VALUES (entry.account_id, 'charge', -entry.cost, balance_micros, entry.id, entry.created_ms);
    INSERT INTO logs SELECT entry.*;
    IF idempotency_key IS NOT NULL THEN
        INSERT INTO idempotency VALUES (entry.account_id, idempotency_key, body_hash, '',
            entry.code, entry.id, entry.created_ms);
    END IF;
    outcome := 'charged';
END $$;

-- Log what was not charged: 'logged' with the balance, 'taken' as above, or 'charged' where the
-- request was charged before, though nobody heard of it.
CREATE FUNCTION record_log(
    entry logs, idempotency_key text, body_hash bytea,
    OUT outcome text, OUT balance_micros bigint
) LANGUAGE plpgsql AS $$
BEGIN
    SELECT a.balance INTO balance_micros FROM accounts a WHERE a.id = entry.account_id;
    IF idempotency_key IS NOT NULL AND EXISTS (SELECT FROM idempotency i WHERE
        i.account_id = entry.account_id AND i.key = idempotency_key AND i.log_id <> entry.id)
    THEN
        outcome := 'taken';
        RETURN;
    END IF;
    INSERT INTO logs SELECT entry.* ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        SELECT CASE l.outcome WHEN 'ok' THEN 'charged' ELSE 'logged' END INTO outcome
        FROM logs l WHERE l.id = entry.id;
        RETURN;
    END IF;
    IF idempotency_key IS NOT NULL THEN
        INSERT INTO idempotency VALUES (entry.account_id, idempotency_key, body_hash, '',
            entry.code, entry.id, entry.created_ms);
    END IF;
    outcome := 'logged';
END $$;

-- Count a request against a rate (GCRA): how far ahead of the clock its key is then. Beyond
-- tolerance_us the request is refused, and nothing is counted.
CREATE FUNCTION count_request(the_key bigint, interval_us bigint, tolerance_us bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    now_us bigint := extract(epoch FROM clock_timestamp()) * 1000000;
    ahead_us bigint;
BEGIN
    INSERT INTO rates AS r VALUES (the_key, now_us + interval_us)
    ON CONFLICT (key_id) DO UPDATE SET arrival_us = greatest(r.arrival_us, now_us) + interval_us
    WHERE greatest(r.arrival_us, now_us) + interval_us - now_us <= tolerance_us
    RETURNING r.arrival_us - now_us INTO ahead_us;
    IF NOT FOUND THEN
        SELECT greatest(r.arrival_us, now_us) + interval_us - now_us INTO ahead_us
        FROM rates r WHERE r.key_id = the_key;
    END IF;
    RETURN ahead_us;
END $$;

-- Release the holds that servers left behind; how many there were.
CREATE FUNCTION sweep_holds() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    until_ms bigint := now_ms();
    swept bigint;
BEGIN
    PERFORM FROM accounts WHERE id IN (SELECT account_id FROM holds WHERE expires_ms <= until_ms)
    ORDER BY id FOR NO KEY UPDATE;
    SELECT count(*) FILTER (WHERE release_hold(id)) INTO swept
    FROM holds WHERE expires_ms <= until_ms;
    RETURN swept;
END $$;

-- Have a table for the log entries of a month, such as 202411.
CREATE FUNCTION add_log_month(the_month bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('loupette months'));
    IF to_regclass('logs_' || the_month) IS NULL THEN
        EXECUTE format('CREATE TABLE logs_%s PARTITION OF logs FOR VALUES FROM (%s) TO (%s)',
            the_month, the_month * 1000000000000, (the_month + 1) * 1000000000000);
    END IF;
EXCEPTION WHEN check_violation THEN
    NULL;  -- logs_other has entries of this month, from elsewhere, and goes on to take them
END $$;

-- Delete the entries of whole months, all with ids below this one; how many there were.
CREATE FUNCTION drop_log_months(below bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    part text;
    bound bigint;
    entries bigint;
    dropped bigint := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('loupette months'));
    FOR part IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'logs'::regclass AND c.relname ~ '^logs_[0-9]+$'
    LOOP
        bound := (substr(part, 6)::bigint + 1) * 1000000000000;
        IF bound <= below THEN
            EXECUTE format('SELECT count(*) FROM %I', part) INTO entries;
            EXECUTE format('DROP TABLE %I', part);
            dropped := dropped + entries;
            UPDATE log_retention SET deleted_below = bound WHERE deleted_below < bound;
        END IF;
    END LOOP;
    RETURN dropped;
END $$;

-- Give a server some numbers of a day: those above the returned one. Their month gets its table.
CREATE FUNCTION take_log_ids(the_day bigint, wanted bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    newest bigint;
    above bigint;
BEGIN
    INSERT INTO log_days AS d VALUES (the_day, wanted)
    ON CONFLICT (first_id) DO UPDATE SET given = d.given + wanted
    RETURNING the_day + given - wanted INTO above;
    IF above > the_day THEN
        RETURN above;
    END IF;
    -- The first server of the day; what was copied from elsewhere may have ids of this day.
    SELECT greatest(max(l.id), (SELECT max(c.log_id) FROM ledger c
        WHERE c.log_id BETWEEN the_day AND the_day + 9999999999))
    INTO newest FROM logs l WHERE l.id BETWEEN the_day AND the_day + 9999999999;
    IF newest > above THEN
        UPDATE log_days SET given = newest - the_day + wanted WHERE first_id = the_day;
        above := newest;
    END IF;
    PERFORM add_log_month(the_day / 1000000000000);
    RETURN above;
END $$;
