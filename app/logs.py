"""Logs: one event per line, a name with fields; JSON where nobody reads along, columns on a terminal.

1. No visitor's address and no token is logged. aiohttp's own records carry both, so its access log is off, its
   server's records lose their arguments, and a malformed request is one line without its bytes.
2. Records of the standard library's logging take the same way out as structlog's.

Called once, by `app.__main__`, before anything else is started.
"""

import logging
import sys
from typing import Final, TextIO

import structlog
from aiohttp.http_exceptions import HttpProcessingError

_SHARED: Final[tuple[structlog.typing.Processor, ...]] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure(stream: TextIO = sys.stderr) -> None:
    structlog.configure(
        processors=[
            *_SHARED,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(is_terminal=stream.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    silence_aiohttp()


def silence_aiohttp() -> None:
    """Keep visitors out of aiohttp's records (invariant 1)."""
    logging.getLogger("aiohttp.access").disabled = True
    # It warns of unknown subprotocols, with the visitor's address.
    logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)
    server = logging.getLogger("aiohttp.server")
    if without_visitor not in server.filters:
        server.addFilter(without_visitor)


def without_visitor(record: logging.LogRecord) -> bool:
    """What aiohttp's server says of a request, without the address and the bytes."""
    wrong = record.exc_info[1] if record.exc_info else None
    record.args = ()
    if isinstance(wrong, HttpProcessingError):
        record.msg, record.exc_info = "http.malformed", None
        record.levelno, record.levelname = logging.INFO, "INFO"
    else:
        record.msg = "http.failed"
    return True


def _formatter(*, is_terminal: bool) -> logging.Formatter:
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if is_terminal:
        renderer = structlog.dev.ConsoleRenderer()
    tracebacks = [] if is_terminal else [structlog.processors.format_exc_info]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tracebacks, renderer],
    )
