"""python-socketio with its RabbitMQ manager, on uvicorn with uvloop and httptools: every client hears `message`, and
what a client says under that name all others hear."""

from __future__ import annotations

import socketio
import uvicorn
from pydantic_core import from_json

from benchmarks.contenders.arguments import arguments
from benchmarks.events import event_json

EVENT = from_json(event_json("room", "epoch", 1))


def main() -> None:
    """Serve until killed. `--channel` is the manager's exchange."""
    told = arguments(amqp="", channel="")
    server = socketio.AsyncServer(
        async_mode="asgi",
        client_manager=socketio.AsyncAioPikaManager(told["amqp"], channel=told["channel"]),
        ping_interval=3600,
        cors_allowed_origins=[],
    )

    async def tell(sid: str, said: dict[str, str]) -> None:
        await server.emit("message", EVENT | {"text": said["text"]}, skip_sid=sid)

    server.on("message", tell)
    app = socketio.ASGIApp(server)
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=told["port"],
        log_level="warning",
        loop="uvloop",
        http="httptools",
        ws_ping_interval=None,  # a crowd answers no pings
    )


if __name__ == "__main__":
    main()
