-- A journal as version 0.1.0 wrote it, before there were levels: one update committed, one rolled back,
-- one about to touch services. Made by that software; not written by hand.
PRAGMA application_id = 1330921777;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE backups (
    id TEXT PRIMARY KEY,
    version TEXT NOT NULL,
    transaction_id TEXT,
    created_at TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    bytes INTEGER NOT NULL
) STRICT;
INSERT INTO "backups" VALUES('20260101T000000Z-1','1.0.0','f25a0d10-585f-4747-9281-676cf5d0f272','2026-01-01T00:00:00Z','efefefefefefefefefefefefefefefefefefefefefefefefefefefefefefefef',1234);
CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
INSERT INTO "facts" VALUES('installed_version','1.1.0');
CREATE TABLE floor (role TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT;
INSERT INTO "floor" VALUES('timestamp',5);
CREATE TABLE known_bad (
    version TEXT PRIMARY KEY, transaction_id TEXT NOT NULL, reason TEXT NOT NULL, at TEXT NOT NULL
) STRICT;
INSERT INTO "known_bad" VALUES('1.2.0','93c408d9-5684-4fa2-bcaa-c10e252b5b0a','app is unhealthy','2026-11-23T13:34:48.719Z');
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, transaction_id TEXT, body TEXT NOT NULL
) STRICT;
INSERT INTO "outbox" VALUES(1,'71239265-7c89-4d9a-be4c-7ec565f4a7d2','f1d9d008-dfdb-4ca8-94af-6e31cbab50b0','{"id": "71239265-7c89-4d9a-be4c-7ec565f4a7d2", "at": "2026-11-23T13:34:48.643Z", "kind": "transition", "gateway": "site_1", "transaction": "f1d9d008-dfdb-4ca8-94af-6e31cbab50b0", "rollout": 7, "version": "1.1.0", "from_version": "1.0.0", "state": "RECEIVED", "reason": "", "details": {}}');
INSERT INTO "outbox" VALUES(2,'0d07d02d-9e76-47e9-8230-39196f9793e0','f1d9d008-dfdb-4ca8-94af-6e31cbab50b0','{"id": "0d07d02d-9e76-47e9-8230-39196f9793e0", "at": "2026-11-23T13:34:48.645Z", "kind": "transition", "gateway": "site_1", "transaction": "f1d9d008-dfdb-4ca8-94af-6e31cbab50b0", "rollout": 7, "version": "1.1.0", "from_version": "1.0.0", "state": "VERIFIED", "reason": "", "details": {}}');
INSERT INTO "outbox" VALUES(3,'d2c751a0-3fca-4a8a-8d52-71fed2b268a7','f1d9d008-dfdb-4ca8-94af-6e31cbab50b0','{"id": "d2c751a0-3fca-4a8a-8d52-71fed2b268a7", "at": "2026-11-23T13:34:48.646Z", "kind": "transition", "gateway": "site_1", "transaction": "f1d9d008-dfdb-4ca8-94af-6e31cbab50b0", "rollout": 7, "version": "1.1.0", "from_version": "1.0.0", "state": "BACKED_UP", "reason": "", "details": {}}');
INSERT INTO "outbox" VALUES(4,'a39871e9-3b22-4b47-9e56-d8d1ff32ecca','f1d9d008-dfdb-4ca8-94af-6e31cbab50b0','{"id": "a39871e9-3b22-4b47-9e56-d8d1ff32ecca", "at": "2026-11-23T13:34:48.648Z", "kind": "transition", "gateway": "site_1", "transaction": "f1d9d008-dfdb-4ca8-94af-6e31cbab50b0", "rollout": 7, "version": "1.1.0", "from_version": "1.0.0", "state": "PULLED", "reason": "", "details": {}}');
INSERT INTO "outbox" VALUES(5,'93f0bf99-3b43-42e9-8322-ccb9831cfb73','f1d9d008-dfdb-4ca8-94af-6e31cbab50b0','{"id": "93f0bf99-3b43-42e9-8322-ccb9831cfb73", "at": "2026-11-23T13:34:48.652Z", "kind": "transition", "gateway": "site_1", "transaction": "f1d9d008-dfdb-4ca8-94af-6e31cbab50b0", "rollout": 7, "version": "1.1.0", "from_version": "1.0.0", "state": "STOPPED", "reason": "", "details": {}}');
INSERT INTO "outbox" VALUES(6,'e1c9f7f1-3fda-4652-b088-791e00650f7f','f1d9d008-dfdb-4ca8-94af-6e31cbab50b0','{"id": "e1c9f7f1-3fda-4652-b088-791e00650f7f", "at": "2026-11-23T13:34:48.657Z", "kind": "transition", "gateway": "site_1", "transaction": "f1d9d008-dfdb-4ca8-94af-6e31cbab50b0", "rollout": 7, "version": "1.1.0", "from_version": "1.0.0", "state": "APPLIED", "reason": "", "details": {}}');
INSERT INTO "outbox" VALUES(7,'25ff79c1-bfba-4c10-9ec5-b593b913f9b7','f1d9d008-dfdb-4ca8-94af-6e31cbab50b0','{"id": "25ff79c1-bfba-4c10-9ec5-b593b913f9b7", "at": "2026-11-23T13:34:48.661Z", "kind": "transition", "gateway": "site_1", "transaction": "f1d9d008-dfdb-4ca8-94af-6e31cbab50b0", "rollout": 7, "version": "1.1.0", "from_version": "1.0.0", "state": "STARTED", "reason": "", "details": {}}');
INSERT INTO "outbox" VALUES(8,'65cf1ef2-b7b2-4148-ae60-9e87e4f64094','f1d9d008-dfdb-4ca8-94af-6e31cbab50b0','{"id": "65cf1ef2-b7b2-4148-ae60-9e87e4f64094", "at": "2026-11-23T13:34:48.693Z", "kind": "transition", "gateway": "site_1", "transaction": "f1d9d008-dfdb-4ca8-94af-6e31cbab50b0", "rollout": 7, "version": "1.1.0", "from_version": "1.0.0", "state": "HEALTHY", "reason": "", "details": {}}');
INSERT INTO "outbox" VALUES(9,'5749b849-6512-4608-adbd-9e996cb38e96','f1d9d008-dfdb-4ca8-94af-6e31cbab50b0','{"id": "5749b849-6512-4608-adbd-9e996cb38e96", "at": "2026-11-23T13:34:48.697Z", "kind": "transition", "gateway": "site_1", "transaction": "f1d9d008-dfdb-4ca8-94af-6e31cbab50b0", "rollout": 7, "version": "1.1.0", "from_version": "1.0.0", "state": "COMMITTED", "reason": "", "details": {}}');
INSERT INTO "outbox" VALUES(10,'ebfadd7c-2d28-4e52-831c-495a355db144','93c408d9-5684-4fa2-bcaa-c10e252b5b0a','{"id": "ebfadd7c-2d28-4e52-831c-495a355db144", "at": "2026-11-23T13:34:48.698Z", "kind": "transition", "gateway": "site_1", "transaction": "93c408d9-5684-4fa2-bcaa-c10e252b5b0a", "rollout": 7, "version": "1.2.0", "from_version": "1.1.0", "state": "RECEIVED", "reason": "", "details": {}}');
INSERT INTO "outbox" VALUES(11,'fb73adf1-4017-4889-afe5-6a11d4a2a6f3','93c408d9-5684-4fa2-bcaa-c10e252b5b0a','{"id": "fb73adf1-4017-4889-afe5-6a11d4a2a6f3", "at": "2026-11-23T13:34:48.701Z", "kind": "transition", "gateway": "site_1", "transaction": "93c408d9-5684-4fa2-bcaa-c10e252b5b0a", "rollout": 7, "version": "1.2.0", "from_version": "1.1.0", "state": "VERIFIED", "reason": "", "details": {}}');
INSERT INTO "outbox" VALUES(12,'cd01a0dd-4674-4568-984d-570afc8a727f','93c408d9-5684-4fa2-bcaa-c10e252b5b0a','{"id": "cd01a0dd-4674-4568-984d-570afc8a727f", "at": "2026-11-23T13:34:48.704Z", "kind": "transition", "gateway": "site_1", "transaction": "93c408d9-5684-4fa2-bcaa-c10e252b5b0a", "rollout": 7, "version": "1.2.0", "from_version": "1.1.0", "state": "BACKED_UP", "reason": "", "details": {}}');
INSERT INTO "outbox" VALUES(13,'e0a68a96-ce69-4159-aa5c-c113e8d2cda0','93c408d9-5684-4fa2-bcaa-c10e252b5b0a','{"id": "e0a68a96-ce69-4159-aa5c-c113e8d2cda0", "at": "2026-11-23T13:34:48.706Z", "kind": "transition", "gateway": "site_1", "transaction": "93c408d9-5684-4fa2-bcaa-c10e252b5b0a", "rollout": 7, "version": "1.2.0", "from_version": "1.1.0", "state": "PULLED", "reason": "", "details": {}}');
INSERT INTO "outbox" VALUES(14,'7ca9b930-931a-41a3-81a8-cd45aeac1b7d','93c408d9-5684-4fa2-bcaa-c10e252b5b0a','{"id": "7ca9b930-931a-41a3-81a8-cd45aeac1b7d", "at": "2026-11-23T13:34:48.708Z", "kind": "transition", "gateway": "site_1", "transaction": "93c408d9-5684-4fa2-bcaa-c10e252b5b0a", "rollout": 7, "version": "1.2.0", "from_version": "1.1.0", "state": "STOPPED", "reason": "", "details": {}}');
INSERT INTO "outbox" VALUES(15,'baaa1586-9a1c-47f2-a4ad-3054bbb5a15b','93c408d9-5684-4fa2-bcaa-c10e252b5b0a','{"id": "baaa1586-9a1c-47f2-a4ad-3054bbb5a15b", "at": "2026-11-23T13:34:48.712Z", "kind": "transition", "gateway": "site_1", "transaction": "93c408d9-5684-4fa2-bcaa-c10e252b5b0a", "rollout": 7, "version": "1.2.0", "from_version": "1.1.0", "state": "APPLIED", "reason": "", "details": {}}');
INSERT INTO "outbox" VALUES(16,'89c2eb84-d082-4106-9c15-f943f2915898','93c408d9-5684-4fa2-bcaa-c10e252b5b0a','{"id": "89c2eb84-d082-4106-9c15-f943f2915898", "at": "2026-11-23T13:34:48.714Z", "kind": "transition", "gateway": "site_1", "transaction": "93c408d9-5684-4fa2-bcaa-c10e252b5b0a", "rollout": 7, "version": "1.2.0", "from_version": "1.1.0", "state": "STARTED", "reason": "", "details": {}}');
INSERT INTO "outbox" VALUES(17,'18a5eea3-a0aa-4c82-9964-c4b49d792fc0','93c408d9-5684-4fa2-bcaa-c10e252b5b0a','{"id": "18a5eea3-a0aa-4c82-9964-c4b49d792fc0", "at": "2026-11-23T13:34:48.715Z", "kind": "transition", "gateway": "site_1", "transaction": "93c408d9-5684-4fa2-bcaa-c10e252b5b0a", "rollout": 7, "version": "1.2.0", "from_version": "1.1.0", "state": "ROLLING_BACK", "reason": "app is unhealthy", "details": {}}');
INSERT INTO "outbox" VALUES(18,'06b7428b-412e-4022-ac96-71a492435b6d','93c408d9-5684-4fa2-bcaa-c10e252b5b0a','{"id": "06b7428b-412e-4022-ac96-71a492435b6d", "at": "2026-11-23T13:34:48.719Z", "kind": "transition", "gateway": "site_1", "transaction": "93c408d9-5684-4fa2-bcaa-c10e252b5b0a", "rollout": 7, "version": "1.2.0", "from_version": "1.1.0", "state": "ROLLED_BACK", "reason": "app is unhealthy", "details": {}}');
INSERT INTO "outbox" VALUES(19,'05721709-a7cc-40c1-9968-b00ec656a510','f25a0d10-585f-4747-9281-676cf5d0f272','{"id": "05721709-a7cc-40c1-9968-b00ec656a510", "at": "2026-11-23T13:34:48.720Z", "kind": "transition", "gateway": "site_1", "transaction": "f25a0d10-585f-4747-9281-676cf5d0f272", "rollout": 7, "version": "1.3.0", "from_version": "1.1.0", "state": "RECEIVED", "reason": "", "details": {}}');
INSERT INTO "outbox" VALUES(20,'422c7bc0-1faf-468d-bc90-50fb468b4a24','f25a0d10-585f-4747-9281-676cf5d0f272','{"id": "422c7bc0-1faf-468d-bc90-50fb468b4a24", "at": "2026-11-23T13:34:48.721Z", "kind": "transition", "gateway": "site_1", "transaction": "f25a0d10-585f-4747-9281-676cf5d0f272", "rollout": 7, "version": "1.3.0", "from_version": "1.1.0", "state": "VERIFIED", "reason": "", "details": {}}');
INSERT INTO "outbox" VALUES(21,'eaf7e194-2568-4413-aac6-1d9f252edae1','f25a0d10-585f-4747-9281-676cf5d0f272','{"id": "eaf7e194-2568-4413-aac6-1d9f252edae1", "at": "2026-11-23T13:34:48.723Z", "kind": "transition", "gateway": "site_1", "transaction": "f25a0d10-585f-4747-9281-676cf5d0f272", "rollout": 7, "version": "1.3.0", "from_version": "1.1.0", "state": "BACKED_UP", "reason": "", "details": {}}');
INSERT INTO "outbox" VALUES(22,'0b593418-d060-49d9-b185-2d76058dd297','f25a0d10-585f-4747-9281-676cf5d0f272','{"id": "0b593418-d060-49d9-b185-2d76058dd297", "at": "2026-11-23T13:34:48.730Z", "kind": "transition", "gateway": "site_1", "transaction": "f25a0d10-585f-4747-9281-676cf5d0f272", "rollout": 7, "version": "1.3.0", "from_version": "1.1.0", "state": "PULLED", "reason": "", "details": {}}');
CREATE TABLE steps (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    transaction_id TEXT NOT NULL REFERENCES transactions (id),
    name TEXT NOT NULL,
    begun_at TEXT NOT NULL,
    done_at TEXT,
    seconds REAL
) STRICT;
INSERT INTO "steps" VALUES(1,'f1d9d008-dfdb-4ca8-94af-6e31cbab50b0','RECEIVED','2026-11-23T13:34:48.643Z','2026-11-23T13:34:48.643Z',0.0);
INSERT INTO "steps" VALUES(2,'f1d9d008-dfdb-4ca8-94af-6e31cbab50b0','VERIFIED','2026-11-23T13:34:48.644Z','2026-11-23T13:34:48.645Z',0.001);
INSERT INTO "steps" VALUES(3,'f1d9d008-dfdb-4ca8-94af-6e31cbab50b0','BACKED_UP','2026-11-23T13:34:48.646Z','2026-11-23T13:34:48.646Z',0.001);
INSERT INTO "steps" VALUES(4,'f1d9d008-dfdb-4ca8-94af-6e31cbab50b0','PULLED','2026-11-23T13:34:48.647Z','2026-11-23T13:34:48.648Z',0.001);
INSERT INTO "steps" VALUES(5,'f1d9d008-dfdb-4ca8-94af-6e31cbab50b0','STOPPED','2026-11-23T13:34:48.648Z','2026-11-23T13:34:48.652Z',0.004);
INSERT INTO "steps" VALUES(6,'f1d9d008-dfdb-4ca8-94af-6e31cbab50b0','APPLIED','2026-11-23T13:34:48.656Z','2026-11-23T13:34:48.657Z',0.001);
INSERT INTO "steps" VALUES(7,'f1d9d008-dfdb-4ca8-94af-6e31cbab50b0','STARTED','2026-11-23T13:34:48.660Z','2026-11-23T13:34:48.660Z',0.001);
INSERT INTO "steps" VALUES(8,'f1d9d008-dfdb-4ca8-94af-6e31cbab50b0','HEALTHY','2026-11-23T13:34:48.686Z','2026-11-23T13:34:48.693Z',0.006);
INSERT INTO "steps" VALUES(9,'f1d9d008-dfdb-4ca8-94af-6e31cbab50b0','COMMITTED','2026-11-23T13:34:48.694Z','2026-11-23T13:34:48.695Z',0.001);
INSERT INTO "steps" VALUES(10,'93c408d9-5684-4fa2-bcaa-c10e252b5b0a','RECEIVED','2026-11-23T13:34:48.698Z','2026-11-23T13:34:48.698Z',0.0);
INSERT INTO "steps" VALUES(11,'93c408d9-5684-4fa2-bcaa-c10e252b5b0a','VERIFIED','2026-11-23T13:34:48.699Z','2026-11-23T13:34:48.701Z',0.003);
INSERT INTO "steps" VALUES(12,'93c408d9-5684-4fa2-bcaa-c10e252b5b0a','BACKED_UP','2026-11-23T13:34:48.702Z','2026-11-23T13:34:48.704Z',0.002);
INSERT INTO "steps" VALUES(13,'93c408d9-5684-4fa2-bcaa-c10e252b5b0a','PULLED','2026-11-23T13:34:48.705Z','2026-11-23T13:34:48.706Z',0.001);
INSERT INTO "steps" VALUES(14,'93c408d9-5684-4fa2-bcaa-c10e252b5b0a','STOPPED','2026-11-23T13:34:48.707Z','2026-11-23T13:34:48.708Z',0.001);
INSERT INTO "steps" VALUES(15,'93c408d9-5684-4fa2-bcaa-c10e252b5b0a','APPLIED','2026-11-23T13:34:48.711Z','2026-11-23T13:34:48.712Z',0.001);
INSERT INTO "steps" VALUES(16,'93c408d9-5684-4fa2-bcaa-c10e252b5b0a','STARTED','2026-11-23T13:34:48.713Z','2026-11-23T13:34:48.714Z',0.001);
INSERT INTO "steps" VALUES(17,'93c408d9-5684-4fa2-bcaa-c10e252b5b0a','ROLLING_BACK','2026-11-23T13:34:48.715Z','2026-11-23T13:34:48.715Z',0.001);
INSERT INTO "steps" VALUES(18,'93c408d9-5684-4fa2-bcaa-c10e252b5b0a','rollback.files','2026-11-23T13:34:48.717Z','2026-11-23T13:34:48.718Z',0.001);
INSERT INTO "steps" VALUES(19,'93c408d9-5684-4fa2-bcaa-c10e252b5b0a','ROLLED_BACK','2026-11-23T13:34:48.719Z','2026-11-23T13:34:48.719Z',0.0);
INSERT INTO "steps" VALUES(20,'f25a0d10-585f-4747-9281-676cf5d0f272','RECEIVED','2026-11-23T13:34:48.720Z','2026-11-23T13:34:48.720Z',0.0);
INSERT INTO "steps" VALUES(21,'f25a0d10-585f-4747-9281-676cf5d0f272','VERIFIED','2026-11-23T13:34:48.721Z','2026-11-23T13:34:48.721Z',0.001);
INSERT INTO "steps" VALUES(22,'f25a0d10-585f-4747-9281-676cf5d0f272','BACKED_UP','2026-11-23T13:34:48.722Z','2026-11-23T13:34:48.723Z',0.001);
INSERT INTO "steps" VALUES(23,'f25a0d10-585f-4747-9281-676cf5d0f272','PULLED','2026-11-23T13:34:48.727Z','2026-11-23T13:34:48.729Z',0.002);
INSERT INTO "steps" VALUES(24,'f25a0d10-585f-4747-9281-676cf5d0f272','STOPPED','2026-11-23T13:34:48.744Z',NULL,NULL);
CREATE TABLE transactions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    version TEXT NOT NULL,
    from_version TEXT NOT NULL,
    rollout INTEGER,
    state TEXT NOT NULL,
    intent TEXT,
    created_at TEXT NOT NULL,
    finished_at TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    error TEXT,
    downtime_seconds REAL,
    plan TEXT NOT NULL,
    clock TEXT NOT NULL
) STRICT;
INSERT INTO "transactions" VALUES(1,'f1d9d008-dfdb-4ca8-94af-6e31cbab50b0','update','1.1.0','1.0.0',7,'COMMITTED',NULL,'2026-11-23T13:34:48.643Z','2026-11-23T13:34:48.695Z',0,'','null',NULL,'{"manifest_sha256": "abababababababababababababababababababababababababababababababab", "files": [{"dest": "config/app.conf", "sha256": "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd", "mode": 420, "replaces": ""}], "change": {"changed": ["app"], "added": [], "removed": []}, "stopped": [], "backup": "20260101T000000Z-1", "backup_at": 1767225600.0, "before": {"running": ["app"], "well": ["app"], "probes": [0]}, "keep_databases": false, "failure": {}}','{"limit": 1800, "spent": 0.050709028995697736, "boot": "8b3fdb38-1b2e-41d3-9d8d-b05f64582dc2", "at": 13405.183797766}');
INSERT INTO "transactions" VALUES(2,'93c408d9-5684-4fa2-bcaa-c10e252b5b0a','update','1.2.0','1.1.0',7,'ROLLED_BACK',NULL,'2026-11-23T13:34:48.698Z','2026-11-23T13:34:48.718Z',0,'app is unhealthy','null',NULL,'{"manifest_sha256": "abababababababababababababababababababababababababababababababab", "files": [{"dest": "config/app.conf", "sha256": "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd", "mode": 420, "replaces": ""}], "change": {"changed": ["app"], "added": [], "removed": []}, "stopped": [], "backup": "20260101T000000Z-1", "backup_at": 1767225600.0, "before": {"running": ["app"], "well": ["app"], "probes": [0]}, "keep_databases": false, "failure": {"failing_service": "app", "log_tail": ["x"]}}','{"limit": 1800, "spent": 0.01929168400238268, "boot": "8b3fdb38-1b2e-41d3-9d8d-b05f64582dc2", "at": 13405.207213774}');
INSERT INTO "transactions" VALUES(3,'f25a0d10-585f-4747-9281-676cf5d0f272','update','1.3.0','1.1.0',7,'PULLED','STOPPED','2026-11-23T13:34:48.720Z',NULL,0,'','null',NULL,'{"manifest_sha256": "abababababababababababababababababababababababababababababababab", "files": [{"dest": "config/app.conf", "sha256": "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd", "mode": 420, "replaces": ""}], "change": {"changed": ["app"], "added": [], "removed": []}, "stopped": [], "backup": "20260101T000000Z-1", "backup_at": 1767225600.0, "before": {"running": ["app"], "well": ["app"], "probes": [0]}, "keep_databases": false, "failure": {}}','{"limit": 1800, "spent": 0.019351387998540304, "boot": "8b3fdb38-1b2e-41d3-9d8d-b05f64582dc2", "at": 13405.232479066}');
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('transactions',3);
INSERT INTO "sqlite_sequence" VALUES('steps',24);
INSERT INTO "sqlite_sequence" VALUES('outbox',22);
COMMIT;
