package indexer

// sums are tables and triggers that keep what pages add up, so that a page takes as
// long with a million payments as with none. Whatever is written to the tables of
// [schema] is added here by SQLite itself, in the same transaction: who writes need
// not think of it, and tables made again have the same sums.
const sums = `
CREATE TABLE totals ( -- of all that there is
	txs       INTEGER NOT NULL,
	providers INTEGER NOT NULL, -- active
	bonded    INTEGER NOT NULL, -- ukoin, as the next two
	backing   INTEGER NOT NULL, -- of it, of those that are active
	slashed   INTEGER NOT NULL,
	locked    INTEGER NOT NULL,
	since     INTEGER NOT NULL, -- the day thirty before the last block's
	buyers    INTEGER NOT NULL, -- who paid since then
	sellers   INTEGER NOT NULL  -- who were paid
);
INSERT INTO totals VALUES (0, 0, 0, 0, 0, 0, 0, 0, 0);
CREATE TABLE hours ( -- of payments, and of grants first redeemed then
	hour    INTEGER PRIMARY KEY,
	paid    INTEGER NOT NULL DEFAULT 0,
	royalty INTEGER NOT NULL DEFAULT 0,
	grants  INTEGER NOT NULL DEFAULT 0,
	seconds INTEGER NOT NULL DEFAULT 0 -- from activating them
);
CREATE TABLE parts ( -- a day, by role, of a model version or, for an empty one, of all
	model  TEXT NOT NULL,
	day    INTEGER NOT NULL,
	role   TEXT NOT NULL,
	amount INTEGER NOT NULL,
	PRIMARY KEY (model, day, role)
) WITHOUT ROWID;
CREATE TABLE traders ( -- who paid, and who was paid for serving
	side    TEXT NOT NULL, -- buyer or seller
	account TEXT NOT NULL,
	last    INTEGER NOT NULL,
	PRIMARY KEY (side, account)
) WITHOUT ROWID;
CREATE INDEX traders_by_time ON traders (side, last);

CREATE TRIGGER day_passed AFTER INSERT ON blocks WHEN new.at / 86400 - 30 > (SELECT since / 86400 FROM totals) BEGIN
	UPDATE totals SET since = (new.at / 86400 - 30) * 86400;
	UPDATE totals SET buyers = (SELECT COUNT(*) FROM traders WHERE side = 'buyer' AND last >= since),
		sellers = (SELECT COUNT(*) FROM traders WHERE side = 'seller' AND last >= since);
	UPDATE versions SET lately = (SELECT COALESCE(SUM(amount), 0) FROM parts WHERE model = digest AND day >= (SELECT since FROM totals));
END;
CREATE TRIGGER trader_came AFTER INSERT ON traders BEGIN
	UPDATE totals SET buyers = buyers + (new.side = 'buyer'), sellers = sellers + (new.side = 'seller');
END;
CREATE TRIGGER trader_returned AFTER UPDATE OF last ON traders WHEN old.last < (SELECT since FROM totals) BEGIN
	UPDATE totals SET buyers = buyers + (new.side = 'buyer'), sellers = sellers + (new.side = 'seller');
END;
CREATE TRIGGER txs_counted AFTER INSERT ON txs BEGIN
	UPDATE totals SET txs = txs + 1;
END;
CREATE TRIGGER provider_added AFTER INSERT ON providers BEGIN
	UPDATE totals SET providers = providers + (new.status = 'active'), bonded = bonded + new.bond, backing = backing + new.bond * (new.status = 'active'), slashed = slashed + new.slashed;
	UPDATE offers SET active = (new.status = 'active') WHERE provider = new.address;
	UPDATE providers SET offers = (SELECT COUNT(*) FROM offers WHERE provider = new.address),
		earned = (SELECT COALESCE(SUM(amount), 0) FROM payments WHERE provider = new.address AND role = 'provider'),
		audits = (SELECT COUNT(*) FROM audits WHERE provider = new.address),
		passed = (SELECT COUNT(*) FROM audits WHERE provider = new.address AND outcome IN ('passed', 'agreed', 'upheld')) WHERE address = new.address;
END;
CREATE TRIGGER provider_changed AFTER UPDATE OF bond, slashed ON providers BEGIN
	UPDATE totals SET bonded = bonded + new.bond - old.bond, backing = backing + (new.bond - old.bond) * (new.status = 'active'), slashed = slashed + new.slashed - old.slashed;
END;
CREATE TRIGGER provider_moved AFTER UPDATE OF status ON providers WHEN new.status <> old.status BEGIN
	UPDATE totals SET providers = providers + (new.status = 'active') - (old.status = 'active'),
		backing = backing + new.bond * ((new.status = 'active') - (old.status = 'active'));
	UPDATE offers SET active = (new.status = 'active') WHERE provider = new.address;
END;
CREATE TRIGGER offer_added AFTER INSERT ON offers BEGIN
	UPDATE providers SET offers = offers + 1 WHERE address = new.provider;
	UPDATE offers SET active = 1 WHERE provider = new.provider AND model = new.model
		AND EXISTS (SELECT 1 FROM providers WHERE address = new.provider AND status = 'active');
END;
CREATE TRIGGER offer_moved AFTER UPDATE OF active ON offers WHEN new.active <> old.active BEGIN
	UPDATE versions SET providers = providers + new.active - old.active WHERE digest = new.model;
END;
CREATE TRIGGER offer_removed AFTER DELETE ON offers BEGIN
	UPDATE providers SET offers = offers - 1 WHERE address = old.provider;
	UPDATE versions SET providers = providers - old.active WHERE digest = old.model;
END;
CREATE TRIGGER version_added AFTER INSERT ON versions BEGIN
	UPDATE versions SET providers = (SELECT COUNT(*) FROM offers WHERE model = new.digest AND active = 1),
		paid = (SELECT COALESCE(SUM(amount), 0) FROM payments WHERE model = new.digest),
		lately = (SELECT COALESCE(SUM(amount), 0) FROM parts WHERE model = new.digest AND day >= (SELECT since FROM totals)) WHERE digest = new.digest;
END;
CREATE TRIGGER grant_added AFTER INSERT ON grants BEGIN
	UPDATE totals SET locked = locked + new.cap;
END;
CREATE TRIGGER grant_redeemed AFTER UPDATE OF redeemed ON grants WHEN new.closed = 0 BEGIN
	UPDATE totals SET locked = locked - new.redeemed + old.redeemed;
END;
CREATE TRIGGER grant_closed AFTER UPDATE OF closed ON grants WHEN old.closed = 0 AND new.closed > 0 BEGIN
	UPDATE totals SET locked = locked - new.cap + new.redeemed;
END;
CREATE TRIGGER grant_settled AFTER UPDATE OF settled ON grants WHEN old.settled = 0 AND new.settled > 0 BEGIN
	INSERT INTO hours (hour, grants, seconds) VALUES (new.settled / 3600 * 3600, 1, new.settled - new.at)
		ON CONFLICT DO UPDATE SET grants = grants + 1, seconds = seconds + excluded.seconds;
END;
CREATE TRIGGER paid AFTER INSERT ON payments BEGIN
	INSERT INTO hours (hour, paid, royalty) VALUES (new.at / 3600 * 3600, new.amount, CASE WHEN new.role IN ('owner', 'royalty') THEN new.amount ELSE 0 END)
		ON CONFLICT DO UPDATE SET paid = paid + excluded.paid, royalty = royalty + excluded.royalty;
	INSERT INTO parts VALUES (new.model, new.at / 86400 * 86400, new.role, new.amount), ('', new.at / 86400 * 86400, new.role, new.amount)
		ON CONFLICT DO UPDATE SET amount = amount + excluded.amount;
	UPDATE versions SET paid = paid + new.amount, lately = lately + new.amount WHERE digest = new.model;
END;
CREATE TRIGGER provider_paid AFTER INSERT ON payments WHEN new.role = 'provider' BEGIN
	UPDATE providers SET earned = earned + new.amount WHERE address = new.provider;
	INSERT INTO traders VALUES ('seller', new.provider, new.at), ('buyer', new.payer, new.at) ON CONFLICT DO UPDATE SET last = excluded.last;
END;
CREATE TRIGGER audited AFTER INSERT ON audits BEGIN
	UPDATE providers SET audits = audits + 1, passed = passed + (new.outcome IN ('passed', 'agreed', 'upheld')) WHERE address = new.provider;
END;
CREATE TRIGGER audit_withdrawn AFTER DELETE ON audits BEGIN
	UPDATE providers SET audits = audits - 1, passed = passed - (old.outcome IN ('passed', 'agreed', 'upheld')) WHERE address = old.provider;
END;
`
