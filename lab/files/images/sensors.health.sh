#!/bin/sh
pidof mosquitto_pub >/dev/null
