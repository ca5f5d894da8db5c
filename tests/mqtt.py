"""What tests share of MQTT."""

import paho.mqtt.client as mqtt


def end(client: mqtt.Client) -> None:
    """Disconnect and leave no socket open: paho itself keeps some until the garbage is collected."""
    client.disconnect()
    client.loop_stop()
    client._reset_sockets()
