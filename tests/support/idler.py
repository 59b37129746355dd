"""Answers 200 to every request and does nothing else: what this machine needs for an answer from a process that has
nothing to do. `python -m tests.support.idler PORT`; runs until it is ended.
"""

import asyncio
import json
import sys

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(_ANSWER)
    writer.close()


async def main() -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[1]))
    print(json.dumps({"port": int(sys.argv[1])}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
