"""python-socketio with its RabbitMQ manager, on uvicorn with uvloop and httptools: every client hears `message`."""

from __future__ import annotations

import socketio
import uvicorn

from benchmarks.contenders.arguments import arguments


def main() -> None:
    """Serve until killed. `--channel` is the manager's exchange."""
    told = arguments(amqp="", channel="")
    server = socketio.AsyncServer(
        async_mode="asgi",
        client_manager=socketio.AsyncAioPikaManager(told["amqp"], channel=told["channel"]),
        ping_interval=3600,
        cors_allowed_origins=[],
    )
    app = socketio.ASGIApp(server)
    uvicorn.run(app, host="127.0.0.1", port=told["port"], log_level="warning", loop="uvloop", http="httptools")


if __name__ == "__main__":
    main()
