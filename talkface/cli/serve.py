"""`talkface serve` -> a web page and an HTTP API on this machine."""

import typer

from talkface.cli.options import with_options
from talkface.errors import MediaError
from talkface.serve.options import ServeOptions


def register(app: typer.Typer) -> None:
    """Add the verb."""
    serve.add_to(app, "serve")


@with_options(ServeOptions)
def serve(*, options: ServeOptions) -> None:
    """Serve a web page and an HTTP API that make videos and live streams.

    Only this machine reaches it unless --host says otherwise, which needs a token.
    Jobs are kept on the disk: a restart resumes them. Animate only people who agreed.
    """
    import socket

    import uvicorn

    from talkface.serve.app import create_app
    from talkface.serve.server import open_server

    try:
        listening = socket.create_server((options.host, options.port), family=_family(options.host))
    except OSError as error:
        where = f"{options.host}:{options.port}"
        raise MediaError(f"{where} cannot be listened on: {error.strerror}; give another --port") from error
    app = create_app(open_server(options))
    port = listening.getsockname()[1]
    typer.echo(f"talkface serves http://{options.host}:{port} (Ctrl-C ends)")
    config = uvicorn.Config(app, log_level="warning", timeout_keep_alive=20, timeout_graceful_shutdown=5)
    uvicorn.Server(config).run(sockets=[listening])


def _family(host: str) -> int:
    import socket

    return socket.AF_INET6 if ":" in host else socket.AF_INET
