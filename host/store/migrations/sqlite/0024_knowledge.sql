-- Knowledge bases: the truth about what can be found. Indexes for searching are derived, by each host for itself, from
-- what stands here.
CREATE TABLE knowledge_bases (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    -- Whether uploads that name none go here.
    is_default BOOLEAN NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    -- The binding of a retriever.
    retriever TEXT NOT NULL,
    chunk_tokens BIGINT NOT NULL,
    chunk_overlap BIGINT NOT NULL,
    similarity_threshold DOUBLE PRECISION NOT NULL,
    fallback TEXT,
    -- A JSON array of workspaces; null where the whole organisation sees it.
    shared_with TEXT,
    -- Whose vectors are searched; null where there is no embedder. Each set of vectors has a number, from 1.
    model TEXT,
    dimensions BIGINT,
    generation BIGINT NOT NULL,
    -- Whose vectors are being made, to take their place.
    next_model TEXT,
    next_dimensions BIGINT,
    next_generation BIGINT,
    -- The last number that was given.
    last_generation BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    -- Since when it is not there any more; its rows go one batch after the other.
    removed_at BIGINT
);
CREATE INDEX knowledge_bases_by_organization ON knowledge_bases (organization_id, created_at, id)
    WHERE removed_at IS NULL;
CREATE UNIQUE INDEX knowledge_bases_default ON knowledge_bases (organization_id)
    WHERE is_default AND removed_at IS NULL;

-- Documents. Their bytes are a blob under the document's id.
CREATE TABLE documents (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    knowledge_base_id TEXT NOT NULL REFERENCES knowledge_bases (id),
    filename TEXT NOT NULL,
    media_type TEXT,
    size BIGINT NOT NULL,
    -- SHA-256 of the bytes.
    digest BLOB NOT NULL,
    title TEXT,
    state TEXT NOT NULL,
    -- Why it failed.
    reason TEXT,
    -- For people, while it is read: so many of so many units.
    done BIGINT NOT NULL,
    total BIGINT NOT NULL,
    -- Each reading of it has a number, from 1. Pages, chunks and vectors are of one; those of this one can be found,
    -- and there is none yet where it is 0.
    edition BIGINT NOT NULL,
    -- The last number that was given.
    last_edition BIGINT NOT NULL,
    -- Of the edition that can be found.
    page_count BIGINT NOT NULL,
    chunk_count BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    indexed_at BIGINT,
    removed_at BIGINT
);
CREATE UNIQUE INDEX documents_by_digest ON documents (knowledge_base_id, digest) WHERE removed_at IS NULL;
CREATE INDEX documents_by_base ON documents (knowledge_base_id, created_at, id);
CREATE INDEX documents_by_organization ON documents (organization_id, created_at, id) WHERE removed_at IS NULL;

CREATE TABLE pages (
    document_id TEXT NOT NULL REFERENCES documents (id),
    edition BIGINT NOT NULL,
    number BIGINT NOT NULL,
    title TEXT,
    text TEXT NOT NULL,
    PRIMARY KEY (document_id, edition, number)
);

CREATE TABLE chunks (
    id TEXT NOT NULL PRIMARY KEY,
    document_id TEXT NOT NULL REFERENCES documents (id),
    edition BIGINT NOT NULL,
    -- From 0, ascending.
    ordinal BIGINT NOT NULL,
    text TEXT NOT NULL,
    -- What is embedded and searched in its place.
    embedded_text TEXT,
    first_page BIGINT NOT NULL,
    last_page BIGINT NOT NULL,
    -- Characters from the beginning of the first page's text, and of the last page's.
    begins_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    -- A JSON object.
    metadata TEXT,
    UNIQUE (document_id, edition, ordinal)
);

-- The vectors of chunks, as the index writes them.
CREATE TABLE vectors (
    document_id TEXT NOT NULL REFERENCES documents (id),
    edition BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (document_id, edition, generation, ordinal)
) WITHOUT ROWID;

-- How many chunks of a document have a vector of a generation.
CREATE TABLE vector_coverage (
    document_id TEXT NOT NULL REFERENCES documents (id),
    generation BIGINT NOT NULL,
    knowledge_base_id TEXT NOT NULL,
    edition BIGINT NOT NULL,
    embedded BIGINT NOT NULL,
    PRIMARY KEY (document_id, generation)
);
CREATE INDEX vector_coverage_by_base ON vector_coverage (knowledge_base_id, generation, document_id);

