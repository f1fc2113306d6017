#!/bin/sh
pidof mosquitto_sub >/dev/null && exec mosquitto_pub -h mqtt-broker -t health/mqtt-bridge -m ok
exit 1
