-- What hosts leased of each limit, in the window that it is in. One row a limit, whatever time it is.
CREATE TABLE quota_windows (
    -- The id of a key or an organisation.
    subject TEXT COLLATE "C" NOT NULL,
    meter TEXT COLLATE "C" NOT NULL,
    period TEXT COLLATE "C" NOT NULL,
    begin_at BIGINT NOT NULL,
    granted BIGINT NOT NULL,
    PRIMARY KEY (subject, meter, period)
);
