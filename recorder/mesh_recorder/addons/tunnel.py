"""A tunnel that nobody looks into: bytes pass as they come, and each side's end reaches the other."""

from mitmproxy.proxy import commands, events, layer, layers
from mitmproxy.proxy.context import Context


class HalfClose(commands.ConnectionCommand):
    """Send nothing more on a connection; a name of its own, as mitmproxy closes wholly inside CONNECT."""


class Tunnel(layers.TCPLayer):
    """mitmproxy's raw layer without its flow, so that nothing is kept; the recorder sees the client go."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, ignore=True)

    def relay_messages(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Hand on bytes and ends."""
        if isinstance(event, events.DataReceived):
            from_client = event.connection == self.context.client
            yield commands.SendData(self.context.server if from_client else self.context.client, event.data)
            return
        for command in super().relay_messages(event):
            if (
                isinstance(command, commands.CloseTcpConnection)
                and command.half_close
                and command.connection == self.context.server
            ):
                yield HalfClose(self.context.server)
            else:
                yield command
