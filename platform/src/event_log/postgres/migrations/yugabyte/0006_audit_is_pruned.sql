-- As ../0006_audit_is_pruned.sql, for YugabyteDB: each step can be repeated.
-- Rows of the audit trail whose time is over may go: of the unit that the transaction names, and none that is younger than
-- six years (2,192 days), whatever a process asks for. How long they are kept beyond that, processes say.
DROP POLICY IF EXISTS pruned ON audit;
CREATE POLICY pruned ON audit AS RESTRICTIVE FOR DELETE TO {tenant}
    USING (at < (SELECT (extract(epoch FROM now()) * 1000)::bigint - 189388800000));
GRANT DELETE ON audit TO {tenant};
