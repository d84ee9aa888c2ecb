-- A file as version 0.1.0 leaves it: written by `service-registry register`, and dumped. It stays as
-- it is for ever: what later versions read must be what the first one wrote.
PRAGMA journal_mode = WAL;
BEGIN TRANSACTION;
CREATE TABLE owners (
    id TEXT PRIMARY KEY, -- of a service that is registered
    address TEXT NOT NULL -- from which it was registered
);
INSERT INTO "owners" VALUES('psu-1','127.0.0.1');
INSERT INTO "owners" VALUES('cam-1','127.0.0.2');
INSERT INTO "owners" VALUES('chopper-1','127.0.0.1');
CREATE TABLE policies (
    id TEXT PRIMARY KEY, -- of a service that is registered, or that expired
    policy TEXT NOT NULL -- what it said of sharing its type: singleton or allow_duplicates
);
INSERT INTO "policies" VALUES('psu-1','singleton');
INSERT INTO "policies" VALUES('chopper-1','allow_duplicates');
CREATE TABLE services (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    metadata TEXT, -- a JSON object; NULL or an empty text stand for {}
    ttl INTEGER NOT NULL, -- seconds
    last_heartbeat INTEGER NOT NULL, -- seconds since the Unix epoch
    tags TEXT -- a JSON list of texts; NULL or an empty text stand for []
);
INSERT INTO "services" VALUES('psu-1','Power Supply','192.168.7.21',40123,'{"type":"PSU"}',3600,1795830486,'["PSU"]');
INSERT INTO "services" VALUES('cam-1','Camera','192.168.7.22',40124,'{"type":"CAMERA"}',30,1795830486,'["CAMERA"]');
INSERT INTO "services" VALUES('chopper-1','Chopper','192.168.7.23',40125,'{"type":"CHOPPER"}',60,1795830486,'["CHOPPER"]');
COMMIT;
PRAGMA user_version = 2;
