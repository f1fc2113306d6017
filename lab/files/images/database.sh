#!/bin/sh
# PostgreSQL, as the official image is used: POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB, PGDATA.
set -eu

sql() { echo "$2" | postgres --single -D "$PGDATA" "$1" >/dev/null; }

# The marker comes last, so that a start cut short begins again.
if [ ! -e "$PGDATA/.initialized" ]; then
    rm -rf "${PGDATA:?}"/* "$PGDATA"/.[!.]*
    printf '%s' "$POSTGRES_PASSWORD" >/tmp/password
    initdb -D "$PGDATA" -U "$POSTGRES_USER" --pwfile=/tmp/password --auth-local=trust \
        --auth-host=scram-sha-256 --no-locale --encoding=UTF8 --wal-segsize=1 --no-sync >/dev/null
    rm /tmp/password
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    [ "$POSTGRES_DB" = postgres ] || sql postgres "CREATE DATABASE \"$POSTGRES_DB\""
    sql "$POSTGRES_DB" 'CREATE TABLE readings (id bigserial PRIMARY KEY, sensor text NOT NULL, celsius numeric(5,2) NOT NULL, taken_at timestamptz NOT NULL DEFAULT now())'
    sql "$POSTGRES_DB" "INSERT INTO readings (sensor, celsius, taken_at) SELECT 'fridge-' || i % 4, 4 + i % 30 / 10.0, now() - (5000 - i) * interval '1 minute' FROM generate_series(1, 5000) AS i"
    touch "$PGDATA/.initialized"
    sync
fi
exec postgres -D "$PGDATA" -c listen_addresses='*' -c shared_buffers=16MB -c max_connections=40 \
    -c min_wal_size=4MB -c max_wal_size=64MB -c autovacuum_naptime=10min