-- What is still to be done with documents: to read one (generation 0), or to make its vectors of a generation.
CREATE TABLE ingestions (
    -- The document's id, a colon and the generation.
    id TEXT NOT NULL PRIMARY KEY,
    document_id TEXT NOT NULL REFERENCES documents (id),
    knowledge_base_id TEXT NOT NULL REFERENCES knowledge_bases (id),
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    generation BIGINT NOT NULL,
    -- What is being written, from the first claim on (0 before), or what vectors are made of.
    edition BIGINT NOT NULL,
    -- The first chunk without a vector.
    cursor BIGINT NOT NULL,
    is_large BOOLEAN NOT NULL,
    -- Attempts that failed in a row, and claims that were not given back.
    attempt BIGINT NOT NULL,
    lapses BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    claim_id TEXT,
    lease_until BIGINT,
    last_error TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX ingestions_in_turn ON ingestions (organization_id, is_large, due_at, id);
CREATE INDEX ingestions_due ON ingestions (due_at, id);
CREATE INDEX ingestions_under_way ON ingestions (organization_id, lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX ingestions_by_document ON ingestions (document_id, generation);
CREATE INDEX ingestions_by_base ON ingestions (knowledge_base_id, generation);

-- When an organisation's documents last had a turn, and when the last of them came.
CREATE TABLE ingestion_turns (
    organization_id TEXT NOT NULL PRIMARY KEY REFERENCES organizations (id),
    turn_at BIGINT NOT NULL,
    came_at BIGINT NOT NULL
);
CREATE INDEX ingestion_turns_by_time ON ingestion_turns (turn_at, organization_id);

-- What was changed of what can be found, in order and without gaps: what hosts' indexes follow.
CREATE TABLE knowledge_changes (
    seq BIGINT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    knowledge_base_id TEXT NOT NULL,
    document_id TEXT,
    edition BIGINT,
    generation BIGINT,
    -- The first chunk and how many.
    first_ordinal BIGINT,
    count BIGINT,
    time BIGINT NOT NULL
);
CREATE INDEX knowledge_changes_by_time ON knowledge_changes (time);

-- The last number that was given, in its only row: whoever takes the next holds this row until the change is committed.
-- And the last one that was forgotten.
CREATE TABLE knowledge_head (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    seq BIGINT NOT NULL,
    forgotten BIGINT NOT NULL
);
INSERT INTO knowledge_head (id, seq, forgotten) VALUES (1, 0, 0);

-- How far hosts' indexes have come.
CREATE TABLE knowledge_followers (
    host_id TEXT NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);

-- What is still to be wiped out.
CREATE TABLE removals (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    knowledge_base_id TEXT NOT NULL,
    document_id TEXT,
    -- Which edition, or which generation.
    number BIGINT,
    -- The change that told hosts of it.
    seq BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    claim_id TEXT,
    lease_until BIGINT,
    created_at BIGINT NOT NULL
);
CREATE INDEX removals_due ON removals (due_at, id);
CREATE INDEX removals_by_base ON removals (knowledge_base_id, id);

-- Conversations with knowledge bases.
CREATE TABLE conversations (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    workspace_id TEXT,
    agent_id TEXT,
    title TEXT NOT NULL,
    message_count BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    archived_at BIGINT
);
CREATE INDEX conversations_by_organization ON conversations (organization_id, updated_at, id);

CREATE TABLE messages (
    conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    -- From 1, ascending.
    ordinal BIGINT NOT NULL,
    id TEXT NOT NULL,
    role TEXT NOT NULL,
    content TEXT NOT NULL,
    -- A JSON array: which chunks of which documents, and their scores. Not their texts: those go with the document.
    sources TEXT NOT NULL,
    confidence DOUBLE PRECISION,
    is_fallback BOOLEAN NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (conversation_id, ordinal)
);

-- What was asked, for sums.
CREATE TABLE questions (
    id TEXT NOT NULL PRIMARY KEY,
    time BIGINT NOT NULL,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    workspace_id TEXT,
    knowledge_base_id TEXT,
    question TEXT NOT NULL,
    is_answered BOOLEAN NOT NULL,
    is_fallback BOOLEAN NOT NULL,
    confidence DOUBLE PRECISION,
    duration_us BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL
);
CREATE INDEX questions_by_organization ON questions (organization_id, time);
CREATE INDEX questions_by_time ON questions (time);

CREATE TABLE question_sources (
    question_id TEXT NOT NULL REFERENCES questions (id) ON DELETE CASCADE,
    document_id TEXT NOT NULL,
    PRIMARY KEY (question_id, document_id)
);
CREATE INDEX question_sources_by_document ON question_sources (document_id);
