-- A month that has entries in logs_other gets no table, and to find that out again each day by making
-- one would read all of logs_other while nobody else may.
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
