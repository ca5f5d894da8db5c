"""The air of one home: Bluetooth devices and the gateway's adapter, all on a Bumble link, no hardware anywhere.

Each simulated device is a whole Bluetooth stack (controller, host, GATT server) in this process. The gateway's adapter
is a controller alone: its host is another process, which reaches it as HCI over a socket. A gateway that dies takes
its socket with it; its adapter then leaves the air, its connections end as they would, and whoever connects next gets
a new adapter. The newest client wins.

What Bumble's controller lacks for that is added in `Adapter`: a reset that resets, a connection attempt that can be
called off, and the notice that a connection never came to be (a device that stopped advertising in that instant).

Devices have random addresses: Bumble's link stamps a sender's random address on data, whatever it connected with.
"""

import asyncio
from pathlib import Path

from bumble import hci, ll
from bumble.controller import Controller, LegacyAdvertiser
from bumble.core import BaseBumbleError
from bumble.link import LocalLink
from bumble.transport.common import PacketParser

from vitals.errors import ConfigError, LinkError

_ESTABLISHED_WITHIN_S = 0.3
_PACKET_BYTES = 251
"""Data length extension: a controller that takes 27 bytes at a time spends its time on fragments."""

_LONGEST_SOCKET_PATH = 107


class AirController(Controller):
    """Bumble's controller with long packets, and without its log line for each packet, formatted whether or not
    anyone reads it: half the time of a simulated connection."""

    le_acl_data_packet_length = _PACKET_BYTES
    acl_data_packet_length = _PACKET_BYTES
    supported_max_tx_octets = _PACKET_BYTES
    supported_max_rx_octets = _PACKET_BYTES

    def send_hci_packet(self, packet: hci.HCI_Packet) -> None:
        if self.host:
            asyncio.get_running_loop().call_soon(self.host.on_packet, bytes(packet))


class Adapter(AirController):
    """The gateway's controller: one for each time a host connects."""

    def __init__(self, air: LocalLink, sink: "_Socket") -> None:
        super().__init__("adapter", host_sink=sink, link=air)
        self.random_address = hci.Address("C0:00:00:00:00:01")

    def on_hci_reset_command(self, command: hci.HCI_Reset_Command) -> hci.HCI_StatusReturnParameters:
        self._hang_up()
        self.le_scan_enable = False
        self.pending_le_connection = None
        self.le_legacy_advertiser.stop()
        self.le_legacy_advertiser = LegacyAdvertiser(self)
        return super().on_hci_reset_command(command)

    def on_hci_le_create_connection_cancel_command(
        self, command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        asyncio.get_running_loop().call_soon(self._tell_cancelled, pending.peer_address)
        return super().on_hci_le_create_connection_cancel_command(command)

    def _tell_cancelled(self, peer: hci.Address) -> None:
        self.send_hci_packet(
            hci.HCI_LE_Connection_Complete_Event(
                status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
                connection_handle=0,
                role=hci.Role.CENTRAL,
                peer_address_type=peer.address_type,
                peer_address=peer,
                connection_interval=0,
                peripheral_latency=0,
                supervision_timeout=0,
                central_clock_accuracy=0,
            )
        )

    def create_le_connection(self, peer_address: hci.Address) -> None:
        super().create_le_connection(peer_address)
        asyncio.get_running_loop().call_later(_ESTABLISHED_WITHIN_S, self._check_established, peer_address)

    def _check_established(self, peer_address: hci.Address) -> None:
        connection = self.le_connections.get(peer_address)
        if connection and not self._peer_knows(connection.self_address, peer_address):
            self.on_le_disconnected(connection, hci.HCI_ErrorCode.CONNECTION_FAILED_TO_BE_ESTABLISHED_ERROR)

    def _peer_knows(self, self_address: hci.Address, peer_address: hci.Address) -> bool:
        peer = self.link.find_le_controller(peer_address)
        return peer is not None and self_address in peer.le_connections

    def _hang_up(self) -> None:
        for connection in list(self.le_connections.values()):
            if self._peer_knows(connection.self_address, connection.peer_address):
                connection.send_ll_control_pdu(ll.TerminateInd(hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR))
        self.le_connections.clear()

    def leave(self) -> None:
        """The host is gone: end its connections and leave the air."""
        self._hang_up()
        self.le_legacy_advertiser.stop()
        self.host = None
        if self in self.link.controllers:
            self.link.remove_controller(self)


class _Socket(asyncio.Protocol):
    """One client of a radio: HCI packets in and out, and the adapter that is its."""

    def __init__(self, radio: "Radio") -> None:
        self._radio = radio
        self._adapter: Adapter | None = None
        self._parser = PacketParser()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._adapter = Adapter(self._radio.air, self)
        self._parser.set_packet_sink(self._adapter)
        self._radio.took_over(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except BaseBumbleError:
            self.close()

    def on_packet(self, packet: bytes) -> None:
        """From the adapter to the host."""
        if self._transport and not self._transport.is_closing():
            self._transport.write(packet)

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()

    def close(self) -> None:
        self._leave()
        if self._transport:
            self._transport.close()

    def _leave(self) -> None:
        adapter, self._adapter = self._adapter, None
        if adapter:
            adapter.leave()


class Radio:
    """The air of one home and the socket where its gateway finds an adapter.

    `spec` is `unix-server:PATH` or `tcp-server:HOST:PORT`; the gateway opens `unix:PATH` or `tcp-client:HOST:PORT`.
    """

    def __init__(self, spec: str) -> None:
        self.air = LocalLink()  # type: ignore[no-untyped-call]
        self._scheme, _, self._where = spec.partition(":")
        self._server: asyncio.Server | None = None
        self._client: _Socket | None = None

    async def open(self) -> None:
        """Begin to listen; raises LinkError."""
        loop = asyncio.get_running_loop()
        try:
            if self._scheme == "unix-server":
                Path(self._where).parent.mkdir(parents=True, exist_ok=True)
                self._server = await loop.create_unix_server(lambda: _Socket(self), self._where)
            else:
                host, _, port = self._where.rpartition(":")
                self._server = await loop.create_server(lambda: _Socket(self), host, int(port))
        except OSError as error:
            raise LinkError(f"radio {self._scheme}:{self._where} does not open ({error})", "is it in use?") from error

    def took_over(self, client: _Socket) -> None:
        """A new client is there; the one before it is shown out."""
        previous, self._client = self._client, client
        if previous:
            previous.close()

    async def close(self) -> None:
        """Stop listening, show the client out, remove the socket."""
        if self._client:
            self._client.close()
        if self._server:
            self._server.close()
            await self._server.wait_closed()
        if self._scheme == "unix-server":
            Path(self._where).unlink(missing_ok=True)  # noqa: ASYNC240 (a local unlink)


def check_spec(spec: str) -> None:
    """Raises ConfigError for what `Radio` cannot open."""
    scheme, _, where = spec.partition(":")
    if scheme == "unix-server" and where:
        if len(where.encode()) > _LONGEST_SOCKET_PATH:
            raise ConfigError(f"radio path {where} is longer than {_LONGEST_SOCKET_PATH} bytes", "choose a shorter one")
    elif not (scheme == "tcp-server" and where.rpartition(":")[2].isdecimal()):
        raise ConfigError(f"radio {spec!r} is no radio", "write unix-server:PATH or tcp-server:HOST:PORT")
