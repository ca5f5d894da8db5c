"""The whole of a hub's identity with nothing played: the server's mosquitto, TLS, the hubs' door, claims, uplinks."""
