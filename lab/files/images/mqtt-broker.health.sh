#!/bin/sh
exec mosquitto_pub -h 127.0.0.1 -t health/mqtt-broker -m ok
