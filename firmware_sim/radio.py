"""The air of one home: Bluetooth devices and the gateway's adapter, all on a Bumble link, no hardware anywhere.

Each simulated device is a whole Bluetooth stack (controller, host, GATT server) in this process. The gateway's adapter
is a controller alone: its host is another process, which reaches it as HCI over a socket. A gateway that dies takes
its socket with it; its adapter then leaves the air, its connections end as they would, and whoever connects next gets
a new adapter. The newest client wins.

Or its host is the Linux kernel: `vhci` hands it an adapter through `/dev/vhci`, and BlueZ takes it for hardware. That
adapter is there from `open` to `close`, and leaves BlueZ as one that is pulled out does.

What Bumble's controller lacks for that is added in `Adapter`: a reset that resets, a connection attempt that can be
called off, the notice that a connection never came to be (a device that stopped advertising in that instant), and the
answers that the kernel waits for. `Air` mends its link, which stamps a sender's random address on data, whatever it
connected with: the kernel connects with its public one.
"""

import asyncio
import os
from pathlib import Path

from bumble import hci, ll
from bumble.controller import Controller, LegacyAdvertiser
from bumble.core import BaseBumbleError, PhysicalTransport
from bumble.link import LocalLink
from bumble.transport.common import PacketParser, TransportSink

from vitals.errors import ConfigError, LinkError

_ESTABLISHED_WITHIN_S = 0.3
_PACKET_BYTES = 251
"""Data length extension: a controller that takes 27 bytes at a time spends its time on fragments."""

_LONGEST_SOCKET_PATH = 107
_VHCI = Path("/dev/vhci")
_VENDOR_PACKET = 0xFF
_MAKE_ADAPTER = bytes((_VENDOR_PACKET, 0))
_LONGEST_PACKET = 4096


class Air(LocalLink):
    """Bumble's link, but data comes from the address that its sender has in this connection."""

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: hci.Address,
        transport: PhysicalTransport,
        data: bytes,
    ) -> None:
        connection = sender_controller.le_connections.get(destination_address)
        receiver = self.find_le_controller(destination_address)
        if connection and receiver:
            sender = connection.self_address
            asyncio.get_running_loop().call_soon(receiver.on_link_acl_data, sender, transport, data)


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

    def __init__(self, air: Air, sink: TransportSink) -> None:
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


class _KernelAdapter(Adapter):
    """An adapter for Linux. It has a public address, without which BlueZ takes an adapter for unconfigured.

    It has no feature for which Linux waits for another event than Bumble sends: with extended advertising or private
    addresses it waits for the enhanced notice of each connection, and gives up the connection it has.
    """

    le_features = AirController.le_features & ~(
        hci.LeFeatureMask.LL_PRIVACY
        | hci.LeFeatureMask.LE_EXTENDED_ADVERTISING
        | hci.LeFeatureMask.LE_PERIODIC_ADVERTISING
    )

    def __init__(self, air: Air, sink: TransportSink) -> None:
        super().__init__(air, sink)
        self.public_address = hci.Address("02:00:00:00:00:01", hci.Address.PUBLIC_DEVICE_ADDRESS)

    def on_hci_read_remote_version_information_command(
        self, command: hci.HCI_Read_Remote_Version_Information_Command
    ) -> None:
        self._send_hci_command_status(hci.HCI_COMMAND_STATUS_PENDING, command.op_code)
        self.send_hci_packet(
            hci.HCI_Read_Remote_Version_Information_Complete_Event(
                status=hci.HCI_ErrorCode.SUCCESS,
                connection_handle=command.connection_handle,
                version=self.lmp_version,
                manufacturer_name=self.manufacturer_company_identifier,
                subversion=self.lmp_subversion,
            )
        )


class _Kernel:
    """The kernel as the adapter's host: one read is one packet, and one write too."""

    def __init__(self, air: Air) -> None:
        """Raises OSError."""
        self._file = os.open(_VHCI, os.O_RDWR | os.O_NONBLOCK)
        self._adapter = _KernelAdapter(air, self)
        os.write(self._file, _MAKE_ADAPTER)
        asyncio.get_running_loop().add_reader(self._file, self._readable)

    def _readable(self) -> None:
        packet = os.read(self._file, _LONGEST_PACKET)
        if packet[0] != _VENDOR_PACKET:
            self._adapter.on_packet(packet)

    def on_packet(self, packet: bytes) -> None:
        """From the adapter to the kernel."""
        if self._file >= 0:
            os.write(self._file, packet)

    def close(self) -> None:
        """Pull the adapter out."""
        file, self._file = self._file, -1
        if file >= 0:
            asyncio.get_running_loop().remove_reader(file)
            self._adapter.leave()
            os.close(file)


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

    `spec` is `unix-server:PATH` or `tcp-server:HOST:PORT`, and the gateway opens `unix:PATH` or `tcp-client:HOST:PORT`;
    or `vhci`, and the gateway finds the adapter in BlueZ.
    """

    def __init__(self, spec: str) -> None:
        self.air = Air()  # type: ignore[no-untyped-call]
        self._scheme, _, self._where = spec.partition(":")
        self._server: asyncio.Server | None = None
        self._client: _Socket | _Kernel | None = None

    async def open(self) -> None:
        """Begin to listen; raises LinkError."""
        loop = asyncio.get_running_loop()
        try:
            if self._scheme == "vhci":
                self._client = _Kernel(self.air)
            elif self._scheme == "unix-server":
                Path(self._where).parent.mkdir(parents=True, exist_ok=True)
                self._server = await loop.create_unix_server(lambda: _Socket(self), self._where)
            else:
                host, _, port = self._where.rpartition(":")
                self._server = await loop.create_server(lambda: _Socket(self), host, int(port))
        except OSError as error:
            mend = "it needs root, and modprobe hci_vhci" if self._scheme == "vhci" else "is it in use?"
            raise LinkError(f"radio {self._scheme}:{self._where} does not open ({error})", mend) from error

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
    if spec == "vhci":
        return
    if scheme == "unix-server" and where:
        if len(where.encode()) > _LONGEST_SOCKET_PATH:
            raise ConfigError(f"radio path {where} is longer than {_LONGEST_SOCKET_PATH} bytes", "choose a shorter one")
    elif not (scheme == "tcp-server" and where.rpartition(":")[2].isdecimal()):
        raise ConfigError(f"radio {spec!r} is no radio", "write unix-server:PATH, tcp-server:HOST:PORT or vhci")
