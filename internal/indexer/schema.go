package indexer

// layout is the version of the tables below. Tables of another layout are made
// again from the ledger, which loses nothing.
const layout = 3

// schema: amounts are in ucredit or, where it says so, in ukoin; times are Unix
// seconds of the block. A position of -1 is the block's own, after its
// transactions.
const schema = `
CREATE TABLE source (
	chain_id TEXT NOT NULL,
	height   INTEGER NOT NULL
);
CREATE TABLE blocks (
	height   INTEGER PRIMARY KEY,
	at       INTEGER NOT NULL,
	hash     TEXT NOT NULL,
	proposer TEXT NOT NULL,
	txs      INTEGER NOT NULL
);
CREATE INDEX blocks_by_hash ON blocks (hash);
CREATE TABLE txs (
	height   INTEGER NOT NULL,
	position INTEGER NOT NULL,
	hash     TEXT NOT NULL,
	sender   TEXT NOT NULL,
	fee      INTEGER NOT NULL, -- ukoin
	gas      INTEGER NOT NULL,
	refusal  TEXT NOT NULL,
	PRIMARY KEY (height, position)
) WITHOUT ROWID;
CREATE INDEX txs_by_hash ON txs (hash);
CREATE TABLE messages (
	height   INTEGER NOT NULL,
	position INTEGER NOT NULL,
	number   INTEGER NOT NULL,
	kind     TEXT NOT NULL,
	body     TEXT NOT NULL, -- JSON
	PRIMARY KEY (height, position, number)
) WITHOUT ROWID;
CREATE TABLE events (
	height   INTEGER NOT NULL,
	position INTEGER NOT NULL,
	number   INTEGER NOT NULL,
	kind     TEXT NOT NULL,
	body     TEXT NOT NULL, -- JSON
	PRIMARY KEY (height, position, number)
) WITHOUT ROWID;
CREATE INDEX events_by_kind ON events (kind, height);
CREATE TABLE mentions ( -- of an address, digest or grant, by a transaction or a block's events
	subject  TEXT NOT NULL,
	height   INTEGER NOT NULL,
	position INTEGER NOT NULL,
	PRIMARY KEY (subject, height, position)
) WITHOUT ROWID;

CREATE TABLE versions (
	digest       TEXT PRIMARY KEY,
	name         TEXT NOT NULL,
	version      TEXT NOT NULL,
	owner        TEXT NOT NULL,
	status       TEXT NOT NULL, -- draft, listed, deprecated or withdrawn
	class        TEXT NOT NULL, -- exact or statistical
	license      TEXT NOT NULL,
	architecture TEXT NOT NULL,
	quantization TEXT NOT NULL,
	parameters   INTEGER NOT NULL,
	size         INTEGER NOT NULL, -- bytes
	context      INTEGER NOT NULL, -- tokens
	at           INTEGER NOT NULL,
	-- kept by triggers
	providers    INTEGER NOT NULL DEFAULT 0, -- active ones that offer it
	paid         INTEGER NOT NULL DEFAULT 0,
	lately       INTEGER NOT NULL DEFAULT 0 -- of it, since totals.since
) WITHOUT ROWID;
CREATE INDEX versions_by_name ON versions (name);
CREATE INDEX versions_by_pay ON versions (lately, paid, at, digest);
CREATE TABLE lineage (
	version TEXT NOT NULL,
	parent  TEXT NOT NULL,
	PRIMARY KEY (version, parent)
) WITHOUT ROWID;
CREATE INDEX lineage_by_parent ON lineage (parent);
CREATE TABLE tags (
	model   TEXT NOT NULL,
	tag     TEXT NOT NULL,
	version TEXT NOT NULL,
	PRIMARY KEY (model, tag)
) WITHOUT ROWID;
CREATE INDEX tags_by_version ON tags (version);
CREATE TABLE providers (
	address    TEXT PRIMARY KEY,
	moniker    TEXT NOT NULL,
	region     TEXT NOT NULL DEFAULT '',
	status     TEXT NOT NULL DEFAULT 'active', -- active, draining, jailed
	bond       INTEGER NOT NULL,               -- ukoin
	slashed    INTEGER NOT NULL DEFAULT 0,     -- ukoin
	jailed_until INTEGER NOT NULL DEFAULT 0,
	tombstoned INTEGER NOT NULL DEFAULT 0,
	at         INTEGER NOT NULL,
	-- kept by triggers
	offers     INTEGER NOT NULL DEFAULT 0,
	earned     INTEGER NOT NULL DEFAULT 0,
	audits     INTEGER NOT NULL DEFAULT 0,
	passed     INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX providers_by_bond ON providers (bond, address);
CREATE INDEX providers_by_moniker ON providers (lower(moniker));
CREATE TABLE offers (
	provider TEXT NOT NULL,
	model    TEXT NOT NULL,
	input    INTEGER NOT NULL, -- for a million tokens, as the next two
	cached   INTEGER NOT NULL,
	output   INTEGER NOT NULL,
	active   INTEGER NOT NULL DEFAULT 0, -- its provider is; kept by triggers
	PRIMARY KEY (provider, model)
) WITHOUT ROWID;
CREATE INDEX offers_by_price ON offers (model, output, input, provider);
CREATE INDEX offers_by_input ON offers (model, active, input);
CREATE INDEX offers_by_output ON offers (model, active, output);
CREATE TABLE grants (
	id       TEXT PRIMARY KEY,
	payer    TEXT NOT NULL,
	provider TEXT NOT NULL,
	model    TEXT NOT NULL,
	cap      INTEGER NOT NULL,
	redeemed INTEGER NOT NULL DEFAULT 0,
	expiry   INTEGER NOT NULL,
	at       INTEGER NOT NULL,
	closed   INTEGER NOT NULL DEFAULT 0,
	settled  INTEGER NOT NULL DEFAULT 0 -- when it was first redeemed
) WITHOUT ROWID;
CREATE INDEX grants_by_provider ON grants (provider);
CREATE TABLE payments ( -- one row for each part of a redemption's split
	id        INTEGER PRIMARY KEY,
	height    INTEGER NOT NULL,
	at        INTEGER NOT NULL,
	grant_id  TEXT NOT NULL,
	payer     TEXT NOT NULL,
	provider  TEXT NOT NULL,
	model     TEXT NOT NULL,
	recipient TEXT NOT NULL,
	role      TEXT NOT NULL,
	amount    INTEGER NOT NULL
);
CREATE INDEX payments_by_model ON payments (model, at);
CREATE INDEX payments_by_provider ON payments (provider, at);
CREATE INDEX payments_by_recipient ON payments (recipient, at);
CREATE TABLE cases (
	id       INTEGER PRIMARY KEY,
	provider TEXT NOT NULL,
	accuser  TEXT NOT NULL,
	receipt  TEXT NOT NULL,
	state    TEXT NOT NULL,
	outcome  TEXT NOT NULL DEFAULT '',
	opened   INTEGER NOT NULL,
	closed   INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX cases_by_provider ON cases (provider);
CREATE TABLE convictions (
	reference TEXT PRIMARY KEY,
	convict   TEXT NOT NULL,
	offence   TEXT NOT NULL,
	finder    TEXT NOT NULL,
	victim    TEXT NOT NULL,
	fine      INTEGER NOT NULL, -- ukoin
	forfeited INTEGER NOT NULL,
	at        INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX convictions_by_convict ON convictions (convict);
CREATE TABLE audits ( -- mystery purchases that were reported, and epoch challenges
	id       INTEGER PRIMARY KEY,
	provider TEXT NOT NULL,
	model    TEXT NOT NULL,
	kind     TEXT NOT NULL, -- purchase or challenge
	outcome  TEXT NOT NULL, -- passed, or what it was instead
	at       INTEGER NOT NULL
);
CREATE INDEX audits_by_provider ON audits (provider, at);
`
