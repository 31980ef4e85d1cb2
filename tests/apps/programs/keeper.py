"""keeper.py PORT: an asyncio server that keeps what its clients send: a line with the size, then the bytes."""
import asyncio
import sys


class Keeper(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.data = bytearray()

    def data_received(self, data):
        self.data += data
        head, line, _ = bytes(self.data[:20]).partition(b"\n")
        if line and len(self.data) - len(head) - 1 == int(head):
            self.transport.write(b"kept %s\n" % head)


async def main():
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(15, stop.set)
    await loop.create_server(Keeper, "127.0.0.1", int(sys.argv[1]))
    await stop.wait()
    # As it is: with the connections open.
    sys.exit(0)


asyncio.run(main())
