-- What is purged has no body, and is not looked for.
DROP INDEX events_by_organization;
CREATE INDEX events_by_organization ON events (organization_id, time, id) WHERE body IS NOT NULL;
CREATE INDEX events_by_target ON events (target_id, time, id) WHERE target_id IS NOT NULL AND body IS NOT NULL;
CREATE INDEX events_by_actor ON events (actor_id, time, id) WHERE actor_id IS NOT NULL AND body IS NOT NULL;

-- Refusals of nobody's, whose bodies have an end of their own.
CREATE INDEX events_of_strangers ON events (organization_id, time, id)
    WHERE organization_id IS NULL AND kind IN ('request.refused', 'login.failed') AND body IS NOT NULL;
