"""A tunnel that nobody looks into: bytes pass as they come, and each side's end reaches the other."""

from mitmproxy.proxy import commands, events, layer, layers
from mitmproxy.proxy.context import Context


class Tunnel(layers.TCPLayer):
    """mitmproxy's raw layer without its flow, so that nothing is kept; the recorder sees the client go."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, ignore=True)

    def relay_messages(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Hand on bytes."""
        if isinstance(event, events.DataReceived):
            from_client = event.connection == self.context.client
            yield commands.SendData(self.context.server if from_client else self.context.client, event.data)
        else:
            yield from super().relay_messages(event)
