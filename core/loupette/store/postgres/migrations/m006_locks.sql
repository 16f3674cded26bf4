-- To add or drop a month of the log needs a lock that a backup may keep from us for hours, and while
-- that is waited for, all others wait behind it. So nothing here waits for it longer than this.

-- Have a table for the log entries of a month, such as 202411. One that has entries in logs_other gets
-- none, and to find that out again each day by making it would read all of logs_other while nobody
-- else may.
CREATE OR REPLACE FUNCTION add_log_month(the_month bigint) RETURNS void
LANGUAGE plpgsql SET lock_timeout = '500ms' AS $$
BEGIN
    IF to_regclass('logs_' || the_month) IS NOT NULL OR EXISTS (SELECT FROM logs_other
        WHERE id >= the_month * 1000000000000 AND id < (the_month + 1) * 1000000000000)
    THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('loupette months'));
    EXECUTE format('CREATE TABLE IF NOT EXISTS logs_%s PARTITION OF logs FOR VALUES FROM (%s) TO (%s)',
        the_month, the_month * 1000000000000, (the_month + 1) * 1000000000000);
EXCEPTION WHEN check_violation OR lock_not_available THEN
    NULL;  -- logs_other takes the month's entries, if only because it has got some meanwhile
END $$;

-- As before, but for the order: what was read of the log before would be in the way of its table.
CREATE OR REPLACE FUNCTION take_log_ids(the_day bigint, wanted bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
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
    PERFORM add_log_month(the_day / 1000000000000);
    -- The first server of the day; what was copied from elsewhere may have ids of this day.
    SELECT greatest(max(l.id), (SELECT max(c.log_id) FROM ledger c
        WHERE c.log_id BETWEEN the_day AND the_day + 9999999999))
    INTO newest FROM logs l WHERE l.id BETWEEN the_day AND the_day + 9999999999;
    IF newest > above THEN
        UPDATE log_days SET given = newest - the_day + wanted WHERE first_id = the_day;
        above := newest;
    END IF;
    RETURN above;
END $$;

DROP FUNCTION drop_log_months(bigint);

-- Delete the entries of the oldest month, where all ids are below this one: how many there were, or
-- null where no month is that old. They are counted before the lock is taken, as that takes longer.
CREATE FUNCTION drop_log_month(below bigint, tries bigint) RETURNS bigint
LANGUAGE plpgsql SET lock_timeout = '500ms' AS $$
DECLARE
    part text;
    bound bigint;
    entries bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('loupette purge'));
    SELECT c.relname, (substr(c.relname, 6)::bigint + 1) * 1000000000000 INTO part, bound
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'logs'::regclass AND c.relname ~ '^logs_[0-9]+$'
    ORDER BY c.relname LIMIT 1;
    IF part IS NULL OR bound > below THEN
        RETURN NULL;
    END IF;
    EXECUTE format('SELECT count(*) FROM %I', part) INTO entries;
    LOOP
        BEGIN
            EXECUTE format('DROP TABLE %I', part);
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            tries := tries - 1;
            IF tries <= 0 THEN
                RAISE;
            END IF;
        END;
        PERFORM pg_sleep(1);  -- for those who waited behind it
    END LOOP;
    UPDATE log_retention SET deleted_below = bound WHERE deleted_below < bound;
    RETURN entries;
END $$;
