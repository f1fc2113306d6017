#!/bin/sh
exec mosquitto -c /etc/mosquitto/mosquitto.conf
