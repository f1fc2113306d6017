#!/bin/sh
# Republishes what the sensors say under the topic for the cloud. Settings: /etc/bridge/bridge.conf
trap 'exit 0' TERM INT
topic_in='sensors/#'
topic_out=outbound/telemetry
broker=mqtt-broker
# shellcheck disable=SC1091
. /etc/bridge/bridge.conf
echo "mqtt-bridge $(cat /version): $topic_in -> $topic_out on $broker"
until mosquitto_pub -h "$broker" -t health/mqtt-bridge -m hello 2>/dev/null; do
    sleep 0.2 & wait $!
done
(mosquitto_sub -h "$broker" -t "$topic_in" | mosquitto_pub -h "$broker" -t "$topic_out" -l) & wait $!
echo "mqtt-bridge: the broker went away" >&2
exit 1
