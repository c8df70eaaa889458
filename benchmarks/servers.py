"""Servers on loopback that answer what a function returns, in threads of the process that measures."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

#: Returns the body of an answer to a request: for its path, its headers, and its body.
Answering = Callable[[str, Message, bytes], bytes]


@contextmanager
def serving(answer: Answering, content_type: str = "application/json") -> Iterator[int]:
    """Answer every request; yield the port."""

    class Handler(BaseHTTPRequestHandler):
        """Answers."""

        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # headers and body are two packets, and the second one would wait for the first

        def do_GET(self) -> None:
            """Answer with the body."""
            given = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = answer(self.path, self.headers, given)
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
