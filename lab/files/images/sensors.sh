#!/bin/sh
# Makes up a temperature every second for the broker, and every ten seconds one for the database.
trap 'exit 0' TERM INT

temperatures() {
    n=0
    while :; do
        n=$((n + 1))
        echo "4.$((n % 10))"
        sleep 1
    done
}

inserts() {
    n=0
    while :; do
        n=$((n + 1))
        echo "INSERT INTO readings (sensor, celsius) VALUES ('fridge-$((n % 4))', 4.$((n % 10)));"
        sleep 10
    done
}

# Each is tried again for ever: the broker or the database may restart at any time.
publish() { while :; do temperatures | mosquitto_pub -h mqtt-broker -t sensors/temperature -l; sleep 1; done; }
record() { while :; do inserts | psql -q -h database -U "$PGUSER" -d "$PGDATABASE"; sleep 1; done; }

publish 2>/dev/null &
record 2>/dev/null &
wait
