"""From MQTT messages to rows that stay: once each, under the right patient, acknowledged after the commit."""
