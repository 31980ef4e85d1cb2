#!/usr/bin/env python3
"""A store for many customers in one process. Each has a quota, and a customer that fills its quota does not affect the others.

    PUT /<customer>/<key>   keeps the body      507 when the customer's quota is used up
    GET /<customer>/<key>   returns the body       404
    GET /<customer>         the customer's figures, as JSON

    python3 -m tenure service.py [port]         (port 0: a free port, which is printed)
"""
import asyncio
import json
import sys

import tenure

QUOTA = 16 << 20


class Customer:
    def __init__(self, name):
        self.tenant = tenure.Tenant(name, max=QUOTA, policy=tenure.Policy.FAIL_ALL)
        self.values = {}


customers = {}


def customer_of(name):
    if name not in customers:
        customers[name] = Customer(name)
    return customers[name]


async def put(customer, key, reader, length):
    """Runs inside the customer's tenant: the value, the key and the table's growth are the customer's."""
    customer.values[key] = await reader.readexactly(length)
    return 204, b""


async def get(customer, key):
    if key:
        value = customer.values.get(key)
        return (404, b"") if value is None else (200, value)
    stats = customer.tenant.stats()
    return 200, json.dumps({"usage": stats.usage, "failures": stats.failures, "keys": len(customer.values)}).encode()


async def answer(method, path, reader, length):
    name, _, key = path.strip("/").partition("/")
    try:
        customer = customer_of(name)
    except tenure.TenureError as error:
        return 400, str(error).encode()
    try:
        with customer.tenant:
            if method == "PUT" and key:
                return await put(customer, key, reader, length)
            return await get(customer, key)
    except MemoryError:
        return 507, b""


async def serve(reader, writer):
    """One connection. What it reads before it knows the customer is the server's own."""
    try:
        while line := (await reader.readline()).decode("latin-1"):
            method, path, _ = line.split(" ", 2)
            length = 0
            while (header := (await reader.readline()).decode("latin-1").strip()):
                name, _, value = header.partition(":")
                if name.lower() == "content-length":
                    length = int(value)
            status, body = await answer(method, path, reader, length)
            if status == 507:
                break  # The rest of the body is still to come: say so and close.
            writer.write(f"HTTP/1.1 {status} .\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
        else:
            return
        writer.write(b"HTTP/1.1 507 .\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
    except (ConnectionError, ValueError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8080)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    try:
        tenure.run(main())
    except KeyboardInterrupt:
        pass
