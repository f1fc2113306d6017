#!/bin/sh
# TCP, not the socket: the server that sets up the data has no TCP.
exec pg_isready -q -h 127.0.0.1 -U "$POSTGRES_USER" -d "$POSTGRES_DB"
